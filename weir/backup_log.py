"""What of Kafka belongs to a backup: the workers' state, and the rows that had not come into the tables yet.

With it a backup stands alone, should Kafka be lost with all else. Where Kafka is still there it is not needed: what the
tables lack comes again from the positions in the manifest.

All of it is of one moment, the end of each raw partition's last transaction that is in the state. Rows of later raw
messages are left out, and each message of rows is of one transaction, so it is in or out as a whole.
"""

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson
from confluent_kafka import Message

from schemas import topics
from schemas.envelope import split_lines
from sinks.kafka_log import KafkaLog
from sinks.tables import TABLES
from sinks.whole_file import whole_file
from streams.position import POSITION_KEY, Position
from streams.positions import CHANGELOGS

Tell = Callable[[str], None]
_POLL_SECONDS = 0.25


class LogMessage(NamedTuple):
    """A message as Kafka had it. ``stamp``: milliseconds."""

    partition: int
    offset: int
    stamp: int
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None

    def encode(self) -> bytes:
        """A line."""
        headers = [[name, _text(value)] for name, value in self.headers]
        row = [self.partition, self.offset, self.stamp, _text(self.key), headers, _text(self.value)]
        return orjson.dumps(row) + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "LogMessage":
        """The inverse of ``encode``."""
        partition, offset, stamp, key, headers, value = orjson.loads(line)
        told = tuple((name, _bytes(each)) for name, each in headers)
        return cls(partition, offset, stamp, _bytes(key), told, _bytes(value))


class Captured(NamedTuple):
    """What was written. ``ends``: per raw partition up to where; ``is_whole``: whether all that came of it is in."""

    ends: dict[int, int]
    is_whole: bool


def capture(
    bootstrap: str, place: Path, positions: Mapping[str, Mapping[int, int]], epoch: int, seconds: float, tell: Tell
) -> Captured:
    """Write it below ``place``. The tables were backed up before. ``positions``: per topic and partition from where
    on tables may lack rows; ``epoch``: the raw topic's.

    :raises AuditError: Kafka does not answer.
    """
    log = KafkaLog(bootstrap)
    tell("copying the workers' state")
    ends = _capture_state(log, topics.DEVICES_CHANGELOG, place)
    # Operations of raw messages below the ends are in the log now; profiles have to have seen them.
    is_whole = _await_people(log, seconds, tell)
    _capture_state(log, topics.PEOPLE_CHANGELOG, place)
    for table, topic in TABLES.items():
        tell(f"copying what {table} had not read")
        reach = log.reach(topic)
        ranges = {part: (max(positions[topic].get(part, 0), at.low), at.end) for part, at in reach.items()}
        with whole_file(place / f"{table}.jsonl") as file:
            for message in log.messages(topic, ranges):
                read = _read(message)
                if _is_below(table, read, epoch, ends):
                    file.write(read.encode())
    return Captured(ends, is_whole)


def read_messages(path: Path) -> Iterator[LogMessage]:
    """The messages of a file, in order. Raises OSError."""
    with path.open("rb") as file:
        for line in file:
            yield LogMessage.decode(line)


def state_file(place: Path, changelog: str, partition: int) -> Path:
    """Where the state of a partition lies."""
    return place / "state" / changelog / f"{partition}.jsonl"


def _capture_state(log: KafkaLog, changelog: str, place: Path) -> dict[int, int]:
    """Copy a changelog; how far its source was processed."""
    ends = {}
    for partition, reach in log.reach(changelog).items():
        path = state_file(place, changelog, partition)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(path) as file:
            ends[partition] = _copy_state(log, changelog, partition, (reach.low, reach.end), file)
    return ends


def _copy_state(log: KafkaLog, changelog: str, partition: int, span: tuple[int, int], file: BinaryIO) -> int:
    end = 0
    for message in log.messages(changelog, {partition: span}):
        read = _read(message)
        if read.key == POSITION_KEY:
            end = Position.decode(read.value).offset if read.value else end
        else:
            file.write(read.encode())
    return end


def _await_people(log: KafkaLog, seconds: float, tell: Tell) -> bool:
    """Wait until the operations in the log now have been applied; whether they were in time."""
    deadline = time.monotonic() + seconds
    reach = log.reach(topics.PROFILE_OPS)
    while True:
        read = log.committed(topics.STREAMS_GROUP, topics.PROFILE_OPS)
        started = {part: max(read.get(part, 0), at.low) for part, at in reach.items()}
        if not log.unread(topics.PROFILE_OPS, started, {part: at.end for part, at in reach.items()}):
            return True
        if time.monotonic() > deadline:
            return False
        tell("waiting for the workers (profiles)")
        time.sleep(_POLL_SECONDS)


def _is_below(table: str, message: LogMessage, epoch: int, ends: Mapping[int, int]) -> bool:
    """Whether what a message holds came of a raw message that is part of the backup. What does not say so is taken."""
    if table in ("profiles", "groups"):
        return True
    try:
        raw_epoch, partition, offset = _raw_place(table, message)
    except (ValueError, KeyError, TypeError, IndexError):
        return True
    return raw_epoch != epoch or offset < ends.get(partition, 0)


def _raw_place(table: str, message: LogMessage) -> tuple[int, int, int]:
    if table == "dead_letters":
        told = {name: value.decode() for name, value in message.headers if value is not None}
        if told[topics.DEAD_TOPIC] != topics.RAW:
            raise ValueError(told[topics.DEAD_TOPIC])
        return int(told[topics.DEAD_EPOCH]), int(told[topics.DEAD_PARTITION]), int(told[topics.DEAD_OFFSET])
    row = orjson.loads(split_lines(message.value or b"")[0])
    return int(row["raw_epoch"]), int(row["raw_partition"]), int(row.get("raw_offset", row.get("from_offset")))


def _read(message: Message) -> LogMessage:
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise ValueError("a message that Kafka gave has a place")
    key: Any = message.key()
    value: Any = message.value()
    headers: Any = message.headers() or []
    return LogMessage(
        partition, offset, message.timestamp()[1], key, tuple((name, each) for name, each in headers), value
    )


def _text(value: bytes | str | None) -> str | None:
    if value is None:
        return None
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)


SOURCES = {changelog: source for source, changelog in CHANGELOGS.items()}
"""The topic that a changelog's state came of."""
