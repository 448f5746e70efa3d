"""The workers' state from a backup, for a Kafka that is another one: sessions that go on, and profiles as they are."""

from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import KafkaException, Producer

from schemas import topics
from streams.position import POSITION_KEY
from streams.positions import CHANGELOGS, SourcePosition, read_logs, read_positions
from streams.transaction import fencing_producer
from weir.backup_log import LogMessage, Tell, read_messages, state_file
from weir.errors import WeirError

_PORTION = 5_000
_PORTION_BYTES = 4 * 1024 * 1024
_ATTEMPTS = 30
_SECONDS = 30.0


def restore_state(bootstrap: str, place: Path, partitions: int, tell: Tell) -> None:
    """Write the state into the changelogs. A worker at work meanwhile is fenced: it ends, starts again, and has the
    state in the end. Safe to repeat.

    :raises WeirError: the topics have another number of partitions, or Kafka does not take it.
    """
    try:
        positions = {(each.topic, each.partition): each for each in read_positions(bootstrap, read_logs(bootstrap))}
        has = sum(1 for topic, _ in positions if topic == topics.RAW)
        if has != partitions:
            raise WeirError(
                f"The backup is of {partitions} partitions and Kafka has {has}: make the topics anew with "
                f"WEIR_PARTITIONS={partitions}, for each partition's workers have a state of their own."
            )
        for (topic, partition), position in positions.items():
            path = state_file(place, CHANGELOGS[topic], partition)
            if path.exists():
                tell(f"restoring the workers' state of {topic}/{partition}")
                _restore(bootstrap, position, path)
    except KafkaException as error:
        raise WeirError(f"Kafka did not take the workers' state ({error}): run weir restore again.") from error


def _restore(bootstrap: str, position: SourcePosition, path: Path) -> None:
    producer: Producer | None = None
    portions = _portions(path)
    portion = next(portions, None)
    failed = 0
    while portion is not None:
        try:
            if producer is None:
                producer = fencing_producer(bootstrap, topics.STREAMS_GROUP, position.topic, position.partition)
            _write(producer, position, portion)
        except KafkaException:
            # A worker came back in between; it is fenced once more.
            producer, failed = None, failed + 1
            if failed > _ATTEMPTS:
                raise
        else:
            portion = next(portions, None)
    # Whoever has loaded a part of it begins anew.
    fencing_producer(bootstrap, topics.STREAMS_GROUP, position.topic, position.partition)


def _write(producer: Producer, position: SourcePosition, portion: list[LogMessage]) -> None:
    changelog = CHANGELOGS[position.topic]
    producer.begin_transaction()
    for message in portion:
        producer.produce(changelog, message.value, key=message.key, partition=position.partition)
    if position.stored is None:
        # A state without a position would be taken for one that has lost it.
        first = position.current._replace(offset=position.low)
        producer.produce(changelog, first.encode(), key=POSITION_KEY, partition=position.partition)
    producer.commit_transaction(_SECONDS)


def _portions(path: Path) -> Iterator[list[LogMessage]]:
    portion, size = list[LogMessage](), 0
    for message in read_messages(path):
        portion.append(message)
        size += len(message.value or b"")
        if len(portion) >= _PORTION or size >= _PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
