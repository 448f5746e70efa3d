"""A worker process on a backlog: events per second and CPU per event, at 1, 5 and 100 events per envelope.

The baseline (``bare_worker``) reads the same backlog, parses and writes every line in transactions of the same size,
and does nothing else. ``python -m bench.worker`` prints a row per envelope size, and where the time of an event goes
(``stages``; what is left of the process's own is Kafka's). With ``--hot`` one device sends a tenth of all events; with
``--workers`` several workers share the backlog, with ``--poison`` so many lines that are no events lie in its middle,
by turns with a backlog without them. The start of a worker is left out; one run may differ from the next by a third on
a machine that others use, so compare the best of several by turns.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import click
from confluent_kafka import Producer

from bench.stages import measure_stages
from schemas.topics import RAW
from tests.broker import Broker, running_broker
from tests.integration.streams.lab import PARTITIONS, Lab, Worker, running_lab, track
from weir.local.ports import free_ports

EVENTS = {1: 60_000, 5: 150_000, 100: 300_000}
DEVICES = 20_000
_PAGES = 500
_AGENTS = 200
_ASKED_SECONDS = 0.25
"""How often a worker's metrics are asked for: to tell them takes it a millisecond, which counts as its own."""


def traffic(count: int, seed: int = 1, hot: bool = False) -> Iterator[dict[str, object]]:
    """Events of visits: a device shows about ten pages, one after the other, among many devices at once. With ``hot``
    every tenth event is of one and the same device.
    """
    chance = random.Random(seed)
    for number in range(count):
        device = (number // 10_000 * 1_000 + chance.randrange(1_000)) % DEVICES
        if hot and number % 10 == 0:
            device = 0
        page = chance.randrange(_PAGES)
        yield track(
            f"0123456789abcdef{device:016x}",
            ip=f"81.{device % 200}.{device // 200 % 250}.7",
            user_agent=f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            f"Chrome/131.0.{device % _AGENTS}.0 Safari/537.36",
            hints={"accept-language": "de-DE,de;q=0.9"},
            payload={
                "name": "screen_view",
                "properties": {
                    "__path": f"https://shop.example/product/{page}?utm_source=newsletter",
                    "__title": f"Product {page}",
                    "__referrer": "https://www.google.com/",
                    "price": 12.5 + page,
                    "plan": "basic",
                },
            },
        )


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """What workers have done by a moment, all together, in seconds and raw lines."""

    at: float
    lines: float
    cpu: float
    compute: float


class Measured(NamedTuple):
    """Workers on a backlog, their start left out: raw lines, seconds, and microseconds of CPU per line, of which
    ``compute`` is what they spend on batches themselves; the rest is Kafka's and Faust's.
    """

    lines: float
    seconds: float
    cpu: float
    compute: float

    @property
    def rate(self) -> float:
        """Lines per second."""
        return self.lines / self.seconds


def lines_and_compute(port: int) -> tuple[float, float]:
    """Raw lines that a worker has committed, and its seconds of CPU for computing them, from its metrics."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    names = ("weir_worker_lines_total", "weir_worker_compute_seconds_total")
    lines, compute = (float(found.get(f'{name}{{topic="{RAW}"}}', 0)) for name in names)
    return lines, compute


def measure_workers(lab: Lab, count: int, number: int = 1) -> Measured:
    """So many workers on the backlog of ``count`` lines."""
    ports = free_ports(number)
    workers: list[Worker] = [lab.start_worker(f"bench-{port}", WEIR_WORKER_METRICS_PORT=str(port)) for port in ports]
    try:
        samples: list[Sample] = []
        while not samples or samples[-1].lines < count:
            time.sleep(_ASKED_SECONDS)
            try:
                done = [lines_and_compute(port) for port in ports]
            except OSError:
                continue
            lines, compute = (sum(each) for each in zip(*done, strict=True))
            if all(lines for lines, _ in done):
                cpu = sum(cpu_seconds(worker.process.pid) for worker in workers)
                samples.append(Sample(time.monotonic(), lines, cpu, compute))
            elif lines >= count:
                raise SystemExit("one worker did all of it before the others were there: take a longer backlog")
    finally:
        for worker in workers:
            worker.kill()
    seconds, lines, cpu, compute = (last - first for first, last in zip(samples[0], samples[-1], strict=True))
    return Measured(lines, seconds, cpu / lines * 1e6, compute / lines * 1e6)


def measure_bare(broker: Broker) -> tuple[float, float]:
    """The same figures of the baseline."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.bare_worker", broker.bootstrap], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    return found["events_per_second"], found["cpu_us_per_event"]


@click.command()
@click.option("--hot", is_flag=True, help="One device sends a tenth of all events.")
@click.option("--workers", default=0, help="Scaling instead: 1, 2 … up to so many workers on the same backlog.")
@click.option("--poison", default=0, help="Instead: with and without so many lines in a row that are no events.")
@click.option("--rounds", default=3, help="With --poison: how often each; the best of each counts.")
@click.option("--events", default=0, help="How many events; by default enough for each envelope size.")
def main(hot: bool, workers: int, poison: int, rounds: int, events: int) -> None:
    """Print the tables."""
    if workers:
        _scaling(workers, events or EVENTS[100] * 2, hot)
        return
    if poison:
        _poisoned(poison, events or EVENTS[100], rounds)
        return
    costs: dict[int, Measured] = {}
    click.echo("| events per envelope | events/s | CPU us/event | bare loop events/s | ratio |")
    click.echo("|---|---|---|---|---|")
    for per_envelope, usual in EVENTS.items():
        count = events or usual
        with backlog(traffic(count, hot=hot), per_envelope) as lab:
            bare, _ = measure_bare(lab.broker)
            found = costs[per_envelope] = measure_workers(lab, count)
        click.echo(f"| {per_envelope} | {found.rate:,.0f} | {found.cpu:.1f} | {bare:,.0f} | {found.rate / bare:.2f} |")
    click.echo("\nCPU us/event:\n")
    click.echo("| events per envelope | parse | prepare | step | serialise | all in the worker | Kafka and Faust |")
    click.echo("|---|---|---|---|---|---|---|")
    for per_envelope, found in costs.items():
        stages = measure_stages(traffic(30_000, hot=hot), per_envelope)
        parts = " | ".join(f"{part:.1f}" for part in stages)
        click.echo(f"| {per_envelope} | {parts} | {found.compute:.1f} | {found.cpu - found.compute:.1f} |")


def _scaling(workers: int, count: int, hot: bool) -> None:
    """One row per number of workers, each on the same backlog."""
    click.echo("| workers | events/s | CPU us/event |")
    click.echo("|---|---|---|")
    number = 1
    while number <= workers:
        with backlog(traffic(count, hot=hot), 100) as lab:
            found = measure_workers(lab, count, number)
        click.echo(f"| {number} | {found.rate:,.0f} | {found.cpu:.1f} |")
        number *= 2


def _poisoned(poison: int, count: int, rounds: int) -> None:
    """One row without the lines that are no events, and one with them in the middle of the others. By turns, and the
    best of several: one run after the other may differ by more on a machine that others use.
    """
    found: dict[int, list[tuple[float, float]]] = {0: [], poison: []}
    for number in range(rounds):
        for bad in sorted(found, reverse=bool(number % 2)):
            found[bad].append(_with_poison(bad, count))
    click.echo("| lines that are no events | good events/s | CPU us/good event |")
    click.echo("|---|---|---|")
    for bad, measured in found.items():
        rates, costs = zip(*measured, strict=True)
        click.echo(f"| {bad:,} | {max(rates):,.0f} | {min(costs):.1f} |")


def _with_poison(bad: int, count: int) -> tuple[float, float]:
    """Good events per second, and CPU microseconds per good event."""
    events = traffic(count)
    with backlog(islice(events, count // 2), 100) as lab:
        for first in range(0, bad, 100):
            lab.send_value(first // 100 % PARTITIONS, b"\n".join([b"this is no event"] * min(100, bad - first)))
        lab.send(events, 100)
        found = measure_workers(lab, count + bad)
    good = found.lines - bad
    return good / found.seconds, found.cpu * found.lines / good


@contextmanager
def backlog(events: Iterator[dict[str, object]], per_envelope: int) -> Iterator[Lab]:
    """A lab of its own whose raw topic holds these events."""
    with tempfile.TemporaryDirectory() as home, running_broker(Path(home) / "kafka") as broker:
        (Path(home) / "lab").mkdir()
        with running_lab(broker, Path(home) / "lab") as lab:
            # Compressed, as a gateway's are: so a fetch holds as many events as it would.
            lab.producer = Producer(
                {"bootstrap.servers": broker.bootstrap, "linger.ms": 5, "compression.type": "lz4", "log_level": 0}
            )
            lab.send(events, per_envelope)
            yield lab


if __name__ == "__main__":
    main()
