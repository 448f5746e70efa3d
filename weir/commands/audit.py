"""`weir audit`: is every event accounted for?"""

import sys

import click

from control.erasures import list_unfinished
from sinks.audit import audit as run_audit
from sinks.audit_report import render
from sinks.auditor import last_clean
from sinks.errors import SinkError
from weir.control_data import reading
from weir.errors import WeirError
from weir.prepare import sink_settings
from weir.services import PATIENT_SECONDS, ask
from weir.settings import Settings, load
from weir.spool import spool_report
from weir.stack import running_state

COULD_NOT_LOOK = 2


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--quick", is_flag=True, help="Compare by message only what came since the auditor's last clean report; no rollups."
)
@click.option("--wait", "seconds", type=float, default=60.0, show_default=True, help="Seconds to wait for readers.")
def audit(*, as_json: bool, quick: bool, seconds: float) -> None:
    """Compare raw log, ledger, tables and rollups.

    Exit status 0 only when every event is accounted for, 1 when something is wrong, 2 when it could not be looked at.
    """
    tell = None if as_json else lambda doing: click.echo(f"{doing} …", err=True)
    settings = load()
    if (why := _cannot_look(settings)) is not None:
        raise WeirError(why, status=COULD_NOT_LOOK)
    try:
        sinks = sink_settings(settings)
        since = last_clean(sinks) if quick else None
        report = run_audit(
            sinks,
            patience_seconds=seconds,
            progress=tell,
            since=since.reached if since is not None else None,
            rollups=since is None,
        )
    except SinkError as error:
        raise WeirError(str(error), status=COULD_NOT_LOOK) from error
    notes = [note for note in (_spooled(settings), unfinished_erasures(settings)) if note is not None]
    report = report.model_copy(update={"notes": (*report.notes, *notes)})
    click.echo(report.model_dump_json(indent=2) if as_json else render(report))
    sys.exit(0 if report.clean else 1)


def _spooled(settings: Settings) -> str | None:
    """What was answered and is not in the log yet: nothing has gone missing, and nothing of it is compared."""
    spool = spool_report(settings.gateway_url, settings.home / "spool")
    if spool is None:
        return None
    number = "Some" if spool.envelopes is None else f"{spool.envelopes:,}"
    return f"{number} envelopes wait in the gateway's spool for Kafka ({spool.bytes:,} bytes)."


def unfinished_erasures(settings: Settings) -> str | None:
    """What makes rows and sessions differ for as long as an erasure is under way, or after one that broke off."""
    try:
        with reading(settings) as session:
            projects = sorted({row.project_id for row in list_unfinished(session)})
    except WeirError:
        return None
    if not projects:
        return None
    return (
        f"In {', '.join(projects)} an erasure is not done: until it is, the ledger and the tables may differ there. "
        "Complete it with weir profile erase; weir profile erasures says whose."
    )


def _cannot_look(settings: Settings) -> str | None:
    """Why the local stack can't be audited at the moment; None when it can, or when others run Kafka and ClickHouse."""
    addresses = {
        "broker": settings.bootstrap if settings.kafka_bootstrap is None else None,
        "store": settings.store_url if settings.clickhouse_url is None else None,
    }
    silent = [
        name
        for name, address in addresses.items()
        if address is not None and ask(name, address, PATIENT_SECONDS) != "up"
    ]
    if not silent:
        return None
    if running_state(settings.home.resolve()) is None:
        return "Weir is not running, and nothing can be compared: start it (weir up), then run the audit again."
    return (
        f"The {silent[0]} does not answer at {addresses[silent[0]]}, and nothing can be compared: see weir status; one "
        "that died is started again by itself, one that hangs when its process is ended. Then run the audit again."
    )
