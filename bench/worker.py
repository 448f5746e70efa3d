"""A worker process on a backlog: events per second and CPU per event, at 1, 5 and 100 events per envelope.

The baseline (``bare_worker``) reads the same backlog, parses and writes every line in transactions of the same size,
and does nothing else. ``python -m bench.worker`` prints a row per envelope size, and where the time of an event goes
(``stages``; what is left of the process's own is Kafka's). With ``--hot`` one device sends a tenth of all events; with
``--workers`` several workers share the backlog.
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
from pathlib import Path
from urllib.request import urlopen

import click

from bench.stages import measure_stages
from schemas.topics import RAW
from tests.broker import Broker, running_broker
from tests.integration.streams.lab import Lab, Worker, running_lab, track
from weir.local.ports import free_ports

EVENTS = {1: 60_000, 5: 150_000, 100: 300_000}
DEVICES = 20_000
_PAGES = 500
_AGENTS = 200


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


def lines_done(port: int) -> float:
    """Raw lines that a worker has committed, from its metrics."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    for line in text.splitlines():
        if line.startswith(f'weir_worker_lines_total{{topic="{RAW}"}}'):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def measure_workers(lab: Lab, count: int, number: int = 1) -> tuple[float, float]:
    """(events per second, CPU microseconds per event) of so many workers on the backlog, their start left out."""
    ports = free_ports(number)
    workers: list[Worker] = [lab.start_worker(f"bench-{port}", WEIR_WORKER_METRICS_PORT=str(port)) for port in ports]
    try:
        samples: list[tuple[float, float, float]] = []
        while not samples or samples[-1][1] < count:
            time.sleep(0.1)
            try:
                done = [lines_done(port) for port in ports]
            except OSError:
                continue
            if all(done):
                samples.append((time.monotonic(), sum(done), sum(cpu_seconds(w.process.pid) for w in workers)))
            elif sum(done) >= count:
                raise SystemExit("one worker did all of it before the others were there: take a longer backlog")
    finally:
        for worker in workers:
            worker.kill()
    first, last = samples[0], samples[-1]
    events = last[1] - first[1]
    return events / (last[0] - first[0]), (last[2] - first[2]) / events * 1e6


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
@click.option("--events", default=0, help="How many events; by default enough for each envelope size.")
def main(hot: bool, workers: int, events: int) -> None:
    """Print the tables."""
    if workers:
        _scaling(workers, events or EVENTS[100] * 2)
        return
    costs: dict[int, float] = {}
    click.echo("| events per envelope | events/s | CPU us/event | bare loop events/s | ratio |")
    click.echo("|---|---|---|---|---|")
    for per_envelope, usual in EVENTS.items():
        count = events or usual
        with backlog(traffic(count, hot=hot), per_envelope) as lab:
            bare, _ = measure_bare(lab.broker)
            rate, costs[per_envelope] = measure_workers(lab, count)
        click.echo(f"| {per_envelope} | {rate:,.0f} | {costs[per_envelope]:.1f} | {bare:,.0f} | {rate / bare:.2f} |")
    click.echo("\nCPU us/event:\n")
    click.echo("| events per envelope | parse | prepare | step | serialise | Kafka and Faust |")
    click.echo("|---|---|---|---|---|---|")
    for per_envelope, cost in costs.items():
        stages = measure_stages(traffic(30_000, hot=hot), per_envelope)
        parts = " | ".join(f"{part:.1f}" for part in stages)
        click.echo(f"| {per_envelope} | {parts} | {cost - stages.total:.1f} |")


def _scaling(workers: int, count: int) -> None:
    """One row per number of workers, each on the same backlog."""
    click.echo("| workers | events/s | CPU us/event |")
    click.echo("|---|---|---|")
    number = 1
    while number <= workers:
        with backlog(traffic(count), 100) as lab:
            rate, cost = measure_workers(lab, count, number)
        click.echo(f"| {number} | {rate:,.0f} | {cost:.1f} |")
        number *= 2


@contextmanager
def backlog(events: Iterator[dict[str, object]], per_envelope: int) -> Iterator[Lab]:
    """A lab of its own whose raw topic holds these events."""
    with tempfile.TemporaryDirectory() as home, running_broker(Path(home) / "kafka") as broker:
        (Path(home) / "lab").mkdir()
        with running_lab(broker, Path(home) / "lab") as lab:
            lab.send(events, per_envelope)
            yield lab


if __name__ == "__main__":
    main()
