"""What Kafka itself says: how far logs reach, how far groups have read, and which incarnation a topic is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas import topics
from schemas.shards import SHARDED, copy_of, shard_of, shard_topic
from sinks.errors import AuditError

_TIMEOUT_SECONDS = 15.0
_SILENT = {
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE,
    KafkaError.REQUEST_TIMED_OUT,
}
"""What only says that nobody answers."""
_EARLIEST: OffsetSpec = OffsetSpec.earliest()
_LATEST: OffsetSpec = OffsetSpec.latest()


@dataclass(frozen=True, slots=True)
class Reach:
    """The committed part of a partition: offsets in [``low``, ``end``)."""

    low: int
    end: int


class KafkaLog:
    """Read access to Kafka; reads committed messages only and commits nothing. All methods block.

    Where the store has ``shards``, a topic of rows means each partition as the copy of its shard has it, and a group of
    the store's the groups of all shards. Each method raises AuditError when Kafka does not answer.
    """

    def __init__(self, bootstrap: str, shards: int = 1) -> None:
        self._bootstrap = bootstrap
        self._shards = shards
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})

    def reach(self, topic: str) -> dict[int, Reach]:
        """Per partition of the topic."""
        name = shard_topic(topic, 0, self._shards)
        try:
            partitions = self._admin.list_topics(name, timeout=_TIMEOUT_SECONDS).topics[name].partitions
            lows = self._offsets(topic, partitions, _EARLIEST)
            ends = self._offsets(topic, partitions, _LATEST)
        except (KafkaException, TimeoutError) as error:
            raise self._unreachable(error) from error
        if not partitions:
            raise AuditError(f"The topic {name} does not exist: run weir topics.")
        return {number: Reach(lows[number], ends[number]) for number in sorted(partitions)}

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """How far a consumer group has committed; partitions it never committed are absent."""
        if self._shards == 1 or topic not in SHARDED:
            return self._committed(group, topic)
        return {
            partition: offset
            for shard in range(self._shards)
            for partition, offset in self._committed(copy_of(group, shard), copy_of(topic, shard)).items()
            if shard_of(partition, self._shards) == shard
        }

    def _committed(self, group: str, topic: str) -> dict[int, int]:
        request = ConsumerGroupTopicPartitions(group)
        try:
            future = self._admin.list_consumer_group_offsets([request], request_timeout=_TIMEOUT_SECONDS)[group]
            found = future.result(_TIMEOUT_SECONDS).topic_partitions
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return {}
            raise self._unreachable(error) from error
        except TimeoutError as error:
            raise self._unreachable(error) from error
        return {entry.partition: entry.offset for entry in found if entry.topic == topic and entry.offset >= 0}

    def unread(self, topic: str, read: Mapping[int, int], upto: Mapping[int, int]) -> dict[int, int]:
        """Per partition that holds a message in [``read``, ``upto``): how many offsets lie between.

        Offsets alone do not tell: those of transaction markers and aborted messages are never read.
        """
        behind = {part: end - read.get(part, 0) for part, end in upto.items() if read.get(part, 0) < end}
        found = set()
        for message in self.messages(topic, {part: (read.get(part, 0), upto[part]) for part in behind}, first=True):
            found.add(message.partition())
        return {part: count for part, count in behind.items() if part in found}

    def messages(self, topic: str, ranges: Mapping[int, tuple[int, int]], *, first: bool = False) -> Iterator[Message]:
        """The messages of the topic in [from, to) per partition; with ``first`` only the first of each."""
        wanted = {part: bounds for part, bounds in ranges.items() if bounds[0] < bounds[1]}
        if not wanted:
            return
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                # Never joined, never committed: the library wants a name all the same.
                "group.id": "weir-audit",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # The end of a log is told by an answer without messages, which the broker would hold back.
                "fetch.wait.max.ms": 10,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "log_level": 2,
            }
        )
        try:
            consumer.assign(
                [TopicPartition(self._name(topic, part), part, start) for part, (start, _) in wanted.items()]
            )
            while wanted:
                message = consumer.poll(_TIMEOUT_SECONDS)
                if message is None:
                    raise self._unreachable(TimeoutError())
                yield from self._take(message, wanted, first)
        finally:
            consumer.close()

    def epochs(self) -> dict[str, int]:
        """The present epoch of every registered topic."""
        return {record["topic"]: record["epoch"] for record in self._control("log/")}

    def retention_days(self) -> dict[str, int]:
        """How many days each project that is there keeps its events."""
        return {record["id"]: record["retention_days"] for record in self._control("project/")}

    def time_zones(self) -> dict[str, str]:
        """The time zone of each project that is there."""
        return {record["id"]: record["timezone"] for record in self._control("project/")}

    def _control(self, prefix: str) -> list[dict[str, Any]]:
        """The newest control records of a kind, without those that were taken back."""
        found: dict[bytes, bytes | None] = {}
        ranges = {part: (reach.low, reach.end) for part, reach in self.reach(topics.CONTROL).items()}
        for message in self.messages(topics.CONTROL, ranges):
            key = message.key()
            if key is not None and key.startswith(prefix.encode()):
                found[key] = message.value()
        return [orjson.loads(value) for value in found.values() if value]

    def _take(self, message: Message, wanted: dict[int, tuple[int, int]], first: bool) -> Iterator[Message]:
        partition, offset = message.partition(), message.offset()
        error = message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise self._unreachable(KafkaException(error))
            if partition is not None:
                wanted.pop(partition, None)
            return
        if partition is None or offset is None or partition not in wanted:
            return
        end = wanted[partition][1]
        if offset < end:
            yield message
        if first or offset >= end - 1:
            wanted.pop(partition, None)

    def _offsets(self, topic: str, partitions: Mapping[int, object], spec: OffsetSpec) -> dict[int, int]:
        wanted = {TopicPartition(self._name(topic, number), number): spec for number in partitions}
        futures = self._admin.list_offsets(
            wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_TIMEOUT_SECONDS
        )
        return {place.partition: future.result(_TIMEOUT_SECONDS).offset for place, future in futures.items()}

    def _name(self, topic: str, partition: int) -> str:
        return shard_topic(topic, partition, self._shards)

    def _unreachable(self, error: KafkaException | TimeoutError) -> AuditError:
        told = error.args[0] if isinstance(error, KafkaException) else None
        why = "" if told is None or told.code() in _SILENT else f" ({told.str()})"
        return AuditError(
            f"Kafka at {self._bootstrap} does not answer{why}: see whether it runs or hangs, or set "
            "WEIR_KAFKA_BOOTSTRAP, and run it again."
        )
