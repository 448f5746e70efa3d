"""What waits in one directory, per partition, in the order it was written. Four bytes of memory per envelope."""

import asyncio
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.spool.records import Found, Spooled
from ingest.spool.segments import Loaded, Segment, read_records


@dataclass(slots=True)
class _Run:
    """Records of one partition that lie in one segment; those before ``head`` are delivered."""

    segment: Segment
    positions: "array[int]" = field(default_factory=lambda: array("I"))
    head: int = 0

    def __len__(self) -> int:
        return len(self.positions) - self.head


class Backlog:
    """Envelopes on disk that Kafka does not have yet. Lives on one event loop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.segments: list[Segment] = []
        self._runs: dict[int, deque[_Run]] = {}

    @classmethod
    def of(cls, name: str, loaded: Sequence[Loaded]) -> "Backlog":
        """The backlog an ended process left."""
        backlog = cls(name)
        for segment, found, _ in loaded:
            backlog.segments.append(segment)
            for record in found:
                backlog._add(segment, record.partition, record.position)
        return backlog

    def take(self, segment: Segment, records: Sequence[Found]) -> None:
        """Records were written."""
        if not self.segments or self.segments[-1] is not segment:
            self.segments.append(segment)
            segment.since_ms = records[0].stored_ms
        segment.waiting += len(records)
        for record in records:
            self._add(segment, record.partition, record.position)

    def _add(self, segment: Segment, partition: int, position: int) -> None:
        runs = self._runs.setdefault(partition, deque())
        if not runs or runs[-1].segment is not segment:
            runs.append(_Run(segment))
        runs[-1].positions.append(position)

    @property
    def bytes(self) -> int:
        """Size of the files."""
        return sum(segment.size for segment in self.segments)

    @property
    def envelopes(self) -> int:
        """How many wait."""
        return sum(segment.waiting for segment in self.segments)

    @property
    def since_ms(self) -> int | None:
        """When the oldest segment in which anything waits was begun; None when nothing does."""
        return min((segment.since_ms for segment in self.segments if segment.waiting), default=None)

    def partitions(self) -> list[int]:
        """Those for which something waits."""
        return sorted(self._runs)

    def waiting(self, partition: int) -> int:
        """How many envelopes of a partition wait."""
        return sum(map(len, self._runs.get(partition, ())))

    async def read(self, partition: int, limit: int) -> list[Spooled | None]:
        """The first ``limit`` that wait, as many as there are; None for one that is not what was written.

        :raises OSError: they cannot be read.
        """
        read: list[Spooled | None] = []
        for run in list(self._runs.get(partition, ())):
            if limit <= len(read):
                break
            positions = run.positions[run.head : run.head + limit - len(read)].tolist()
            read += await asyncio.to_thread(read_records, run.segment, positions)
        return read

    def delivered(self, partition: int, count: int) -> None:
        """Kafka has the first ``count`` of a partition."""
        runs = self._runs[partition]
        while count:
            run = runs[0]
            part = min(count, len(run))
            run.head += part
            run.segment.waiting -= part
            count -= part
            if not len(run):
                runs.popleft()
        if not runs:
            del self._runs[partition]
