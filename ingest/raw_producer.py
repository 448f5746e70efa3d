"""The producer of the raw topic: idempotent, acknowledged by all replicas, never blocking the event loop."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ingest.envelopes import Report
from schemas.envelope import Headers
from schemas.partition_count import settled_count
from schemas.topics import MAX_MESSAGE_BYTES, RAW

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.001
_METADATA_SECONDS = 3.0
_RETRY_SECONDS = 0.5
_LOOK_SECONDS = 0.05


class RawProducer:
    """Sends envelopes to the raw topic. Lives on one event loop.

    Delivery reports are collected on the loop itself, every millisecond while something is under way: a thread
    waiting for them would fight the loop for the interpreter's lock.

    Of a partition, what reaches the log is always a beginning of what was sent: librdkafka retries for ever and keeps
    the order. Time is kept here: when an envelope is not acknowledged within ``timeout_ms``, or anything fails, all
    that is under way is given up at once, in the order in which it was sent, and the next producer takes over.
    """

    def __init__(self, bootstrap: str, *, timeout_ms: int, queue_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout_ms / 1000
        self._config: dict[str, str | int | float | bool] = {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            # Nothing is given up singly: a message must not reach the log when one before it did not.
            "enable.gapless.guarantee": True,
            "message.timeout.ms": 0,
            "compression.type": "lz4",
            # Envelopes are bundles already.
            "linger.ms": 0,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "queue.buffering.max.kbytes": max(queue_bytes // 1024, 1_024) * 4,
            "queue.buffering.max.messages": 1_000_000,
            # After an outage, back at once and not after ten seconds; also when a connection just hangs.
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "socket.timeout.ms": 10_000,
            "socket.connection.setup.timeout.ms": 5_000,
            "request.timeout.ms": 10_000,
            "topic.metadata.refresh.interval.ms": 30_000,
            "log_level": 2,
        }
        self._producer = self._new_producer()
        self._under_way: dict[int, Report] = {}
        self._deadlines: deque[tuple[int, float]] = deque()
        self._sent = 0
        self._polling = False
        self._failure = ""
        self.partitions = 0
        """Partitions of the raw topic; 0 until Kafka told of all of them, and never changed after that."""

    async def find_partitions(self, registered: Callable[[], int | None]) -> None:
        """Ask Kafka how many partitions the raw topic has, until it tells of all that are ``registered`` (0: not known
        yet, None: nobody wrote it down).
        """
        said = ""
        while True:
            found, wanted = await self._ask(), registered()
            self.partitions = settled_count(found, wanted)
            if self.partitions:
                return
            if wanted and said != (said := f"Kafka tells of {len(found)} of the {wanted} partitions of {RAW}"):
                log.warning("%s: waiting for the others", said)
            await asyncio.sleep(_RETRY_SECONDS if wanted != 0 else _LOOK_SECONDS)

    async def reachable(self) -> bool:
        """Whether Kafka answers for the raw topic now; takes up to three seconds."""
        return bool(await self._ask())

    async def _ask(self) -> Collection[int]:
        """The raw topic's partitions as Kafka tells them now; none while it does not."""
        try:
            metadata = await asyncio.to_thread(self._producer.list_topics, RAW, _METADATA_SECONDS)
        except KafkaException:
            return ()
        topic = metadata.topics[RAW]
        return topic.partitions.keys() if topic.error is None else ()

    def send(self, partition: int, value: bytes, headers: Headers, report: Report, *, patient: bool = False) -> None:
        """Send an envelope behind all that was sent before; ``report`` is called on the loop, never from within the
        call. A ``patient`` one has no deadline, but is given up with the others.
        """
        self._sent += 1
        token = self._sent
        self._under_way[token] = report
        if not patient:
            self._deadlines.append((token, self._loop.time() + self._timeout))
        if not self._failure:
            try:
                self._producer.produce(
                    RAW, value, partition=partition, headers=headers, on_delivery=partial(self._delivered, token)
                )
            except (BufferError, KafkaException) as error:
                self._fail(str(error))
        if not self._polling:
            self._polling = True
            self._loop.call_later(_POLL_SECONDS, self._poll)

    def give_up(self, why: str) -> None:
        """Report all that is under way as failed, what Kafka has confirmed by now excepted, and begin anew."""
        self._failure = why
        self._replace()

    def close(self) -> None:
        """What is still under way is reported as failed."""
        if self._under_way:
            self.give_up("closed")

    def _poll(self) -> None:
        self._collect(self._producer)
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] not in self._under_way:
            deadlines.popleft()
        if deadlines and deadlines[0][1] < self._loop.time():
            self._fail(f"no answer within {self._timeout:g} s")
        if self._under_way:
            self._loop.call_later(_POLL_SECONDS, self._poll)
        else:
            self._polling = False

    def _delivered(self, token: int, error: KafkaError | None, _: Message) -> None:
        if error is None:
            report = self._under_way.pop(token, None)
            if report is not None:
                report(None)
        elif token in self._under_way:
            self._fail(str(error))

    def _new_producer(self) -> Producer:
        # A fatal error reaches us anyway; said by the library too, at every purge, it would only alarm.
        silent = logging.Logger("librdkafka")
        silent.disabled = True
        return Producer(self._config, logger=silent)

    def _collect(self, producer: Producer) -> None:
        """Take the reports that are there. A fatal error comes as an exception, in the middle of them."""
        while True:
            try:
                producer.poll(0)
            except KafkaException as error:
                self._fail(str(error))
            else:
                return

    def _fail(self, why: str) -> None:
        if not self._failure:
            self._failure = why
            # Not from within a call of the producer's. What is sent until then is given up with the others.
            self._loop.call_soon(self._replace)

    def _replace(self) -> None:
        if not self._failure:
            return
        old = self._producer
        old.purge()
        self._collect(old)
        log.warning("%d envelopes were not acknowledged: %s", len(self._under_way), self._failure)
        self._producer = self._new_producer()
        self._failure = ""
        # Taking a producer down waits for its threads.
        last = [old]
        del old
        self._loop.run_in_executor(None, last.clear)
        failed, self._under_way = self._under_way, {}
        self._deadlines.clear()
        for report in failed.values():
            report("kafka_unavailable")
