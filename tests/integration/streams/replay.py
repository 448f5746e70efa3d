"""The verdict: what is committed is what one worker makes of the same raw log in one go, no more and no less.

Rows are compared by what they hash to and one partition at a time, so a log of millions is judged as well.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

import orjson
from confluent_kafka import TopicPartition

from schemas import topics
from schemas.control import ProjectRecord
from schemas.event_time import clickhouse_time
from streams.chunk import Chunk, cut
from streams.devices import DevicesProcessor
from streams.enrich.geo import NOWHERE
from streams.positions import read_logs
from streams.processor import Record
from streams.sessions import Session
from streams.state import apply_changes
from tests.integration.streams.lab import PARTITIONS, PROJECT, Lab, wait_until
from tests.unit.streams.offline_sessions import OfflineSessions
from tests.unit.streams.raw_log import Message

PROJECTS = {PROJECT: ProjectRecord(id=PROJECT, organization_id="organization-1", name="Test")}
_CHUNK = 1_000
_ID_LENGTH = 36
_COMPARED = (topics.EVENTS, topics.IDENTITIES, topics.REPLAY)
Numbers = dict[str, Any]


def raw_messages(lab: Lab, partition: int) -> Iterator[Message]:
    """A partition of the raw log, committed messages only."""
    for message in lab.messages(topics.RAW, partition):
        offset = message.offset()
        assert offset is not None
        headers = tuple((pair[0], pair[1]) for pair in message.headers() or [] if isinstance(pair[1], bytes))
        yield Message(offset, message.timestamp()[1], message.value(), headers)


def ends(lab: Lab, topic: str) -> dict[int, int]:
    """A topic's end offsets."""
    reader = lab.reader()
    try:
        return {
            partition: reader.get_watermark_offsets(TopicPartition(topic, partition), 30)[1]
            for partition in range(PARTITIONS)
        }
    finally:
        reader.close()


def ledger_ends(lab: Lab) -> dict[int, int]:
    """Up to where the ledger goes, by raw partition."""
    found = dict.fromkeys(range(PARTITIONS), 0)
    for row in lab.rows(topics.LEDGER):
        found[row["raw_partition"]] = max(found[row["raw_partition"]], row["to_offset"])
    return found


def wait_for_the_end(lab: Lab, seconds: float = 90) -> None:
    """Until all that is in the raw log now is accounted for."""
    goal = ends(lab, topics.RAW)

    def reached() -> bool:
        found = ledger_ends(lab)
        return all(found[partition] >= end for partition, end in goal.items())

    wait_until(reached, f"the ledger to reach {goal}", seconds)


def assert_exact(lab: Lab) -> None:
    """Every raw message had its effect once: rows, ledger and sessions are a replay's, and the sessions those of the
    rules as the documentation has them. Stop the workers first.
    """
    operations: Counter[bytes] = Counter()
    for partition in range(PARTITIONS):
        ledger = [orjson.loads(line) for line in lab.lines(topics.LEDGER, partition)]
        assert_chain(ledger)
        replayed = _Replayed(lab, partition, max((row["to_offset"] for row in ledger), default=0))
        for topic in _COMPARED:
            assert_same(topic, lab.lines(topic, partition), replayed.rows[topic])
        operations += replayed.rows[topics.PROFILE_OPS]
        for kind in ("message", "tick"):
            told = [row for row in ledger if row["kind"] == kind]
            assert told == [row for row in replayed.ledger if row["kind"] == kind]
        told_sessions = {name: _numbers(row) for name, row in lab.sessions(partition).items()}
        assert told_sessions == replayed.sessions
        assert _spans(told_sessions.values()) == replayed.offline.spans(clickhouse_time)
    # Those that a test wrote itself bear no id of a worker's making.
    made = (line for line in lab.lines(topics.PROFILE_OPS) if len(orjson.loads(line)["event_id"]) == _ID_LENGTH)
    assert_same(topics.PROFILE_OPS, made, operations)


def assert_chain(rows: list[dict[str, Any]]) -> None:
    """The ledger of one partition has neither a gap nor an overlap."""
    rows = sorted(rows, key=lambda row: int(row["from_offset"]))
    at = 0
    for row in rows:
        assert row["from_offset"] == at, f"the ledger goes on at {row['from_offset']} instead of {at}"
        at = row["to_offset"]


def assert_same(topic: str, committed: Iterable[bytes], expected: Counter[bytes]) -> None:
    """The same rows, each as often."""
    left = Counter(expected)
    odd: list[bytes] = []
    for line in committed:
        mark = _mark(line)
        left[mark] -= 1
        if left[mark] < 0 and len(odd) < 3:
            odd.append(line)
    assert not odd, f"{topic} has rows twice, or that the log doesn't give: {odd}"
    assert not +left, f"{topic} lacks {(+left).total()} rows"


class _Replayed:
    """What one worker makes of a raw partition up to an offset."""

    def __init__(self, lab: Lab, partition: int, upto: int) -> None:
        epochs = {name: record.epoch for name, record in read_logs(lab.broker.bootstrap).items()}
        self._processor = DevicesProcessor(partition, PARTITIONS, epochs, lambda: PROJECTS, lambda ip: NOWHERE)
        self._state: dict[bytes, bytes] = {}
        self._processor.restore(self._state)
        self._standing: dict[str, Session] = {}
        self.rows = {topic: Counter[bytes]() for topic in (*_COMPARED, topics.PROFILE_OPS)}
        self.ledger: list[dict[str, Any]] = []
        self.offline = OfflineSessions()
        at, waiting = 0, list[Message]()
        for message in raw_messages(lab, partition):
            if message.offset >= upto:
                break
            waiting.append(message)
            self.offline.take(message)
            if len(waiting) == _CHUNK:
                at = self._take(Chunk(topics.RAW, partition, at, list(waiting), message.offset + 1))
                waiting = []
        if upto > at:
            self._take(Chunk(topics.RAW, partition, at, list(waiting), upto))

    @property
    def sessions(self) -> dict[str, Numbers]:
        """As they stand at the end."""
        return {name: _numbers(row) for name, row in self._standing.items()}

    def _take(self, chunk: Chunk) -> int:
        rest: Chunk | None = chunk
        while rest is not None:
            outcome = self._processor.process([rest])
            apply_changes(self._state, outcome.changes)
            outcome.applied()
            for record in outcome.records:
                self._note(record)
            rest = cut(rest, outcome.end)
        return chunk.end

    def _note(self, record: Record) -> None:
        lines = [line for line in (record.value or b"").split(b"\n") if line]
        if record.topic in self.rows:
            self.rows[record.topic].update(map(_mark, lines))
        elif record.topic == topics.LEDGER:
            self.ledger += map(orjson.loads, lines)
        elif record.topic == topics.SESSIONS:
            for row in map(orjson.loads, lines):
                if row["sign"] == 1:
                    self._standing[row["session_id"]] = row


def _mark(line: bytes) -> bytes:
    return blake2b(line, digest_size=10).digest()


def _numbers(row: dict[str, Any]) -> Numbers:
    return {name: value for name, value in row.items() if name not in ("version", "raw_offset", "sign")}


def _spans(rows: Iterable[Numbers]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (
            row["device_id"],
            row["started_at"],
            row["ended_at"],
            row["event_count"],
            row["screen_view_count"],
            row["revenue"],
        )
        for row in rows
    )
