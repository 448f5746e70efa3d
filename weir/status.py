"""`weir status`: what is up, how far behind, how much is stored. Tells what it can when parts are down."""

import subprocess
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from sinks.counts import count_rows
from sinks.dead_letters import count_open
from weir.clickhouse import clickhouse
from weir.errors import WeirError
from weir.local.broker import answers
from weir.local.demo_project import DemoProject, read_demo_project
from weir.local.processes import is_alive
from weir.local.state import ServiceStatus, read_state
from weir.services import PATIENT_SECONDS, ask, weir_command, worker_name, worker_port
from weir.settings import LOOPBACK, Settings, service_environment
from weir.spool import SpoolReport, spool_report
from weir.stack import running_state

DEAD_LETTERS_TABLE = "dead_letters"
NAMES = ("gateway", "query_api", "store", "broker", "worker")
_LAG_SECONDS = 20.0
_AT_ONCE = 16
_LAG = TypeAdapter(dict[str, int])


class ServiceReport(BaseModel):
    """One service. ``state``: ``up``, ``down``, ``starting``, ``restarting``, ``stopping``; or, of one whose process
    lives, ``not ready`` or ``not answering``. ``pid`` is None while no process runs it. ``problem``: why the process
    before it ended, if that was lately.
    """

    state: str
    address: str | None
    pid: int | None
    problem: str | None


class Status(BaseModel):
    """The whole answer; its JSON is the one of ``weir status --json``. Numbers nobody could tell are left out, and a
    spool that is empty is None.
    """

    services: dict[str, ServiceReport]
    demo: DemoProject | None
    spool: SpoolReport | None
    lag: dict[str, int]
    rows: dict[str, int]
    dead_letters: int


def collect(settings: Settings) -> Status:
    """Ask supervisor, broker and store; blocks for some seconds at most. Never raises because one is down."""
    with ThreadPoolExecutor(_AT_ONCE) as beside:
        lag, spool = beside.submit(_lag, settings), beside.submit(_spool, settings)
        services = _services(settings, beside)
        rows, dead_letters = _rows(settings) if services["store"].state != "not answering" else ({}, 0)
    return Status(
        services=services,
        demo=read_demo_project(settings.home),
        spool=spool.result(),
        lag=lag.result(),
        rows=rows,
        dead_letters=dead_letters,
    )


def _services(settings: Settings, beside: Executor) -> dict[str, ServiceReport]:
    addresses = {
        "gateway": settings.gateway_url,
        "query_api": settings.query_api_url,
        "store": settings.store_url,
        "broker": settings.bootstrap,
        **{
            worker_name(number): f"http://{LOOPBACK}:{worker_port(settings, number)}"
            for number in range(1, settings.workers + 1)
        },
    }
    known = _known(settings.home)
    names = [*NAMES, *(name for name in known if name not in NAMES)]
    reports = {name: _report(known.get(name, ServiceStatus()), addresses.get(name)) for name in names}
    # What the supervisor last saw is no word for now: one that hangs was up.
    asked = {
        name: beside.submit(ask, name, report.address, PATIENT_SECONDS)
        for name, report in reports.items()
        if report.state == "up" and report.address is not None
    }
    for name, answer in asked.items():
        reports[name].state = answer.result()
    return reports


def _known(home: Path) -> dict[str, ServiceStatus]:
    state = running_state(home) or read_state(home)
    return state.services if state is not None else {}


def _report(status: ServiceStatus, address: str | None) -> ServiceReport:
    alive = status.process is not None and is_alive(status.process)
    state: str = status.state
    if not alive and state not in ("down", "restarting"):
        state = "down"
    return ServiceReport(
        state=state,
        address=status.address or address,
        pid=status.process.pid if alive and status.process else None,
        problem=status.problem,
    )


def _spool(settings: Settings) -> SpoolReport | None:
    address = _known(settings.home).get("gateway", ServiceStatus()).address
    return spool_report(address or settings.gateway_url, settings.home / "spool")


def _lag(settings: Settings) -> dict[str, int]:
    if not answers(settings.bootstrap):
        return {}
    try:
        asked = subprocess.run(
            weir_command("lag"),
            env=service_environment(settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LAG_SECONDS,
            check=True,
        )
        return _LAG.validate_json(asked.stdout)
    except (subprocess.SubprocessError, ValidationError):
        return {}


def _rows(settings: Settings) -> tuple[dict[str, int], int]:
    """Rows by table, and the dead letters that nothing was decided about."""
    try:
        with clickhouse(settings) as client:
            rows = count_rows(client, settings.clickhouse_database)
            return rows, count_open(client) if rows.get(DEAD_LETTERS_TABLE) else 0
    except WeirError:
        return {}, 0
