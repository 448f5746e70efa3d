"""The session in the answer is the one the worker will use: the gateway's memory against the worker's own step."""

from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.follower import Record
from ingest.sessions_reader import LiveSessions, SessionsReader
from schemas import topics
from schemas.partition import partition_of
from schemas.session_id import session_bucket, session_id
from tests.unit.streams.raw_log import HOUR, MINUTE, NOON, PARTITION, PARTITIONS, PROJECT, Partition, RawLog, track

DEVICE = next(name for n in range(99) if partition_of(PROJECT, name := f"device-{n}", PARTITIONS) == PARTITION)
CAPACITY = 100


class Step(NamedTuple):
    """An event of that minute, taken by that gateway, after it read so many more of the worker's rows."""

    minute: int
    gateway: int = 0
    read: int = 0


class Worker:
    """The worker's step over the events of one device, one by one."""

    def __init__(self) -> None:
        self._log = RawLog()
        self._partition = Partition()
        self.session_rows: list[bytes] = []

    def take(self, event: dict[str, Any]) -> str:
        """Process one event; the id of the session it became part of."""
        start, rows = self._log.end, len(self._partition.rows(topics.SESSIONS))
        self._log.send(NOON + 12 * HOUR + start, event)
        self._partition.take([self._log.chunk(start)])
        self.session_rows += map(orjson.dumps, self._partition.rows(topics.SESSIONS)[rows:])
        found: str = next(row["session_id"] for row in self._partition.events("clicked") if row["raw_offset"] == start)
        return found


class Gateway:
    """What a gateway knows of sessions, and how far it has read what the worker says."""

    def __init__(self) -> None:
        self._sessions = LiveSessions(CAPACITY)
        self._reader = SessionsReader("127.0.0.1:1", self._sessions)
        self._read = 0

    def read(self, rows: list[bytes], upto: int) -> None:
        for row in rows[self._read : upto]:
            self._reader.take(Record(None, row))
        self._read = max(self._read, min(upto, len(rows)))

    def read_more(self, rows: list[bytes], count: int) -> None:
        self.read(rows, self._read + count)

    def tell(self, time_ms: int, event_id: str) -> str:
        joined = self._sessions.join(PROJECT, DEVICE, time_ms, extend=True)
        return joined or self._sessions.begin(PROJECT, DEVICE, time_ms, event_id)


def event_of(number: int, minute: int) -> dict[str, Any]:
    event_id = f"00000000-0000-4000-8000-{number:012d}"
    return track(DEVICE, NOON + minute * MINUTE, "clicked", event_id=event_id)


def run_of(first: int, last: int) -> st.SearchStrategy[list[Step]]:
    """Events of one device that come in their order."""
    return st.lists(st.builds(Step, st.integers(first, last), st.just(0), st.integers(0, 6)), max_size=8).map(sorted)


@st.composite
def with_history(draw: st.DrawFn) -> list[Step]:
    """What happens now, and a history that an app sends after it was offline, between each other."""
    now, history = draw(run_of(140, 300)), draw(run_of(0, 150))
    turns = draw(st.permutations([now] * len(now) + [history] * len(history)))
    return [turn.pop(0) for turn in turns]


@given(steps=with_history())
@example(steps=[Step(0), Step(29), Step(58), Step(87)])
@example(steps=[Step(200), Step(0), Step(10), Step(60), Step(205), Step(70)])
def test_one_gateway_says_what_the_worker_does(steps: list[Step]) -> None:
    """However late events come, and however far behind the worker's rows are."""
    worker, gateway = Worker(), Gateway()
    for number, step in enumerate(steps):
        gateway.read_more(worker.session_rows, step.read)
        event = event_of(number, step.minute)
        told = gateway.tell(event["time"], event["event_id"])
        assert told == worker.take(event)


@given(
    steps=st.lists(st.builds(Step, st.integers(0, 300), st.integers(0, 1), st.integers(0, 6)), max_size=10),
    last=st.integers(0, 300),
)
def test_of_two_gateways_the_next_answer_is_right(steps: list[Step], last: int) -> None:
    """What each began on its own gives way to what the worker made of both, once they have read it."""
    worker, gateways = Worker(), (Gateway(), Gateway())
    for number, step in enumerate(sorted(steps)):
        gateway = gateways[step.gateway]
        gateway.read_more(worker.session_rows, step.read)
        event = event_of(number, step.minute)
        gateway.tell(event["time"], event["event_id"])
        worker.take(event)
    minute = max([last, *(step.minute for step in steps)])
    event = event_of(99, minute)
    for gateway in gateways:
        gateway.read(worker.session_rows, len(worker.session_rows))
    told = [gateway.tell(event["time"], event["event_id"]) for gateway in gateways]
    assert told == [worker.take(event)] * 2


@pytest.mark.parametrize("left_out", [25, 29, 55])
def test_what_the_worker_leaves_out_is_corrected_by_what_it_says(left_out: int) -> None:
    """It filters by what only it knows, and drops what is repeated: the gateway took part of it for true."""
    worker, gateway = Worker(), Gateway()
    for number, minute in enumerate((0, left_out, 57, 59)):
        event = event_of(number, minute)
        told = gateway.tell(event["time"], event["event_id"])
        if minute != left_out:
            found = worker.take(event)
            gateway.read(worker.session_rows, len(worker.session_rows))
    assert told == found


def test_a_session_begun_by_what_the_worker_leaves_out_gives_way() -> None:
    worker, gateway = Worker(), Gateway()
    for number, minute in enumerate((0, 25, 26)):
        event = event_of(number, minute)
        told = gateway.tell(event["time"], event["event_id"])
        if minute:
            found = worker.take(event)
            gateway.read(worker.session_rows, len(worker.session_rows))
    assert told == found != session_id(PROJECT, DEVICE, session_bucket(event_of(0, 0)["time"]))


def test_a_gateway_that_started_anew_goes_on_with_the_session() -> None:
    worker = Worker()
    for number, minute in enumerate((0, 20)):
        told = worker.take(event_of(number, minute))
    fresh = Gateway()
    fresh.read(worker.session_rows, len(worker.session_rows))
    event = event_of(2, 45)
    assert fresh.tell(event["time"], event["event_id"]) == told == worker.take(event)
    assert told != session_id(PROJECT, DEVICE, session_bucket(event["time"]))
