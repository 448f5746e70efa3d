"""Chaos for the workers alone, for as long as one likes: ``python -m bench.stream_chaos [--minutes N] [--rate N]``.

Three workers, each behind a network of its own, process what comes while one fault follows the other: kill -9, SIGTERM,
a worker that stands still for longer than its session, a network that is cut, a broker that dies or is restarted. Then
what is committed must be what one undisturbed worker makes of the raw log, row by row in every topic, and the sessions
those of the rules in docs/sessions.md.
"""

import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tests.broker import SHARED_JARS, Broker
from tests.integration.streams.cable import Cable, cables, listeners
from tests.integration.streams.lab import Lab, Worker, running_lab, track
from tests.integration.streams.replay import assert_exact, wait_for_the_end
from weir.local.broker import LocalBroker
from weir.local.jars import fetch_jars
from weir.local.ports import free_ports

NAMES = ("worker-1", "worker-2", "worker-3")
STILL_SECONDS = 12.0
_DEVICES = 5_000
_PER_ENVELOPE = 20
_PART_SECONDS = 0.2


class Traffic:
    """Events of many devices, some late, some repeated, some of people, at ``rate`` a second until stopped."""

    def __init__(self, lab: Lab, rate: int, chance: random.Random) -> None:
        self._lab = lab
        self._rate = rate
        self._chance = chance
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.sent = 0

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(120)

    def _send(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(_PART_SECONDS):
            wanted = int((time.monotonic() - began) * self._rate) - self.sent
            self.sent += self._lab.send(self._events(wanted), per_envelope=_PER_ENVELOPE)

    def _events(self, count: int) -> Iterator[dict[str, object]]:
        chance, recent = self._chance, list[dict[str, object]]()
        now = int(time.time() * 1000)
        for _ in range(count):
            if recent and chance.random() < 0.05:
                yield chance.choice(recent)
                continue
            late = chance.choice([0] * 9 + [chance.randrange(3 * 3_600_000)])
            device = f"device-{chance.randrange(_DEVICES)}"
            event = track(device, chance.choice(["screen_view", "click"]), now - late)
            if chance.random() < 0.02:
                event |= {"kind": "identify", "profile_id": f"person-{device}", "payload": {"first_name": device}}
            recent.append(event)
            yield event


class Crew:
    """The workers, each behind its cable; one that ended is started again, as a supervisor would."""

    def __init__(self, lab: Lab, behind: dict[str, Cable]) -> None:
        self._lab = lab
        self._behind = behind
        self._workers: dict[str, Worker] = {}
        self.deaths = 0
        self.look()

    def look(self) -> None:
        """Start those that are not there."""
        for name, cable in self._behind.items():
            worker = self._workers.get(name)
            if worker is None or worker.process.poll() is not None:
                self.deaths += worker is not None
                self._workers[name] = self._lab.start_worker(name, WEIR_KAFKA_BOOTSTRAP=cable.bootstrap)

    def kill(self, name: str) -> None:
        self._workers[name].kill(signal.SIGKILL)

    def stop(self, name: str) -> None:
        self._workers[name].kill(signal.SIGTERM)

    def freeze(self, name: str) -> None:
        self._workers[name].kill(signal.SIGSTOP)
        time.sleep(STILL_SECONDS)
        self._workers[name].kill(signal.SIGCONT)

    def cut_off(self, name: str) -> None:
        self._behind[name].cut()
        time.sleep(STILL_SECONDS)
        self._behind[name].mend()


def _kill_broker(broker: Broker) -> None:
    broker.kill()
    broker.start()


def _restart_broker(broker: Broker) -> None:
    broker.stop()
    broker.start()


@contextmanager
def _wired_broker(home: Path) -> Iterator[tuple[Broker, dict[str, Cable]]]:
    """A broker that each worker reaches by a cable of its own."""
    fetch_jars(SHARED_JARS)
    port, controller_port = free_ports(2)
    wires = cables([name.upper().replace("-", "") for name in NAMES])
    home.mkdir(parents=True)
    place = LocalBroker(home, SHARED_JARS, port, controller_port)
    broker = Broker(place, listeners(port, controller_port, wires))
    try:
        broker.start()
        yield broker, dict(zip(NAMES, (cable for _, cable in wires.values()), strict=True))
    finally:
        for _, cable in wires.values():
            cable.close()
        broker.stop()


@click.command()
@click.option("--minutes", default=30.0, show_default=True)
@click.option("--rate", default=2_000, show_default=True, help="Events per second.")
@click.option("--seed", type=int, help="Of an earlier run, to have its faults again.")
def main(minutes: float, rate: int, seed: int | None) -> None:
    """Disturb three workers in every way, and compare what they committed with an undisturbed one's."""
    seed = random.randrange(10**6) if seed is None else seed
    click.echo(f"seed {seed}")
    chance = random.Random(seed)
    with (
        tempfile.TemporaryDirectory() as home,
        _wired_broker(Path(home) / "kafka") as (broker, behind),
        running_lab(broker, Path(home)) as lab,
    ):
        crew = Crew(lab, behind)
        with Traffic(lab, rate, random.Random(seed)) as traffic:
            _disturb(broker, crew, minutes, chance, lambda: traffic.sent)
        click.echo(f"{traffic.sent:,} events sent, {crew.deaths} times a worker had to be started again; reading …")
        crew.look()
        wait_for_the_end(lab, 300)
        lab.stop()
        try:
            assert_exact(lab)
        except AssertionError as error:
            click.echo(f"WRONG: {str(error)[:2000]}")
            sys.exit(1)
    click.echo("Exact: every row of every topic is there once, and no other; sessions are those of the rules.")


def _disturb(broker: Broker, crew: Crew, minutes: float, chance: random.Random, sent: Callable[[], int]) -> None:
    of_workers: list[tuple[str, Callable[[str], None]]] = [
        ("kill -9", crew.kill),
        ("kill -9", crew.kill),
        ("SIGTERM", crew.stop),
        ("SIGSTOP", crew.freeze),
        ("network cut", crew.cut_off),
    ]
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        time.sleep(chance.uniform(1, 10))
        if chance.random() < 0.2:
            what, act = chance.choice([("kill -9", _kill_broker), ("restart", _restart_broker)])
            click.echo(f"{sent():>9,} sent: broker, {what}")
            act(broker)
        else:
            name = chance.choice(NAMES)
            what, disturb = chance.choice(of_workers)
            click.echo(f"{sent():>9,} sent: {name}, {what}")
            disturb(name)
        crew.look()
    time.sleep(STILL_SECONDS)


if __name__ == "__main__":
    main()
