"""The lanes of this process: made and closed as Faust assigns partitions, fed by the agents."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from time import monotonic

from confluent_kafka import Consumer
from faust.types import TP

from streams.chunk import Chunk
from streams.transaction import MAX_WAITING_BYTES, Flow, Lane, Source

MAX_PROCESS_WAITING_BYTES = 64 * 1024 * 1024
"""What waits in all lanes of a process together, however many it has; a fetch of each comes on top."""


class Lanes:
    """All lanes, by (source topic, partition). Use from the event loop's thread only.

    ``sources``: table name to source. ``fail`` ends the process with a sentence.
    """

    def __init__(
        self,
        sources: dict[str, Source],
        flow: Callable[[], Flow],
        group_reader: Consumer,
        executor: Executor,
        fail: Callable[[str], None],
    ) -> None:
        self._sources = sources
        self._flow = flow
        self._group_reader = group_reader
        self._executor = executor
        self._fail = fail
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._starting: set[asyncio.Task[None]] = set()

    def assign(self, table: str, assigned: Iterable[TP]) -> None:
        """Make ``table``'s lanes those of the assigned partitions of its source. Returns at once: kept lanes start
        again where they are, new ones load their state first, the others are closed (they were quiesced before).
        """
        source = self._sources[table]
        mine = {tp.partition for tp in assigned if tp.topic == source.topic}
        for topic, partition in [key for key in self._lanes if key[0] == source.topic and key[1] not in mine]:
            self._lanes.pop((topic, partition)).close()
        for partition in sorted(mine):
            lane = self._lanes.get((source.topic, partition))
            if lane is None:
                self._lanes[source.topic, partition] = Lane(
                    source, partition, self._flow(), self._group_reader, self._executor, self._fail
                )
            elif lane.loaded:
                task = asyncio.create_task(lane.start())
                self._starting.add(task)
                task.add_done_callback(self._starting.discard)

        for lane in self.all:
            lane.room = min(MAX_WAITING_BYTES, MAX_PROCESS_WAITING_BYTES // len(self._lanes))

    def deliver(self, run: int, chunk: Chunk) -> None:
        """Hand a chunk to its lane; a lane that is gone meanwhile lets it fall, its new owner reads it again."""
        lane = self._lanes.get((chunk.topic, chunk.partition))
        if lane is not None:
            lane.deliver(run, chunk)

    async def quiesce(self) -> None:
        """Stop every lane from beginning a transaction and wait for those under way."""
        await asyncio.gather(*(lane.quiesce() for lane in self._lanes.values()))

    def close(self) -> None:
        """The worker stops: end every lane, one that still loads its state too. Call after ``quiesce``."""
        for lane in self.all:
            lane.close()

    @property
    def all(self) -> list[Lane]:
        """The lanes there are."""
        return list(self._lanes.values())

    def processed(self) -> dict[TP, int]:
        """How far each lane has got, as its changelog says: the offset up to which all is committed."""
        return {
            TP(lane.source.topic, lane.partition): offset for lane in self.all if (offset := lane.processed) is not None
        }

    def loading(self) -> bool:
        """Whether any lane still loads its state."""
        return any(not lane.loaded for lane in self.all)

    def stuck_seconds(self) -> float:
        """How long the slowest lane has had work and committed nothing."""
        now = monotonic()
        return max((now - since for lane in self.all if (since := lane.stuck_since) is not None), default=0)
