"""A worker process on a backlog: events per second and CPU per event, at 1, 5 and 100 events per envelope.

The baseline (``bare_worker``) reads the same backlog, parses and writes every line in transactions of the same size,
and does nothing else. ``python -m bench.worker`` prints a row per envelope size.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

from schemas.topics import RAW
from tests.broker import Broker, running_broker
from tests.integration.streams.lab import Lab, Worker, running_lab, track
from weir.local.ports import free_ports

EVENTS = {1: 60_000, 5: 150_000, 100: 300_000}
DEVICES = 20_000
_PAGES = 500
_AGENTS = 200


def traffic(count: int, seed: int = 1) -> Iterator[dict[str, object]]:
    """Events of visits: a device shows about ten pages, one after the other, among many devices at once."""
    chance = random.Random(seed)
    for number in range(count):
        device = (number // 10_000 * 1_000 + chance.randrange(1_000)) % DEVICES
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


def measure_worker(lab: Lab, count: int) -> tuple[float, float]:
    """(events per second, CPU microseconds per event) of one worker on the backlog, its start left out."""
    (port,) = free_ports(1)
    worker: Worker = lab.start_worker("bench", WEIR_WORKER_METRICS_PORT=str(port))
    try:
        samples: list[tuple[float, float, float]] = []
        while not samples or samples[-1][1] < count:
            time.sleep(0.1)
            try:
                done = lines_done(port)
            except OSError:
                continue
            if done:
                samples.append((time.monotonic(), done, cpu_seconds(worker.process.pid)))
    finally:
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


def main() -> None:
    """Print the table."""
    print("| events per envelope | events/s | CPU us/event | bare loop events/s | ratio |")
    print("|---|---|---|---|---|")
    for per_envelope, count in EVENTS.items():
        with tempfile.TemporaryDirectory() as home, running_broker(Path(home) / "kafka") as broker:
            (Path(home) / "lab").mkdir()
            with running_lab(broker, Path(home) / "lab") as lab:
                lab.send(traffic(count), per_envelope)
                bare, _ = measure_bare(broker)
                rate, cost = measure_worker(lab, count)
                print(f"| {per_envelope} | {rate:,.0f} | {cost:.1f} | {bare:,.0f} | {rate / bare:.2f} |", flush=True)


if __name__ == "__main__":
    main()
