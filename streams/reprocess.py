"""The raw log through today's code once more, without Kafka: what its messages give now.

A partition is processed from before the range (``warm``), so that sessions, rings and sequences are what they were, to
beyond it (``cool``), so that sessions that begin in the range are told to their end. Only the range's own rows of
events, ledger and dead letters are handed over; of sessions every state that is told on the way, and the events made up
for them, for who puts them together must know how each went on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from schemas import topics
from schemas.control import ErasureRecord, ProjectRecord
from schemas.event_time import clickhouse_time
from streams.chunk import Chunk, cut
from streams.devices import DevicesProcessor
from streams.erasures import Erasures
from streams.processor import Outcome, Record
from streams.sender import Locate
from streams.state import apply_changes

Rows = list[dict[str, Any]]


class OffsetRange(NamedTuple):
    """Offsets of a raw partition: processed are [``warm``, ``cool``), told of are [``start``, ``end``). ``edge`` is
    where the workers were when it was planned; nothing from there on is touched.
    """

    partition: int
    warm: int
    start: int
    end: int
    cool: int
    edge: int


class Made(NamedTuple):
    """Rows of some messages, by table: ``sessions`` are states told by any message, the others by those of the range;
    ``events`` also those that Weir made up, told by any message.
    The value of a dead letter is in hexadecimal digits: it may be any bytes.
    ``next`` is the offset up to which messages are processed.
    """

    next: int
    events: Rows
    sessions: Rows
    ledger: Rows
    dead_letters: Rows


class Erased(NamedTuple):
    """An erasure, and per raw partition the offset from which it holds: before it, messages make what they made, for
    what became of other people rests on it too, and whoever gets the rows leaves out the person's. No ``ends``: it
    holds from the first message on.
    """

    record: ErasureRecord
    ends: tuple[int, ...] = ()

    def begins(self, partition: int) -> int:
        """The offset from which it holds."""
        return self.ends[partition] if partition < len(self.ends) else 0


class Today(NamedTuple):
    """What messages are judged by: today's projects, places, epochs and erasures; ``partitions``: of the raw topic."""

    projects: dict[str, ProjectRecord]
    epochs: dict[str, int]
    partitions: int
    locate: Locate
    erasures: Sequence[Erased] = ()


def reprocess(found: OffsetRange, chunks: Iterable[Chunk], today: Today) -> Iterator[Made]:
    """What the messages of [``warm``, ``cool``) give; ``chunks``: these messages, adjoining. Pure; in memory is the
    state of one partition's devices.
    """
    erasures = Erasures()
    processor = DevicesProcessor(
        found.partition, today.partitions, today.epochs, lambda: today.projects, today.locate, erasures=erasures
    )
    to_come = sorted(today.erasures, key=lambda each: each.begins(found.partition))
    borders = sorted({found.start, found.end, *(each.begins(found.partition) for each in to_come)})
    state: dict[bytes, bytes] = {}
    processor.restore(state)
    for chunk in chunks:
        for piece in _pieces(chunk, borders):
            while to_come and to_come[0].begins(found.partition) <= piece.start:
                erasures.add(to_come.pop(0).record)
            waiting = [piece]
            while waiting:
                outcome = processor.process(waiting)
                apply_changes(state, outcome.changes)
                outcome.applied()
                yield _made(outcome, told=found.start <= piece.start < found.end)
                waiting = [rest for left in waiting if (rest := cut(left, max(left.start, outcome.end))) is not None]


def _pieces(chunk: Chunk, borders: Sequence[int]) -> Iterator[Chunk]:
    """The chunk cut at the borders that lie within it; these ascend."""
    for border in borders:
        if chunk.start < border < chunk.end:
            yield chunk._replace(messages=[m for m in chunk.messages if m.offset < border], end=border)
            chunk = chunk._replace(messages=[m for m in chunk.messages if m.offset >= border], start=border)
    yield chunk


def _made(outcome: Outcome, told: bool) -> Made:
    made = Made(outcome.end, [], [], [], [])
    places: dict[str, tuple[Rows, Callable[[Record], Iterable[dict[str, Any]]]]] = {
        topics.SESSIONS: (made.sessions, _states),
        topics.EVENTS: (made.events, _made_up),
    }
    if told:
        places |= {
            topics.EVENTS: (made.events, _lines),
            topics.LEDGER: (made.ledger, _lines),
            topics.DEAD_LETTERS: (made.dead_letters, _letters),
        }
    for record in outcome.records:
        if record.topic in places:
            rows, read = places[record.topic]
            rows.extend(read(record))
    return made


def _lines(record: Record) -> Iterator[dict[str, Any]]:
    for line in (record.value or b"").split(b"\n"):
        yield orjson.loads(line)


def _states(record: Record) -> Iterator[dict[str, Any]]:
    return (row for row in _lines(record) if row["sign"] == 1)


def _made_up(record: Record) -> Iterator[dict[str, Any]]:
    return (row for row in _lines(record) if row["synthesized"])


def _letters(record: Record) -> Iterator[dict[str, Any]]:
    said = {name: value.decode() for name, value in record.headers or [] if isinstance(value, bytes)}
    yield {
        "value": (record.value or b"").hex(),
        "stage": said[topics.DEAD_STAGE],
        "reason": said[topics.DEAD_REASON],
        "detail": said[topics.DEAD_DETAIL],
        "project_id": said[topics.DEAD_PROJECT],
        "topic": said[topics.DEAD_TOPIC],
        "epoch": int(said[topics.DEAD_EPOCH]),
        "partition": int(said[topics.DEAD_PARTITION]),
        "offset": int(said[topics.DEAD_OFFSET]),
        "line": int(said[topics.DEAD_LINE]),
        "stamp": clickhouse_time(int(said[topics.DEAD_STAMP])),
        "log_stamp": clickhouse_time(int(said[topics.DEAD_STAMP])),
        "log_epoch": int(said[topics.DEAD_LOG_EPOCH]),
    }
