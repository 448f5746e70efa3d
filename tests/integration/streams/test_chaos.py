"""Workers killed, stopped and joined under load: what is committed is what one undisturbed worker makes of the log."""

import random
import signal
import threading
import time

import pytest

from schemas import topics
from tests.integration.streams.lab import Lab, Worker, track, wait_until
from tests.integration.streams.replay import assert_exact, wait_for_the_end

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

DEVICES = [f"device-{number}" for number in range(300)]
BACKLOG = 10_000
PER_SECOND = 1_000


def traffic(count: int, seed: int) -> list[dict[str, object]]:
    """Events of many devices: pages, late ones, repeats, people."""
    chance = random.Random(seed)
    now = int(time.time() * 1000)
    made: list[dict[str, object]] = []
    for _ in range(count):
        device = chance.choice(DEVICES)
        late = chance.choice([0, 0, 0, chance.randrange(3 * 3_600_000)])
        event = track(device, chance.choice(["screen_view", "click"]), now - late)
        if chance.random() < 0.02:
            event |= {"kind": "identify", "profile_id": f"person-{device}", "payload": {"first_name": device}}
        made.append(event)
        if chance.random() < 0.05:
            made.append(chance.choice(made[-50:]))
    return made


class Traffic:
    """Keeps sending until told to stop."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.sent = 0

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _send(self) -> None:
        while not self._stop.wait(0.2):
            self.sent += self._lab.send(traffic(PER_SECOND // 5, self.sent + 1), per_envelope=20)


def working(worker: Worker) -> bool:
    return f"{topics.RAW}/" in worker.output()


def members(lab: Lab) -> set[str | None]:
    """The workers that the group knows."""
    group = topics.STREAMS_GROUP
    described = lab.broker.admin().describe_consumer_groups([group])[group].result(30)
    return {member.group_instance_id for member in described.members}


def test_nothing_is_lost_or_doubled_whatever_happens_to_workers(own_lab: Lab) -> None:
    lab = own_lab
    lab.send(traffic(BACKLOG, 0), per_envelope=50)
    with Traffic(lab):
        # Two at once on a backlog; each start makes the other give partitions away in the middle of it.
        one, two = lab.start_worker("worker-1"), lab.start_worker("worker-2")
        wait_until(lambda: working(one) and working(two), "both to work")
        one.kill(signal.SIGKILL)
        one = lab.start_worker("worker-1")
        # Stopped for longer than its session: its partitions go to the other while it believes they are its own.
        two.kill(signal.SIGSTOP)
        wait_until(lambda: members(lab) == {"worker-1"}, "the group to forget the stopped one")
        two.kill(signal.SIGCONT)
        wait_until(lambda: two.process.poll() is not None, "the stopped one to end")
        assert two.process.returncode == 3
        two, three = lab.start_worker("worker-2"), lab.start_worker("worker-3")
        wait_until(lambda: working(three), "the third to work")
        one.kill(signal.SIGTERM)
        two.kill(signal.SIGKILL)
    wait_for_the_end(lab)
    assert three.process.poll() is None, three.output()
    lab.stop()
    assert_exact(lab)
