"""The services of the local stack: how each is run, reached, and known to be ready."""

import sys
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Literal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from weir.local import broker
from weir.local.broker import LocalBroker
from weir.settings import LOOPBACK, Settings

START_ORDER = ("broker", "store", "gateway", "worker", "query_api", "auditor")
"""As they need each other; workers after the first are called ``worker_2`` and so on."""
STOP_ORDER = ("gateway", "auditor", "worker", "query_api", "archive", "store", "broker")
"""Nothing is taken from anybody who is still at work."""

Condition = Literal["up", "not ready", "not answering"]
"""What a service whose process lives says of itself: that it is at work, that it is not yet or no longer, or nothing,
as one that hangs.
"""

PATIENT_SECONDS = 5.0
"""For who asks once: a machine that is busy may take longer than a second over an answer."""
_ASK_SECONDS = 1.0
_PATHS = {
    "store": "/ping",
    "gateway": "/readyz",
    "worker": "/metrics",
    "query_api": "/healthz",
    "auditor": "/healthcheck",
    "archive": "/metrics",
}
_WORKER_READY = "weir_worker_ready 1.0"
"""The line of a worker's metrics that says that its partitions are loaded (`streams.metrics.READY`)."""


@dataclass(frozen=True)
class Service:
    """How to run one service, and where it listens."""

    name: str
    command: tuple[str, ...]
    address: str
    stop_seconds: float
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """``worker`` for every worker, else the name."""
        return service_kind(self.name)

    @property
    def log_name(self) -> str:
        """Its file under ``logs/``."""
        return self.name.replace("_", "-") + ".log"

    def ready(self) -> bool:
        """Ask it; answers within seconds and never raises."""
        return ask(self.name, self.address) == "up"


def local_broker(settings: Settings) -> LocalBroker:
    """The local stack's broker."""
    return LocalBroker(
        (settings.home / "kafka").resolve(),
        settings.jars,
        settings.broker_port,
        settings.controller_port,
        settings.broker_heap,
    )


def local_services(settings: Settings) -> list[Service]:
    """All services, in the order in which they are started.

    :raises weir.errors.WeirError: Java is missing.
    """
    services = [
        Service("broker", tuple(broker.command(local_broker(settings))), settings.bootstrap, stop_seconds=30),
        Service("store", weir_command("store"), settings.store_url, stop_seconds=30),
        Service("gateway", weir_command("gateway"), settings.gateway_url, stop_seconds=15),
    ]
    for number in range(1, settings.workers + 1):
        name, port = worker_name(number), worker_port(settings, number)
        services.append(
            Service(
                name,
                weir_command("worker"),
                f"http://{LOOPBACK}:{port}",
                stop_seconds=20,
                environment={
                    "WEIR_WORKER_METRICS_PORT": str(port),
                    "WEIR_WORKER_ID": f"worker-{number}",
                    "WEIR_WORKER_DATA": str((settings.home / f"worker-{number}").resolve()),
                },
            )
        )
    services.append(Service("query_api", weir_command("query_api"), settings.query_api_url, stop_seconds=10))
    if settings.auditor:
        port = settings.auditor_metrics_port
        services.append(
            Service(
                "auditor",
                weir_command("auditor"),
                f"http://{LOOPBACK}:{port}",
                stop_seconds=20,
                environment={"WEIR_AUDITOR_METRICS_PORT": str(port), "WEIR_AUDITOR_METRICS_HOST": LOOPBACK},
            )
        )
    if settings.archive_location:
        address = f"http://{LOOPBACK}:{settings.archive_metrics_port}"
        services.append(Service("archive", weir_command("archive", "run"), address, stop_seconds=20))
    return services


def service_kind(name: str) -> str:
    """``worker`` for every worker, else the name itself."""
    return "worker" if name.startswith("worker") else name


def ask(name: str, address: str, seconds: float = _ASK_SECONDS) -> Condition:
    """What a service says of itself; one that says nothing for so many seconds does not answer. Never raises."""
    kind = service_kind(name)
    if kind == "broker":
        return "up" if broker.answers(address, seconds) else "not answering"
    try:
        said = fetch(address + _PATHS[kind], seconds)
    except HTTPError:
        return "not ready"
    except (OSError, HTTPException, UnicodeDecodeError):
        return "not answering"
    return "not ready" if kind == "worker" and _WORKER_READY not in said.splitlines() else "up"


def fetch(url: str, seconds: float = _ASK_SECONDS) -> str:
    """The text at a service's address.

    :raises HTTPError: it answers something else than 200.
    :raises OSError: it does not answer within so many seconds.
    """
    with urlopen(Request(url), timeout=seconds) as answer:
        text: str = answer.read().decode()
        return text


def worker_name(number: int) -> str:
    """``worker``, ``worker_2`` and so on."""
    return "worker" if number == 1 else f"worker_{number}"


def worker_port(settings: Settings, number: int) -> int:
    """Where the worker of this number (from 1) shows its metrics."""
    return settings.worker_metrics_port + number - 1


def weir_command(command: str, *arguments: str) -> tuple[str, ...]:
    """The command line of one of our commands, which then loads nothing that belongs to the others."""
    return (sys.executable, "-m", f"weir.commands.{command}", *arguments)
