"""The producer of the raw topic: idempotent, acknowledged by all replicas, never blocking the event loop."""

import asyncio
import logging
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ingest.answers import unavailable
from ingest.envelopes import Report
from schemas.envelope import Headers
from schemas.topics import MAX_MESSAGE_BYTES, RAW

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.001
_METADATA_SECONDS = 3.0
_RETRY_SECONDS = 0.5


class RawProducer:
    """Sends envelopes to the raw topic. Lives on one event loop.

    Delivery reports are collected on the loop itself, every millisecond while something is under way: a thread
    waiting for them would fight the loop for the interpreter's lock. A producer that failed for good is replaced.
    """

    def __init__(self, bootstrap: str, *, timeout_ms: int, queue_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._config: dict[str, str | int | float | bool] = {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            # Envelopes are bundles already.
            "linger.ms": 0,
            "message.timeout.ms": timeout_ms,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "queue.buffering.max.kbytes": max(queue_bytes // 1024, 1_024) * 2,
            "queue.buffering.max.messages": 1_000_000,
            # After an outage, back at once and not after ten seconds.
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "topic.metadata.refresh.interval.ms": 30_000,
            "log_level": 2,
        }
        self._producer = Producer(self._config)
        self._under_way = 0
        self._polling = False
        self._broken = False
        self.partitions = 0
        """Partitions of the raw topic; 0 until Kafka was asked."""

    async def find_partitions(self) -> None:
        """Ask Kafka how many partitions the raw topic has, until it says so."""
        while not self.partitions:
            if await self.reachable() is False:
                await asyncio.sleep(_RETRY_SECONDS)

    async def reachable(self) -> bool:
        """Whether Kafka answers for the raw topic now; takes up to three seconds."""
        try:
            metadata = await asyncio.to_thread(self._producer.list_topics, RAW, _METADATA_SECONDS)
        except KafkaException:
            return False
        topic = metadata.topics[RAW]
        if topic.error is not None or not topic.partitions:
            return False
        self.partitions = len(topic.partitions)
        return True

    def send(self, partition: int, value: bytes, headers: Headers, report: Report) -> None:
        """See `ingest.envelopes.Sender`."""
        if self._broken:
            self._replace()
        try:
            self._producer.produce(
                RAW, value, partition=partition, headers=headers, on_delivery=partial(self._delivered, report)
            )
        except BufferError as error:
            raise unavailable("overloaded", "Too many events are waiting for Kafka.") from error
        except KafkaException as error:
            kafka_error = error.args[0]
            log.error("the producer refused an envelope: %s", kafka_error)
            self._broken = isinstance(kafka_error, KafkaError) and kafka_error.fatal()
            raise unavailable("kafka_unavailable", "Kafka did not take the event.") from error
        self._under_way += 1
        if not self._polling:
            self._polling = True
            self._loop.call_later(_POLL_SECONDS, self._poll)

    def close(self) -> None:
        """What is still under way is reported as failed."""
        if self._under_way:
            self._discard()

    def _poll(self) -> None:
        self._producer.poll(0)
        if self._under_way:
            self._loop.call_later(_POLL_SECONDS, self._poll)
        else:
            self._polling = False

    def _delivered(self, report: Report, error: KafkaError | None, message: Message) -> None:
        self._under_way -= 1
        if error is None:
            report(None)
            return
        if error.fatal():
            self._broken = True
        log.warning("an envelope for partition %s was not acknowledged: %s", message.partition(), error)
        report("kafka_unavailable")

    def _replace(self) -> None:
        log.error("the producer failed for good and is replaced")
        self._discard()
        self._producer = Producer(self._config)
        self._broken = False

    def _discard(self) -> None:
        self._producer.purge()
        self._producer.poll(0)
