"""How long partitions stand still when workers join, leave, are killed or restart, at 40 events/s on every partition.

``python -m bench.handover`` prints, for each, the longest time between the broker's stamp of a raw message and that of
its ledger row: over the partitions that changed hands, and over those that stayed with their worker.
"""

import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import orjson
from confluent_kafka import Producer

from schemas.topics import RAW
from tests.broker import running_broker
from tests.integration.streams.lab import PARTITIONS, Lab, Worker, running_lab, track, wait_until
from tests.integration.streams.replay import wait_for_the_end
from tests.integration.streams.test_rebalance import latencies

_SETTLE_SECONDS = 4.0


def owned(worker: Worker) -> set[int]:
    """The raw partitions that a worker process has ever taken up."""
    return {number for number in range(PARTITIONS) if f"{RAW}/{number} goes on" in worker.output()}


@contextmanager
def steady_traffic(lab: Lab) -> Iterator[None]:
    """Events on every partition until the end of the block."""
    stop = threading.Event()
    producer = Producer({"bootstrap.servers": lab.broker.bootstrap, "linger.ms": 0, "log_level": 0})

    def keep_sending() -> None:
        number = 0
        while not stop.wait(0.1):
            for partition in range(PARTITIONS):
                number += 1
                line = orjson.dumps(track(f"device-{partition}-{number % 50}"))
                producer.produce(RAW, line, partition=partition)
            producer.flush(30)

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join(60)


@click.command()
def main() -> None:
    """Print the table."""
    click.echo("| what | partitions handed over | others |")
    click.echo("|---|---|---|")
    with tempfile.TemporaryDirectory() as home, running_broker(Path(home) / "kafka") as broker:
        (Path(home) / "lab").mkdir()
        with running_lab(broker, Path(home) / "lab") as lab, steady_traffic(lab):
            workers = {"one": lab.start_worker("one")}
            wait_until(lambda: owned(workers["one"]) == set(range(PARTITIONS)), "the first worker")
            _tell(lab, "join", lambda: _start(lab, workers), set(range(PARTITIONS)))
            two = owned(workers["two"])
            _tell(lab, "restart (SIGTERM, same id)", lambda: _restart(lab, workers, signal.SIGTERM), two)
            _tell(lab, "restart (SIGKILL, same id)", lambda: _restart(lab, workers, signal.SIGKILL), two)
            _tell(lab, "leave (SIGTERM, gone)", lambda: workers["two"].kill(signal.SIGTERM), two)


def _restart(lab: Lab, workers: dict[str, Worker], sig: signal.Signals) -> None:
    workers["two"].kill(sig)
    _start(lab, workers)


def _start(lab: Lab, workers: dict[str, Worker]) -> None:
    """Start the second worker, again perhaps, and wait until it has taken up partitions."""
    before = workers["two"].output().count("goes on") if "two" in workers else 0
    worker = workers["two"] = lab.start_worker("two")
    wait_until(lambda: worker.output().count("goes on") > before, "the second worker")


def _tell(lab: Lab, what: str, act: Callable[[], object], moved: set[int]) -> None:
    wait_for_the_end(lab)
    since = int(time.time() * 1000)
    act()
    time.sleep(_SETTLE_SECONDS)
    wait_until(lambda: len(latencies(lab, int(time.time() * 1000) - 1_500)) == PARTITIONS, "all partitions to go on")
    found = latencies(lab, since)
    handed = max((found[number] for number in moved), default=0)
    others = [found[number] for number in range(PARTITIONS) if number not in moved]
    click.echo(f"| {what} | {handed / 1000:.1f} s | {f'{max(others) / 1000:.1f} s' if others else '–'} |")


if __name__ == "__main__":
    main()
