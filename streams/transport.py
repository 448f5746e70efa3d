"""Faust's Kafka transport, handing over whole chunks instead of single messages.

Stock Faust makes four asyncio tasks per message, reads uncommitted messages, commits offsets by itself and seeks to
them after each rebalance. Here a fetch becomes one chunk per partition, only committed messages are read, Faust's
commits are off (positions live in the changelogs), and a partition delivers nothing until its lane has loaded its
state and started it at the position found there.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol, cast

import aiokafka
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode.utils.objects import cached_property

from streams.chunk import BrokenChain, Chunk

FETCH_WAIT_MS = 100
"""Longest time a fetch waits at the broker. A partition that joins meanwhile waits as long, so it is short."""
_IDLE_SECONDS = 0.05
_TELL_SECONDS = 2.0


class Quiescing(Protocol):
    """The lanes, as the transport sees them."""

    async def quiesce(self) -> None: ...
    def processed(self) -> dict[TP, int]: ...
    def close(self) -> None: ...


class LanesApp(Protocol):
    """The Faust app, as the transport sees it."""

    lanes: Quiescing
    should_stop: bool

    def fail(self, sentence: str) -> None: ...


class RebalanceListener(driver.ConsumerRebalanceListener):
    """Stops every partition the moment its assignment ends, and keeps it stopped until its lane starts it."""

    _thread: "ConsumerThread"

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> Any:
        """Runs in the consumer's thread before Faust hears of it: nothing fetched afterwards is delivered."""
        self._thread.stop_all()
        return super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Pauses everything new, changelogs for good: state is loaded by the lanes."""
        self._thread.hold(assigned)
        await super().on_partitions_assigned(assigned)


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """aiokafka in its own thread. ``_flowing`` maps each delivering partition to (run, next position)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._flowing: dict[TP, tuple[int, int]] = {}
        self._told: dict[TP, int] = {}
        self._is_member = False
        self._telling: asyncio.Timeout | None = None

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust hard-codes read_uncommitted and a wait of 1.5 s; both are read when the consumer starts.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    def stop_all(self) -> None:
        """Deliver nothing more of any partition, and tell the group nothing until it is joined anew. Call in the
        consumer's thread.
        """
        self._flowing.clear()
        self._is_member = False
        if self._telling is not None and not self._telling.expired():
            self._telling.reschedule(0)

    def hold(self, partitions: Iterable[Any]) -> None:
        """Keep freshly assigned partitions from fetching. Call in the consumer's thread."""
        consumer = self._ensure_consumer()
        self._flowing.clear()
        self._told.clear()
        for partition in partitions:
            consumer.pause(partition)
            if partition.topic in self.app.tables.changelog_topics:
                consumer.seek(partition, 0)  # a position spares it from being looked up; it stays paused
        self._is_member = True

    async def start_partition(self, tp: TP, run: int, position: int) -> bool:
        """Begin to deliver ``tp`` from ``position``; False when it is not assigned any more. Safe from any thread."""
        return cast(bool, await self.call_thread(self._start_partition, tp, run, position))

    async def _start_partition(self, tp: TP, run: int, position: int) -> bool:
        consumer = self._ensure_consumer()
        partition = driver.ensure_aiokafka_TP(tp)
        if partition not in consumer.assignment():
            return False
        consumer.seek(partition, position)
        self._flowing[tp] = (run, position)
        consumer.resume(partition)
        return True

    def throttle(self, tp: TP, paused: bool) -> None:
        """Pause or resume fetching ``tp`` for back-pressure; its position stays. Safe from any thread."""
        self.thread_loop.call_soon_threadsafe(self._throttle, tp, paused)

    def _throttle(self, tp: TP, paused: bool) -> None:
        consumer = self._ensure_consumer()
        partition = driver.ensure_aiokafka_TP(tp)
        if tp in self._flowing and partition in consumer.assignment():
            (consumer.pause if paused else consumer.resume)(partition)

    async def tell_group(self, processed: Mapping[TP, int]) -> None:
        """Commit how far lanes have got as the group's offsets, for lag displays only: the truth is in the changelogs.

        Not part of the lanes' transactions: librdkafka can wait for ever in ``send_offsets_to_transaction`` once the
        group's coordinator was away, whatever timeout it is given (its issues 5456 and 5511). And never while the group
        is being joined: the broker would see it after the join, with the generation before, and aiokafka takes that
        answer for a reason to join again; so all members would, without end. Never raises; what could not be told is
        told the next time.
        """
        await self.call_thread(self._tell_group, processed, last=False)

    async def tell_group_last(self, processed: Mapping[TP, int]) -> None:
        """The same before the group is left for good."""
        await self.call_thread(self._tell_group, processed, last=True)

    async def _tell_group(self, processed: Mapping[TP, int], last: bool) -> None:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        offsets = {
            driver.ensure_aiokafka_TP(tp): offset
            for tp, offset in processed.items()
            if driver.ensure_aiokafka_TP(tp) in assigned and self._told.get(tp) != offset
        }
        if not offsets or not (self._is_member or last):
            return
        try:
            async with asyncio.timeout(_TELL_SECONDS) as self._telling:
                await consumer.commit(offsets)
            self._told.update({TP(*partition): offset for partition, offset in offsets.items()})
        except (KafkaError, TimeoutError):
            pass
        finally:
            self._telling = None

    async def fetch_chunks(self, timeout: float) -> list[tuple[int, Chunk]]:
        """What arrived within ``timeout`` seconds, as (run, chunk). Raises BrokenChain when a position jumped."""
        return cast(list[tuple[int, Chunk]], await self.call_thread(self._fetch_chunks, timeout))

    async def _fetch_chunks(self, timeout: float) -> list[tuple[int, Chunk]]:
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        if not self._flowing or not self.consumer.flow_active:
            await asyncio.sleep(_IDLE_SECONDS)
            return []
        for tp, (_, position) in self._flowing.items():
            self._position(consumer, tp, expected=position)
        with fetcher._subscriptions.fetch_context():
            records = await fetcher.fetched_records(list(map(driver.ensure_aiokafka_TP, self._flowing)), timeout)
        # No await from here on: a seek can't come between the fetch and the positions read after it.
        chunks = []
        for tp, (run, start) in list(self._flowing.items()):
            end = self._position(consumer, tp)
            if end != start:
                messages = records.get(driver.ensure_aiokafka_TP(tp), [])
                chunks.append((run, Chunk(tp.topic, tp.partition, start, messages, end)))
                self._flowing[tp] = (run, end)
        return chunks

    @staticmethod
    def _position(consumer: aiokafka.AIOKafkaConsumer, tp: TP, expected: int | None = None) -> int:
        state = consumer._subscription.subscription.assignment.state_value(driver.ensure_aiokafka_TP(tp))
        if state is None or not state.has_valid_position or (expected is not None and state.position != expected):
            raise BrokenChain(f"the position of {tp.topic}/{tp.partition} jumped away from {expected}")
        return cast(int, state.position)


class Consumer(driver.Consumer):
    """Faust's consumer with its per-message path, acknowledgements, commits and seeks replaced."""

    RebalanceListener: ClassVar[Any] = RebalanceListener
    _thread: ConsumerThread

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @cached_property
    def partitions(self) -> ConsumerThread:
        """The thread, for lanes that start and throttle their partition."""
        return self._thread

    async def _drain_messages(self, fetcher: Any) -> None:
        """The fetcher's loop: fetch chunks, hand each to the agent of its topic as one message."""
        while not (self.should_stop or fetcher.should_stop):
            try:
                arrived = await self._thread.fetch_chunks(timeout=0.5)
            except ConsumerStoppedError:
                if self.app.should_stop:
                    return
                raise
            except BrokenChain as broken:
                cast(LanesApp, self.app).fail(str(broken))
                return
            for run, chunk in arrived:
                if not self.flow_active:
                    break  # a rebalance began: the lanes start again where they committed
                await self.callback(self._chunk_message(run, chunk))

    def _chunk_message(self, run: int, chunk: Chunk) -> ConsumerMessage:
        tp = TP(chunk.topic, chunk.partition)
        return ConsumerMessage(
            chunk.topic,
            chunk.partition,
            chunk.start,
            0.0,
            0,
            [],
            None,
            cast(bytes, (run, chunk)),  # ``ChunkSchema`` passes it on as it is
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def ack(self, message: Any) -> bool:
        """A chunk reached its lane. Nothing is remembered: progress is the lane's."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Nothing: offsets travel in the lanes' transactions."""
        return False

    async def perform_seek(self) -> None:
        """Nothing: lanes start their partitions where the changelog says."""

    async def wait_empty(self) -> None:
        """Before partitions are given away: wait for the transactions under way; drop what waits for its turn."""
        app = cast(LanesApp, self.app)
        await app.lanes.quiesce()
        if app.should_stop:
            await self._thread.tell_group_last(app.lanes.processed())
            app.lanes.close()

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        """Faust asks for changelogs only, to recover them: as far as it knows they are empty."""
        return dict.fromkeys(partitions, 0)

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        """See ``highwaters``."""
        return dict.fromkeys(partitions, 0)

    async def seek_wait(self, partitions: Any) -> None:
        """Nothing: Faust would seek the paused changelogs."""

    async def verify_all_partitions_active(self) -> None:
        """Nothing: Faust would report every paused changelog as an error, again and again, since nothing is fetched of
        them. Whether lanes get on is for the watchdog to say.
        """


class Transport(driver.Transport):
    """What ``broker='chunks://host:port'`` stands for."""

    Consumer: ClassVar[Any] = Consumer
