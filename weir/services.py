"""The services of the local stack: how each is run, reached, and known to be ready."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from urllib.error import URLError
from urllib.request import Request, urlopen

from weir.local import broker
from weir.local.broker import LocalBroker
from weir.settings import LOOPBACK, Settings

START_ORDER = ("broker", "store", "gateway", "worker", "query_api")
"""As they need each other; workers after the first are called ``worker_2`` and so on."""
STOP_ORDER = ("gateway", "worker", "query_api", "store", "broker")
"""Nothing is taken from anybody who is still at work."""

_ASK_SECONDS = 1.0
_WORKER_READY = "weir_worker_ready 1.0"
"""The line of a worker's metrics that says that its partitions are loaded (`streams.metrics.READY`)."""


@dataclass(frozen=True)
class Service:
    """How to run one service. ``ready`` asks it and answers within about a second; it never raises."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    address: str | None
    stop_seconds: float
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """``worker`` for every worker, else the name."""
        return self.name.split("_", 1)[0] if self.name.startswith("worker") else self.name

    @property
    def log_name(self) -> str:
        """Its file under ``logs/``."""
        return self.name.replace("_", "-") + ".log"


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
    bootstrap = settings.bootstrap
    services = [
        Service(
            "broker",
            tuple(broker.command(local_broker(settings))),
            lambda: broker.answers(bootstrap, _ASK_SECONDS),
            bootstrap,
            stop_seconds=30,
        ),
        Service(
            "store", weir_command("store"), _asks(f"{settings.store_url}/ping"), settings.store_url, stop_seconds=30
        ),
        Service(
            "gateway",
            weir_command("gateway"),
            _asks(f"{settings.gateway_url}/readyz"),
            settings.gateway_url,
            stop_seconds=15,
        ),
    ]
    for number in range(1, settings.workers + 1):
        name, port = worker_name(number), worker_port(settings, number)
        services.append(
            Service(
                name,
                weir_command("worker"),
                _says(f"http://{LOOPBACK}:{port}/metrics", _WORKER_READY),
                f"http://{LOOPBACK}:{port}",
                stop_seconds=20,
                environment={
                    "WEIR_WORKER_METRICS_PORT": str(port),
                    "WEIR_WORKER_ID": f"worker-{number}",
                    "WEIR_WORKER_DATA": str((settings.home / f"worker-{number}").resolve()),
                },
            )
        )
    services.append(
        Service(
            "query_api",
            weir_command("query_api"),
            _asks(f"{settings.query_api_url}/healthz"),
            settings.query_api_url,
            stop_seconds=10,
        )
    )
    return services


def worker_name(number: int) -> str:
    """``worker``, ``worker_2`` and so on."""
    return "worker" if number == 1 else f"worker_{number}"


def worker_port(settings: Settings, number: int) -> int:
    """Where the worker of this number (from 1) shows its metrics."""
    return settings.worker_metrics_port + number - 1


def weir_command(command: str, *arguments: str) -> tuple[str, ...]:
    """The command line of one of our commands, which then loads nothing that belongs to the others."""
    return (sys.executable, "-m", f"weir.commands.{command}", *arguments)


def _asks(url: str) -> Callable[[], bool]:
    return lambda: _answer(url) is not None


def _says(url: str, line: str) -> Callable[[], bool]:
    def ready() -> bool:
        answer = _answer(url)
        return answer is not None and line in answer.splitlines()

    return ready


def _answer(url: str) -> str | None:
    """The body of the answer 200, else None."""
    try:
        with urlopen(Request(url), timeout=_ASK_SECONDS) as answer:
            return answer.read().decode() if answer.status == HTTPStatus.OK else None
    except (URLError, OSError, HTTPException, UnicodeDecodeError):
        return None
