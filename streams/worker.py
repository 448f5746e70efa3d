"""The worker process: control data, ticker, watchdog and the Faust app, from start to end."""

import gc
import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

from confluent_kafka import Consumer
from mode.loop import use as use_loop

from schemas.partition_count import settled_count
from schemas.topics import RAW
from streams.control import ControlMissing, ControlTail
from streams.settings import WorkerSettings

EXIT_FAILED = 3


def fail(sentence: str) -> NoReturn:
    """End the process at once, without letting anything else run: nothing uncommitted may be written any more."""
    sys.stderr.write(f"weir worker: {sentence}\n")
    sys.stderr.flush()
    os._exit(EXIT_FAILED)


def run(settings: WorkerSettings) -> NoReturn:
    """Run a worker until it is told to stop; exits the process. Any doubt about the guarantee exits with 3."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("streams").setLevel(logging.INFO)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # ten lines a second while Kafka is away
    use_loop("uvloop")
    control = ControlTail(settings.kafka_bootstrap, fail)
    try:
        control.start()
        partitions = _partitions(settings.kafka_bootstrap, control.log(RAW).partitions)
        _work(settings, control, partitions)
    except ControlMissing as missing:
        fail(str(missing))


def _work(settings: WorkerSettings, control: ControlTail, partitions: int) -> NoReturn:
    # Imported here because Faust takes the event loop that is chosen when it is first imported.
    import faust
    from prometheus_client import start_http_server

    from streams.app import create_app
    from streams.enrich.geo import GeoDatabase
    from streams.metrics import READY
    from streams.ticks import Ticker
    from streams.watchdog import is_ready, watch

    geo = GeoDatabase(settings.geo_database)
    app = create_app(settings, partitions, control, geo, fail)
    READY.set_function(lambda: is_ready(app, app.lanes))
    if settings.worker_metrics_port:
        start_http_server(settings.worker_metrics_port, settings.worker_metrics_host)
    ticker = Ticker(settings.kafka_bootstrap, partitions, settings.worker_id, settings.tick_seconds)
    ticker.start()
    watch(app, app.lanes, fail)
    # Batches make many objects and no garbage cycles of weight: look for cycles rarely.
    gc.set_threshold(200_000, 50, 100)
    worker = faust.Worker(app, override_logging=False, redirect_stdouts=False, quiet=True, workdir=Path.cwd())
    worker.spinner = None  # its handler would have every debug line formatted
    status: str | int | None = 0
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        status = ended.code
    if app.tracing is not None:
        app.tracing.close()
    # All is committed. The interpreter's own end would take down its objects under threads of librdkafka.
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 0 if status is None else 1)


def _partitions(bootstrap: str, registered: int | None) -> int:
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "weir-metadata"})
    try:
        metadata = reader.list_topics(RAW, 30).topics[RAW]
    finally:
        reader.close()
    if metadata.error is not None or not metadata.partitions:
        raise ControlMissing(f"Topic {RAW} does not exist: run 'weir topics'.")
    count = settled_count(metadata.partitions.keys(), registered)
    if not count:
        raise ControlMissing(
            f"Kafka tells of {len(metadata.partitions)} of the {registered} partitions of {RAW}: are all brokers up?"
        )
    return count
