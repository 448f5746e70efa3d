"""The guarantee: each raw message has its effect once and only once, wherever a process dies.

A lane owns one partition of a source topic. Its life:

1. ``open``: initialise the transactional producer of this partition, whose id depends on the partition alone. From
   here on no earlier owner can commit anything, and what it had begun is settled, committed or aborted. Only then
   read the state and, with it, the position: the offset after the last message that had its effect.
2. ``start`` the partition at that position. Chunks arrive as a chain of ranges; each must begin where the one before
   ended (``chunk.cut``), so nothing is skipped and nothing is taken twice.
3. For each batch: compute (``Processor.process``, pure), then in ONE transaction write all rows, all changed state
   and the new position (``commit``), then change memory. In this order, never another.
4. Any error of a producer, any unexpected exception ends the process (``fail``), whatever Kafka calls it. A batch is
   in the log wholly or not at all; the next owner reads which from the changelog. Nothing is aborted and retried here,
   so there is no state in which memory and log could differ.

What each crash leaves is argued step by step in ``docs/exactly-once.md``.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from time import monotonic, thread_time
from typing import Protocol

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.envelope import Headers
from schemas.shards import SHARDED, shard_topic
from streams import metrics
from streams.chunk import Chunk, cut, split
from streams.position import POSITION_KEY, Position, settle_position
from streams.processor import Outcome, Processor
from streams.state import apply_changes, load_state
from streams.tracing import TracedBatches

logger = logging.getLogger(__name__)

MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_BATCH_MESSAGES = 5_000
COMMIT_INTERVAL_SECONDS = 0.1
"""A lane commits no more often than this while little waits: a transaction costs the same for 1 row as for 1,000."""
_EAGER_BYTES = 512 * 1024
MAX_WAITING_BYTES = 8 * 1024 * 1024
"""What waits in one lane before it is fetched no further; less where a process has many (``Lane.room``)."""
_OPEN_SECONDS = 60
_COMMIT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Source:
    """What a lane must know: the topic it reads (its Kafka id and epoch too), its changelog, whose logic it runs, and
    who traces its batches, if they are traced. ``shards``: of the store that its rows are for.
    """

    topic: str
    topic_id: str
    epoch: int
    changelog: str
    group: str
    bootstrap: str
    make_processor: Callable[[int], Processor]
    tracing: TracedBatches | None = None
    shards: int = 1


class Flow(Protocol):
    """The lane's hold on its partition's fetching (``transport.ConsumerThread``)."""

    def start_partition(self, topic: str, partition: int, run: int, position: int) -> Awaitable[bool]: ...
    def throttle(self, topic: str, partition: int, paused: bool) -> None: ...


def transactional_id(group: str, topic: str, partition: int) -> str:
    """The id that fences: the same for every owner of the partition, different for two agents of one app."""
    return f"{group}-{topic}-{partition}"


def fencing_producer(bootstrap: str, group: str, topic: str, partition: int) -> Producer:
    """A transactional producer, initialised: every earlier producer of this partition is fenced. Blocks."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 2,
            # After an outage, back at once and not after ten seconds.
            "reconnect.backoff.max.ms": 500,
            "transactional.id": transactional_id(group, topic, partition),
            "transaction.timeout.ms": 10_000,
            "message.timeout.ms": 10_000,
            "linger.ms": 0,
            "compression.type": "lz4",
            "message.max.bytes": 8 * 1024 * 1024,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 1024 * 1024,
        }
    )
    producer.init_transactions(_OPEN_SECONDS)
    return producer


class Lane:
    """One partition of a source topic: its producer, state and position, and the chunks waiting for their turn, for
    which it has ``room`` in bytes (and that of one fetch more).
    """

    def __init__(
        self,
        source: Source,
        partition: int,
        flow: Flow,
        group_reader: Consumer,
        executor: Executor,
        fail: Callable[[str], None],
    ) -> None:
        self.source = source
        self.partition = partition
        self.loaded = False
        self.progress_at = monotonic()
        self._busy_since = self.progress_at
        self._flow = flow
        self._group_reader = group_reader
        self._executor = executor
        self._fail = fail
        self._run = 0
        self._waiting: deque[Chunk] = deque()
        self._waiting_bytes = 0
        self._throttled = False
        self.room = MAX_WAITING_BYTES
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._starting = asyncio.Lock()
        self._closed = False
        self._position = Position(source.topic_id, source.epoch, 0)
        self._recorded = False
        self._copies = {topic: shard_topic(topic, partition, source.shards) for topic in SHARDED}
        self._state: dict[bytes, bytes] = {}
        self._task = asyncio.create_task(self._live())

    # -- from outside, all in the event loop's thread

    def deliver(self, run: int, chunk: Chunk) -> None:
        """Take a chunk; one fetched before the partition was started anew is dropped, for it will come again."""
        if run != self._run or self._closed:
            return
        if not self._waiting:
            self._busy_since = monotonic()
        self._waiting.append(chunk)
        self._waiting_bytes += chunk.bytes
        self._arrived.set()
        if self._waiting_bytes > self.room and not self._throttled:
            self._throttled = True
            self._flow.throttle(self.source.topic, self.partition, True)

    async def start(self) -> None:
        """Let chunks flow from the position on; after a rebalance for a lane that is kept."""
        async with self._starting:
            self._run += 1
            self._forget_waiting()
            self._throttled = False
            await self._flow.start_partition(self.source.topic, self.partition, self._run, self._position.offset)

    async def quiesce(self) -> None:
        """Stop taking chunks and wait for the transaction under way, if any."""
        self._run += 1
        self._forget_waiting()
        await self._idle.wait()

    def close(self) -> None:
        """The partition is another's now. Call after ``quiesce``."""
        self._closed = True
        self._task.cancel()

    @property
    def processed(self) -> int | None:
        """The offset up to which all is committed; None while the changelog is not loaded or knows none."""
        return self._position.offset if self._recorded else None

    @property
    def stuck_since(self) -> float | None:
        """Monotonic time since when chunks wait and nothing was committed, or None."""
        if not self._waiting and self._idle.is_set():
            return None
        return max(self.progress_at, self._busy_since)

    # -- the life of a lane

    async def _live(self) -> None:
        try:
            await self._in_thread(self._open)
            if self._closed:
                return
            processor = self.source.make_processor(self.partition)
            await self._in_thread(processor.restore, self._state)
            self.loaded = True
            self.progress_at = monotonic()
            logger.info(
                "%s/%d goes on at offset %d with %d keys of state",
                self.source.topic,
                self.partition,
                self._position.offset,
                len(self._state),
            )
            await self.start()
            while not self._closed:
                chunks = await self._take()
                self._idle.clear()
                try:
                    await self._batch(processor, chunks)
                finally:
                    self._idle.set()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # rule of this file: whatever it is, the process ends
            self._fail(f"{self.source.topic}/{self.partition}: {type(error).__name__}: {error}")

    def _open(self) -> None:
        """Fence, then load. Blocks; in a thread of its own, while the partition is held."""
        if self._closed:
            return
        source, partition = self.source, self.partition
        self._producer = fencing_producer(source.bootstrap, source.group, source.topic, partition)
        state = load_state(source.bootstrap, source.changelog, partition)
        place = TopicPartition(source.topic, partition)
        low, high = self._group_reader.get_watermark_offsets(place, _OPEN_SECONDS)
        # Only whether there is one: it is told after the state was committed, so a changelog without was deleted.
        (committed,) = self._group_reader.committed([place], _OPEN_SECONDS)
        stored = state.pop(POSITION_KEY, None)
        self._position = settle_position(
            f"{source.topic}/{partition}",
            Position.decode(stored) if stored is not None else None,
            bool(state) or committed.offset >= 0,
            self._position,
            low,
            high,
        )
        self._recorded = stored is not None
        self._state = state

    async def _take(self) -> list[Chunk]:
        """The next batch: adjoining chunks up to the bounds, at least one. Waits for company while there is little."""
        while True:
            await self._arrived.wait()
            rest = self.progress_at + COMMIT_INTERVAL_SECONDS - monotonic()
            if rest > 0 and self._waiting_bytes < _EAGER_BYTES:
                await asyncio.sleep(rest)
            batch = self._next_batch()
            if batch:
                return batch

    def _next_batch(self) -> list[Chunk]:
        batch: list[Chunk] = []
        room_bytes, room_messages, expected = MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, self._position.offset
        while self._waiting and room_bytes > 0 and room_messages > 0:
            head, rest = split(self._waiting.popleft(), room_bytes, room_messages)
            if rest is not None:
                self._waiting.appendleft(rest)
            size = head.bytes
            self._waiting_bytes -= size
            room_bytes -= size
            room_messages -= len(head.messages)
            new = cut(head, expected)
            if new is not None:
                batch.append(new)
                expected = new.end
        if not self._waiting:
            self._arrived.clear()
        if self._throttled and self._waiting_bytes < self.room // 4:
            self._throttled = False
            self._flow.throttle(self.source.topic, self.partition, False)
        return batch

    async def _batch(self, processor: Processor, chunks: list[Chunk]) -> None:
        while chunks:
            began = thread_time()
            traced = self.source.tracing.begin(chunks) if self.source.tracing is not None else None
            outcome = processor.process(chunks)
            compute_seconds, computed = thread_time() - began, monotonic()
            position = self._position._replace(offset=outcome.end)
            await self._in_thread(self._commit, outcome, position, [] if traced is None else traced.headers)
            # The transaction is in the log. Memory follows.
            apply_changes(self._state, outcome.changes)
            outcome.applied()
            self._position = position
            self._recorded = True
            self.progress_at = monotonic()
            if traced is not None:
                traced.committed(position.offset, outcome.lines, len(outcome.records))
            metrics.batch_done(self.source.topic, outcome.lines, compute_seconds, self.progress_at - computed)
            chunks = [left for chunk in chunks if (left := cut(chunk, max(chunk.start, position.offset))) is not None]

    def _commit(self, outcome: Outcome, position: Position, trace: Headers) -> None:
        """Rows, state and position in one transaction. Blocks; raises when fenced or on any other error. ``trace``:
        headers for every row's message.
        """
        producer, source, partition = self._producer, self.source, self.partition
        producer.begin_transaction()
        produce, copies = producer.produce, self._copies
        for record in outcome.records:
            headers = [*(record.headers or ()), *trace] if trace else record.headers or None
            topic = copies.get(record.topic, record.topic)
            produce(topic, record.value, key=record.key, partition=record.partition, headers=headers)
        for key, value in outcome.changes.items():
            produce(source.changelog, value, key=key, partition=partition)
        produce(source.changelog, position.encode(), key=POSITION_KEY, partition=partition)
        producer.commit_transaction(_COMMIT_SECONDS)

    def _forget_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0
        self._arrived.clear()

    async def _in_thread(self, function: Callable[..., None], *arguments: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    async def closed(self) -> None:
        """Wait until the lane's task is gone."""
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
