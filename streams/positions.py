"""The workers' positions seen from outside, and the one way to move one: for the command ``weir positions``."""

from dataclasses import dataclass
from time import time

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from schemas import topics
from schemas.control import LogRecord
from schemas.event_time import clickhouse_time
from schemas.ledger import LedgerRow
from schemas.shards import shard_topic, topics_for
from streams.control import ControlTail
from streams.position import POSITION_KEY, Position, PositionRefused, settle_position
from streams.reading import read_batch
from streams.transaction import fencing_producer

CHANGELOGS = {topics.RAW: topics.DEVICES_CHANGELOG, topics.PROFILE_OPS: topics.PEOPLE_CHANGELOG}
"""Source topic to the changelog that holds its positions."""
_SECONDS = 30.0
_FIRST_LOOK = 1_000


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """One source partition: ``stored`` is where a worker would go on (None: nobody ever worked on it, or the record is
    lost), ``committed`` the consumer group's offset, ``low`` and ``high`` the log's first and end offsets. ``problem``
    says why a worker would refuse to go on.
    """

    topic: str
    partition: int
    stored: Position | None
    committed: int | None
    current: Position
    low: int
    high: int
    problem: str | None

    @property
    def processed(self) -> int:
        """Up to where messages were processed, as far as anything remembers; the log may not reach there any more."""
        if self.stored is None:
            return self.low if self.committed is None else self.committed
        return self.stored.offset if self.stored.topic_id == self.current.topic_id else self.low

    @property
    def next(self) -> int:
        """The oldest offset that is there and was not processed."""
        return min(max(self.processed, self.low), self.high)


def read_positions(bootstrap: str, logs: dict[str, LogRecord]) -> list[SourcePosition]:
    """Every source partition. Blocks. Raises KafkaException; ``logs``: see ``read_logs``."""
    reader = _reader(bootstrap)
    try:
        return [
            _read(reader, logs[topic], partition)
            for topic in CHANGELOGS
            for partition in sorted(reader.list_topics(topic, _SECONDS).topics[topic].partitions)
        ]
    finally:
        reader.close()


def reset_position(
    bootstrap: str, logs: dict[str, LogRecord], topic: str, partition: int, to: int | None = None, *, shards: int = 1
) -> tuple[SourcePosition, int]:
    """Make workers go on at ``to``, by default at ``SourcePosition.next``; returns what was before, and the offset.

    A worker that owns the partition is fenced: it ends and starts again. What is skipped is written down in the ledger
    as a hole, in the transaction that moves the position. Blocks; safe to repeat. Raises KafkaException, and ValueError
    when there is no such partition, or no such offset in its log.
    """
    if topic not in CHANGELOGS:
        raise ValueError(f"{topic} is no topic that workers read; these are: {', '.join(CHANGELOGS)}.")
    reader = _reader(bootstrap)
    try:
        if partition not in reader.list_topics(topic, _SECONDS).topics[topic].partitions:
            raise ValueError(f"{topic} has no partition {partition}.")
        # First nobody else can move it any more, then it is read.
        producer = fencing_producer(bootstrap, topics.STREAMS_GROUP, topic, partition)
        before = _read(reader, logs[topic], partition)
        target = before.next if to is None else to
        if not before.low <= target <= before.high:
            raise ValueError(f"The log of {topic}/{partition} holds {before.low} to {before.high}, not {target}.")
        _write(producer, before, target, logs[shard_topic(topics.LEDGER, partition, shards)])
    finally:
        reader.close()
    return before, target


def read_logs(bootstrap: str, shards: int = 1) -> dict[str, LogRecord]:
    """The registered identities of all topics; ``shards``: of the store. Blocks. Raises
    ``streams.control.ControlMissing``.
    """
    tail = ControlTail(bootstrap, lambda sentence: None)
    tail.start()
    try:
        return {spec.name: tail.log(spec.name) for spec in topics_for(shards)}
    finally:
        tail.stop()


def _write(producer: Producer, before: SourcePosition, target: int, ledger: LogRecord) -> None:
    position = before.current._replace(offset=target)
    producer.begin_transaction()
    if before.topic == topics.RAW and before.processed < target:
        row = _hole(position, before.partition, before.processed, ledger.epoch)
        producer.produce(
            ledger.topic,
            orjson.dumps(row.model_dump()),
            partition=before.partition,
            headers=[(topics.HEADER_FORMAT, topics.FORMAT_VERSION.encode())],
        )
    producer.produce(CHANGELOGS[before.topic], position.encode(), key=POSITION_KEY, partition=before.partition)
    producer.commit_transaction(_SECONDS)


def _hole(position: Position, partition: int, start: int, ledger_epoch: int) -> LedgerRow:
    nothing = dict.fromkeys(("lines", "stored", "repeated", "bots", "filtered", "dead", "operations"), 0)
    return LedgerRow(
        kind="hole",
        raw_epoch=position.epoch,
        raw_partition=partition,
        from_offset=start,
        to_offset=position.offset,
        stamp=clickhouse_time(int(time() * 1000)),
        row_tables=(),
        row_months=(),
        row_counts=(),
        log_epoch=ledger_epoch,
        **nothing,
    )


def _reader(bootstrap: str) -> Consumer:
    """Reads with the workers' group id, to see its committed offsets; it never joins the group."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": topics.STREAMS_GROUP,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "log_level": 2,
            "fetch.wait.max.ms": 50,
        }
    )


def _read(reader: Consumer, log: LogRecord, partition: int) -> SourcePosition:
    topic = log.topic
    low, high = reader.get_watermark_offsets(TopicPartition(topic, partition), _SECONDS)
    (committed,) = reader.committed([TopicPartition(topic, partition)], _SECONDS)
    changelog = CHANGELOGS[topic]
    first, end = reader.get_watermark_offsets(TopicPartition(changelog, partition), _SECONDS)
    stored = _newest_position(reader, changelog, partition, first, end)
    current = Position(log.topic_id, log.epoch, 0)
    offset = committed.offset if committed.offset >= 0 else None
    problem = None
    try:
        settle_position(f"{topic}/{partition}", stored, end > first or offset is not None, current, low, high)
    except PositionRefused as refused:
        problem = str(refused)
    return SourcePosition(topic, partition, stored, offset, current, low, high, problem)


def _newest_position(reader: Consumer, changelog: str, partition: int, first: int, end: int) -> Position | None:
    """The position record. It closes every transaction, so it is looked for at the end before all is read."""
    back = _FIRST_LOOK
    while True:
        start = max(first, end - back)
        value = _last_value(reader, TopicPartition(changelog, partition, start)) if start < end else None
        if value is not None:
            return Position.decode(value)
        if start <= first:
            return None
        back *= 10


def _last_value(reader: Consumer, start: TopicPartition) -> bytes | None:
    reader.assign([start])
    value: bytes | None = None
    try:
        while True:
            for message in read_batch(reader, 10_000, 0.2):
                error = message.error()
                if error is None:
                    value = message.value() if message.key() == POSITION_KEY else value
                elif error.code() == KafkaError._PARTITION_EOF:
                    return value
                else:
                    raise KafkaException(error)
    finally:
        reader.unassign()
