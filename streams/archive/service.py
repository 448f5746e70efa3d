"""The archive's process, from start to end."""

import logging
import signal
import threading

from prometheus_client import start_http_server

from schemas.topics import RAW
from streams.archive.place import ArchiveError, open_place
from streams.archive.run import Archiver
from streams.archive.settings import ArchiveSettings
from streams.control import ControlTail

logger = logging.getLogger(__name__)


def serve(bootstrap: str, settings: ArchiveSettings) -> None:
    """Archive the raw log until SIGTERM or SIGINT; what waits is written before it returns.

    :raises ArchiveError: see ``Archiver.run``; or the raw topic was made anew meanwhile.
    :raises streams.control.ControlMissing: the raw topic is not registered, or Kafka does not answer.
    :raises OSError: the archive cannot be written.
    """
    place = open_place(settings.location)
    stop, renewed = threading.Event(), []

    def fail(sentence: str) -> None:
        renewed.append(sentence)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    control = ControlTail(bootstrap, fail)
    control.start()
    try:
        start_http_server(settings.metrics_port, settings.metrics_host)
        archiver = Archiver(
            bootstrap,
            place,
            control.log(RAW).epoch,
            flush_seconds=settings.flush_seconds,
            memory_bytes=settings.memory_mib * 1024 * 1024,
        )
        logger.info("archiving to %s", settings.location)
        archiver.run(stop)
    finally:
        control.stop()
    if renewed:
        raise ArchiveError(renewed[0])
