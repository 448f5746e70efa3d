"""What the auditor tells Prometheus, and whether it is at work."""

import threading
import time
from collections import Counter as Counted
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sinks.audit_report import AuditReport, Kind

_SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)
_BEHIND = (Kind.LEDGER_BEHIND, Kind.STORE_BEHIND)


class AuditorMetrics:
    """Counters of one process, with a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "weir_auditor_"
        self._findings = Gauge(f"{name}findings", "Of the last audit.", ("kind",), registry=self.registry)
        self._clean = Gauge(f"{name}last_clean_timestamp_seconds", "Of the last clean audit.", registry=self.registry)
        self._last = Gauge(f"{name}last_audit_timestamp_seconds", "Of the last audit.", registry=self.registry)
        self._behind = Gauge(
            f"{name}behind_offsets",
            "Offsets not read though the last audit waited.",
            ("table",),
            registry=self.registry,
        )
        self._waited = Gauge(
            f"{name}waited_seconds", "How long the last audit waited for readers.", registry=self.registry
        )
        self._seconds = Histogram(
            f"{name}audit_seconds", "Time of an audit.", ("complete",), buckets=_SECONDS, registry=self.registry
        )
        self._rounds = Counter(f"{name}rounds", "Rounds, by their end.", ("outcome",), registry=self.registry)
        self._compared = Counter(
            f"{name}rollup_rows_compared", "Rows of tables compared with a rollup.", ("rollup",), registry=self.registry
        )
        self._repaired = Counter(
            f"{name}rollup_pieces_repaired", "Hours or days of a rollup made anew.", ("rollup",), registry=self.registry
        )
        self._retained = Counter(
            f"{name}retention_rows", "Rows that retention has taken.", ("table",), registry=self.registry
        )

        self._days = Gauge(
            f"{name}daily_days", "Days of daily rollups: folded and in use, or not.", ("state",), registry=self.registry
        )
        self._folded = Counter(f"{name}daily_days_folded", "Days that were folded.", registry=self.registry)

    def audited(self, report: AuditReport) -> None:
        """A round came to its end with this report."""
        kinds = Counted(finding.kind for finding in report.findings)
        for kind in Kind:
            self._findings.labels(kind.value).set(kinds[kind])
        self._behind.clear()
        for finding in report.findings:
            if finding.kind in _BEHIND:
                self._behind.labels(finding.table).set(finding.count)
        self._last.set(report.started_at.timestamp())
        if report.clean:
            self._clean.set(report.started_at.timestamp())
        self._waited.set(report.waited_seconds)
        self._seconds.labels(str(report.complete).lower()).observe(report.seconds)
        self._rounds.labels("clean" if report.clean else "findings").inc()

    def known_clean(self, timestamp: float) -> None:
        """The last clean audit of an earlier process."""
        self._clean.set(timestamp)

    def failed(self) -> None:
        """A round broke off."""
        self._rounds.labels("failed").inc()

    def compared(self, rollup: str, rows: int) -> None:
        """Rows of its table were compared with a rollup."""
        self._compared.labels(rollup).inc(max(rows, 0))

    def repaired(self, rollup: str, pieces: int) -> None:
        """Pieces of a rollup were made anew."""
        self._repaired.labels(rollup).inc(pieces)

    def days(self, folded: int, waiting: int) -> None:
        """How many days of all projects are folded and in use, and how many are not."""
        self._days.labels("folded").set(folded)
        self._days.labels("waiting").set(waiting)

    def folded(self, days: int) -> None:
        """Days were folded."""
        self._folded.inc(days)

    def retained(self, rows: Mapping[str, int]) -> None:
        """Retention took rows, by table."""
        for table, number in rows.items():
            self._retained.labels(table).inc(max(number, 0))

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


class Health:
    """Whether a round ended, well or not, within the time that it may take. Safe to share between threads."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._beat = time.monotonic()

    def beat(self) -> None:
        """A round ended."""
        self._beat = time.monotonic()

    @property
    def good(self) -> bool:
        """Whether the last one is not too long ago."""
        return time.monotonic() - self._beat < self._seconds


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Requests are no news."""


@contextmanager
def served(metrics: AuditorMetrics, health: Health, host: str, port: int) -> Iterator[int]:
    """``/metrics``, and ``/healthcheck`` (also ``/healthz``), answered within the block; gives the port.

    :raises OSError: the port is taken.
    """

    def app(environ: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            status, body = "200 OK", metrics.text()
        elif path in ("/healthcheck", "/healthz"):
            status, body = (
                ("200 OK", b"ok\n") if health.good else ("503 Service Unavailable", b"no round ended in time\n")
            )
        else:
            status, body = "404 Not Found", b"not found\n"
        start(status, [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")])
        return [body]

    with make_server(host, port, app, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, name="auditor-http", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
