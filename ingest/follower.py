"""Following a topic to its end and beyond, in a thread of its own and without a consumer group."""

import logging
import threading
import time
from abc import ABC, abstractmethod
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

log = logging.getLogger(__name__)

_BATCH = 500
_POLL_SECONDS = 0.2
_METADATA_SECONDS = 5.0
_RETRY_SECONDS = 1.0


class Record(NamedTuple):
    """One Kafka message."""

    key: bytes | None
    value: bytes | None


class Follower(ABC):
    """Reads every partition of a topic, committed messages only, from some point on, for ever.

    `caught_up` is set once every partition was read to the end it had; it stays set when Kafka goes away, because
    what was read stays true until somebody says otherwise. Whatever goes wrong, it tries again.
    """

    def __init__(self, topic: str, bootstrap: str, *, lookback_ms: int | None = None) -> None:
        """``lookback_ms``: begin with what is younger than this; None: at the topic's beginning."""
        self._topic = topic
        self._lookback_ms = lookback_ms
        self._config: dict[str, str | int | bool] = {
            "bootstrap.servers": bootstrap,
            # librdkafka wants a name; nothing is ever committed or joined under it.
            "group.id": "weir-gateway-unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
            "fetch.wait.max.ms": 100,
            "queued.max.messages.kbytes": 8_192,
            "log_level": 2,
        }
        self.caught_up = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow {topic}", daemon=True)

    @abstractmethod
    def take(self, record: Record) -> None:
        """Apply one record. Called from the follower's thread, in the order of the partition."""

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; blocks until it did, a few hundred milliseconds."""
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.is_set():
            consumer = Consumer(self._config)
            try:
                self._follow(consumer)
            except KafkaException as error:
                log.warning("%s cannot be followed at the moment: %s", self._topic, error)
                self._stop.wait(_RETRY_SECONDS)
            finally:
                consumer.close()

    def _follow(self, consumer: Consumer) -> None:
        start = self._start(consumer)
        ahead = {place.partition for place in start}
        consumer.assign(start)
        while not self._stop.is_set():
            # `consume` would wait for a full batch; so wait for one message, then take what else is there.
            first = consumer.poll(_POLL_SECONDS)
            if first is None:
                continue
            for message in (first, *consumer.consume(_BATCH, timeout=0)):
                error = message.error()
                if error is None:
                    self.take(Record(message.key(), message.value()))
                elif error.code() == KafkaError._PARTITION_EOF:
                    ahead.discard(message.partition() or 0)
                    if not ahead:
                        self.caught_up.set()
                elif error.fatal() or error.code() in _LOST:
                    raise KafkaException(error)

    def _start(self, consumer: Consumer) -> list[TopicPartition]:
        metadata = consumer.list_topics(self._topic, timeout=_METADATA_SECONDS).topics[self._topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        partitions = sorted(metadata.partitions)
        if self._lookback_ms is None:
            return [TopicPartition(self._topic, partition, OFFSET_BEGINNING) for partition in partitions]
        since = int(time.time() * 1000) - self._lookback_ms
        wanted = [TopicPartition(self._topic, partition, since) for partition in partitions]
        found = consumer.offsets_for_times(wanted, timeout=_METADATA_SECONDS)
        # No message that young: the partition's end.
        return [
            TopicPartition(self._topic, place.partition, place.offset if place.offset >= 0 else OFFSET_END)
            for place in found
        ]


_LOST = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._AUTO_OFFSET_RESET,
        KafkaError.OFFSET_OUT_OF_RANGE,
    }
)
"""Errors after which the place to read from must be looked up again."""
