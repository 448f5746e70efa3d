"""Operations that the command sends to the raw log itself, past the gateway: as any Kafka producer may."""

from typing import Any

import orjson

from schemas.event_id import new_event_id
from schemas.partition import partition_of
from schemas.raw_event import RawEvent, RawKind
from schemas.topics import MAX_MESSAGE_BYTES, RAW
from weir.errors import WeirError

TIMEOUT_SECONDS = 15


def unlink_line(project_id: str, device_id: str, alias: str, now_ms: int) -> bytes:
    """The line that takes back the link of a device, or of another id."""
    event = RawEvent(
        kind=RawKind.UNLINK,
        event_id=new_event_id(now_ms),
        project_id=project_id,
        device_id=device_id,
        time=now_ms,
        client_id="weir",
        payload={"alias": alias},
    )
    return orjson.dumps(event.model_dump(mode="json", exclude_defaults=True))


def send_operation(bootstrap: str, project_id: str, owner_id: str, line: bytes) -> tuple[int, int]:
    """Write one line to the partition of its owner (a device, else a profile); partition and offset. It is in the log
    when this returns.

    :raises WeirError: Kafka did not take it. Safe to repeat.
    """
    from confluent_kafka import KafkaException, Producer

    told: list[tuple[Any, Any]] = []
    try:
        producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "message.timeout.ms": TIMEOUT_SECONDS * 1000,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "log_level": 0,
            }
        )
        topic = producer.list_topics(RAW, TIMEOUT_SECONDS).topics[RAW]
        if topic.error is not None:
            raise KafkaException(topic.error)
        partition = partition_of(project_id, owner_id, len(topic.partitions))
        producer.produce(
            RAW, line, partition=partition, on_delivery=lambda error, message: told.append((error, message))
        )
        producer.flush(TIMEOUT_SECONDS + 5)
    except KafkaException as error:
        raise WeirError(f"Kafka at {bootstrap} did not take it ({error.args[0].str()}): try again.") from error
    if not told:
        raise WeirError(f"Kafka at {bootstrap} did not answer: try again.")
    refused, message = told[0]
    if refused is not None:
        raise WeirError(f"Kafka at {bootstrap} did not take it ({refused}): try again.")
    return partition, int(message.offset())
