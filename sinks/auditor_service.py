"""The auditor's process, from start to end."""

import logging
import signal
import threading
import time

from sinks.audit_report import AuditReport
from sinks.auditor import Auditor, last_clean
from sinks.auditor_metrics import AuditorMetrics, Health, served
from sinks.errors import SinkError
from sinks.settings import AuditorSettings, SinkSettings

logger = logging.getLogger(__name__)

_AT_MOST = 0.1
"""The share of its time that the auditor works: a round that took long is followed by a longer rest."""
_HANGS_SECONDS = 3600.0
_FIRST_SECONDS = 10.0
"""Those who start with it are not asked before they are up."""


def serve(settings: SinkSettings, options: AuditorSettings) -> None:
    """Audit until SIGTERM or SIGINT, in the main thread. A round that fails is told, and the next one comes after it.

    :raises OSError: the port of the metrics is taken.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    metrics, health = AuditorMetrics(), Health(_HANGS_SECONDS + options.interval_seconds)
    auditor = Auditor(settings, options, metrics)
    with served(metrics, health, options.metrics_host, options.metrics_port) as port:
        logger.info("metrics on http://%s:%d/metrics", options.metrics_host, port)
        _await_tables(settings, metrics, stop)
        wait = min(options.interval_seconds, _FIRST_SECONDS)
        while not stop.wait(wait):
            began = time.monotonic()
            try:
                _tell(auditor.round())
            except SinkError as error:
                metrics.failed()
                logger.warning("this round broke off: %s", error)
            health.beat()
            took = time.monotonic() - began
            wait = max(options.interval_seconds - took, took / _AT_MOST - took, 0)


def _await_tables(settings: SinkSettings, metrics: AuditorMetrics, stop: threading.Event) -> None:
    """Return when the tables are there, and what an earlier process found is known."""
    waits = False
    while not stop.is_set():
        try:
            report = last_clean(settings)
        except SinkError as error:
            if not waits:
                logger.info("waiting for ClickHouse and its tables (%s)", str(error).splitlines()[0][:200])
            waits = True
            stop.wait(_FIRST_SECONDS)
        else:
            if report is not None:
                metrics.known_clean(report.started_at.timestamp())
            return


def _tell(report: AuditReport) -> None:
    for note in report.notes:
        logger.info("%s", note)
    for finding in report.findings:
        logger.warning("%s (%s): %s", finding.kind.value, finding.table, finding.summary)
