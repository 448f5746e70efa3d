"""Where the CPU time of an event goes: each stage run by itself over the same lines, in one thread, without Kafka.

A worker spends more on the same stages: beside fetching and committing threads, and a broker on the same cores, less of
what they need is in the processor's caches.
"""

import gc
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar
from unittest.mock import patch

import orjson

from schemas import topics
from schemas.control import ProjectRecord
from schemas.partition import partition_of
from streams.chunk import Chunk
from streams.columns import Columns, row_json
from streams.devices import DevicesProcessor
from streams.enrich.geo import NOWHERE, Geo
from streams.prepare import Place, parse_line, prepare
from streams.rows import Rows
from streams.state import apply_changes
from tests.integration.streams.lab import PARTITIONS, PROJECT
from tests.unit.streams.raw_log import EPOCHS, Message

T = TypeVar("T")

_BATCH_BYTES = 2 * 1024 * 1024
"""About what a worker on a backlog takes at once."""
_PROJECT = ProjectRecord(id=PROJECT, organization_id="organization-1", name="Test")


class Stages(NamedTuple):
    """CPU microseconds per event."""

    parse: float
    prepare: float
    step: float
    serialise: float

    @property
    def total(self) -> float:
        """All that is not Kafka's."""
        return sum(self)


def measure_stages(events: Iterable[Mapping[str, Any]], per_envelope: int) -> Stages:
    """Run every stage over the events, in envelopes of so many."""
    lines: list[bytes] = []
    logs: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for event in events:
        line = orjson.dumps(event)
        lines.append(line)
        logs[partition_of(PROJECT, str(event["device_id"]), PARTITIONS)].append(line)
    # As a worker does, which keeps nothing that the collector has to look through.
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    count = len(lines)
    stamp = int(time.time() * 1000)
    place = Place(1, 0, 0, 0, stamp)
    raws, parsing = _timed(lambda: [parse_line(line) for line in lines])
    prepare(raws[0], place, _PROJECT, _nowhere)  # the first one loads the lists of agents and crawlers
    _, preparing = _timed(lambda: [prepare(raw, place, _PROJECT, _nowhere) for raw in raws])
    rows: list[tuple[dict[str, Any], tuple[Columns, ...]]] = []
    original = Rows.event

    def noting(
        self: Rows, row: dict[str, Any], place: Place, month: int, shared: tuple[Columns, ...], session_month: int = 0
    ) -> None:
        original(self, row, place, month, shared, session_month)
        rows.append((row, (*shared, self._of_message(place))))

    with patch.object(Rows, "event", noting):
        _process_all(logs, per_envelope, stamp)
    _, serialising = _timed(lambda: [row_json(row, shared) for row, shared in rows])
    rows.clear()
    _, all_of_it = _timed(lambda: _process_all(logs, per_envelope, stamp))
    parse, prepared, serialise, total = (
        seconds / count * 1e6 for seconds in (parsing, preparing, serialising, all_of_it)
    )
    return Stages(parse, prepared, total - parse - prepared - serialise, serialise)


def _process_all(logs: list[list[bytes]], per_envelope: int, stamp: int) -> None:
    for partition, lines in enumerate(logs):
        _process(partition, lines, per_envelope, stamp)


def _process(partition: int, lines: list[bytes], per_envelope: int, stamp: int) -> None:
    processor = DevicesProcessor(partition, PARTITIONS, EPOCHS, lambda: {PROJECT: _PROJECT}, _nowhere)
    state: dict[bytes, bytes] = {}
    processor.restore(state)
    values = [b"\n".join(lines[first : first + per_envelope]) for first in range(0, len(lines), per_envelope)]
    messages = [Message(number, stamp, value) for number, value in enumerate(values)]
    batch_size = max(1, _BATCH_BYTES // len(values[0]))
    for first in range(0, len(messages), batch_size):
        batch = messages[first : first + batch_size]
        outcome = processor.process([Chunk(topics.RAW, partition, first, list(batch), first + len(batch))])
        apply_changes(state, outcome.changes)
        outcome.applied()


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.thread_time()
    result = work()
    return result, time.thread_time() - began


def _nowhere(ip: str) -> Geo:
    return NOWHERE
