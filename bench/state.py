"""What so many remembered devices cost: bytes each in a worker's memory and in the changelog, and how fast they load.

``python -m bench.state --devices 1000000`` builds the state of devices with two sessions of three events, writes it to
a changelog as a worker would have left it after compaction, loads it as a worker does and prints a table.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
from confluent_kafka import Producer

from bench.worker import traffic
from schemas import topics
from streams.devices import DevicesProcessor
from streams.enrich.geo import Geo
from streams.state import load_state
from tests.broker import running_broker
from tests.integration.streams.lab import PARTITIONS, running_lab
from tests.unit.streams.raw_log import EPOCHS, HOUR, NOON, PROJECTS, RawLog, process
from tests.unit.streams.raw_log import PROJECT as UNIT_PROJECT

BERN = Geo("CH", "Bern", "Bern", 7.4474, 46.948)
_MODELS = 500


def devices(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of so many devices' states, each with an id of its own."""
    log = RawLog()
    for visit in range(2):
        for step in range(3):
            at = NOON + visit * HOUR + step * 1_000
            events = [
                {**event, "project_id": UNIT_PROJECT, "device_id": f"{number:032x}", "time": at, "received_at": at}
                for number, event in enumerate(traffic(_MODELS, seed=step))
            ]
            for number, event in enumerate(events):
                event["event_id"] = f"{visit}-{step}-{number}"
            log.send(at, *events)
    state = process(log, locate=lambda ip: BERN).state
    models = [value for key, value in state.items() if key.startswith(b"device/")]
    for number in range(count):
        yield f"device/{UNIT_PROJECT}/{number:032x}".encode(), models[number % len(models)]


def resident_bytes() -> int:
    """Resident memory of this process."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096


def load(bootstrap: str) -> None:
    """Load every partition as a worker does; prints a line of JSON."""
    before, began, cpu = resident_bytes(), time.monotonic(), time.process_time()
    states = [load_state(bootstrap, topics.DEVICES_CHANGELOG, partition) for partition in range(PARTITIONS)]
    read = time.monotonic() - began
    processors = []
    for partition, state in enumerate(states):
        processor = DevicesProcessor(partition, PARTITIONS, EPOCHS, lambda: PROJECTS, lambda ip: BERN)
        processor.restore(state)
        processors.append(processor)
    took = time.monotonic() - began
    print(
        json.dumps(
            {
                "keys": sum(map(len, states)),
                "seconds": took,
                "read_seconds": read,
                "cpu_seconds": time.process_time() - cpu,
                "resident": resident_bytes() - before,
            }
        )
    )


@click.command()
@click.option("--devices", "count", default=200_000, show_default=True)
@click.option("--load", "bootstrap", default="", hidden=True)
def main(count: int, bootstrap: str) -> None:
    """Print the table."""
    if bootstrap:
        load(bootstrap)
        return
    with tempfile.TemporaryDirectory() as home, running_broker(Path(home) / "kafka") as broker:
        (Path(home) / "lab").mkdir()
        with running_lab(broker, Path(home) / "lab"):
            producer = Producer(
                {"bootstrap.servers": broker.bootstrap, "linger.ms": 50, "compression.type": "lz4", "log_level": 0}
            )
            size = 0
            for number, (key, value) in enumerate(devices(count)):
                size += len(key) + len(value)
                while True:
                    try:
                        producer.produce(topics.DEVICES_CHANGELOG, value, key=key, partition=number % PARTITIONS)
                        break
                    except BufferError:
                        producer.poll(0.1)
            producer.flush(120)
            logs = list(broker.place.data.glob(f"{topics.DEVICES_CHANGELOG}-*/*.log"))
            on_disk = sum(log.stat().st_size for log in logs)
            done = subprocess.run(
                [sys.executable, "-m", "bench.state", "--load", broker.bootstrap],
                capture_output=True,
                text=True,
                check=True,
            )
    found = json.loads(done.stdout)
    click.echo("| devices | key and value | changelog (lz4) | memory | loaded | devices/s | CPU us/device |")
    click.echo("|---|---|---|---|---|---|---|")
    click.echo(
        f"| {count:,} | {size / count:.0f} B | {on_disk / count:.0f} B | {found['resident'] / count:.0f} B "
        f"| {found['seconds']:.1f} s | {found['keys'] / found['seconds']:,.0f} "
        f"| {found['cpu_seconds'] / found['keys'] * 1e6:.1f} |"
    )


if __name__ == "__main__":
    main()
