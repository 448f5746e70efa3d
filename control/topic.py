"""Reading ``weir.control`` to its end."""

import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from pydantic import TypeAdapter, ValidationError

from control.errors import PublishError
from schemas.control import DATABASE_KEY, ControlRecord, DatabaseRecord, LogRecord
from schemas.topics import CONTROL

_RECORD: TypeAdapter[ControlRecord] = TypeAdapter(ControlRecord)


def read_published(bootstrap: str, seconds: float = 30.0) -> dict[str, bytes]:
    """Every key of the topic with its newest value; deleted ones are left out. Blocks; safe to repeat.

    :raises PublishError: the topic is not there or its end was not reached in time.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "weir-control-reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            # The end is told when a fetch comes back empty; by default that takes half a second.
            "fetch.wait.max.ms": 20,
            "log_level": 2,
        }
    )
    deadline = time.monotonic() + seconds
    found: dict[str, bytes] = {}
    try:
        if consumer.list_topics(CONTROL, timeout=seconds).topics[CONTROL].error is not None:
            raise PublishError(f"There is no topic {CONTROL}: run `weir topics`.")
        consumer.assign([TopicPartition(CONTROL, 0, OFFSET_BEGINNING)])
        while (left := deadline - time.monotonic()) > 0:
            message = consumer.poll(min(left, 1.0))
            if message is None:
                continue
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    return found
                raise PublishError(f"{CONTROL} cannot be read: {error.str()}.")
            key, value = message.key(), message.value()
            if key is None:
                continue
            name = key.decode(errors="replace")
            if value is None:
                found.pop(name, None)
            else:
                found[name] = value
    except KafkaException as error:
        raise PublishError(f"{CONTROL} cannot be read: {error}.") from error
    finally:
        consumer.close()
    raise PublishError(f"The end of {CONTROL} was not reached within {seconds:.0f} s: is Kafka up?")


def owner(published: dict[str, bytes]) -> str | None:
    """The id of the control database whose data the published records are; None when nobody wrote it down."""
    try:
        record = _RECORD.validate_json(published.get(DATABASE_KEY, b"null"))
    except ValidationError:
        return None
    return record.id if isinstance(record, DatabaseRecord) else None


def log_records(published: dict[str, bytes]) -> dict[str, LogRecord]:
    """The topic epochs among the published records, by topic; what cannot be read is left out."""
    records: dict[str, LogRecord] = {}
    for key, value in published.items():
        if not key.startswith("log/"):
            continue
        try:
            record = _RECORD.validate_json(value)
        except ValidationError:
            continue
        if isinstance(record, LogRecord):
            records[record.topic] = record
    return records
