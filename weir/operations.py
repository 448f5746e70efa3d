"""Operations that the command sends to the raw log itself, past the gateway: as any Kafka producer may."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from schemas.event_id import new_event_id
from schemas.partition import partition_of
from schemas.raw_event import ErasePayload, RawEvent, RawKind
from schemas.topics import MAX_MESSAGE_BYTES, RAW
from streams.devices import MAX_TAKEN_BYTES
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


def erase_line(
    project_id: str,
    erasure: int,
    partitions: int,
    profile_ids: Iterable[str],
    device_ids: Iterable[str],
    visits: Mapping[str, Iterable[str]],
) -> bytes:
    """The line that makes a partition forget a person (``schemas.raw_event.ErasePayload``).

    :raises WeirError: it is longer than what a worker takes: about a hundred thousand ids.
    """
    event = RawEvent(
        kind=RawKind.ERASE,
        event_id=new_event_id(erasure),
        project_id=project_id,
        client_id="weir",
        payload=ErasePayload(
            erasure=erasure,
            partitions=partitions,
            profile_ids=tuple(profile_ids),
            device_ids=tuple(device_ids),
            visits={device: tuple(sessions) for device, sessions in visits.items()},
        ).model_dump(mode="json"),
    )
    line = orjson.dumps(event.model_dump(mode="json", exclude_defaults=True))
    if len(line) > MAX_TAKEN_BYTES:
        # A worker would make a dead letter of it, and nothing would be forgotten.
        raise WeirError(
            f"The ids of the person take {len(line):,} bytes, and an erasure names at most {MAX_TAKEN_BYTES:,}: "
            "take back the links of some devices (weir profile unlink), and erase those by themselves."
        )
    return line


def send_operation(bootstrap: str, project_id: str, owner_id: str, line: bytes) -> tuple[int, int]:
    """Write one line to the partition of its owner (a device, else a profile); partition and offset. It is in the log
    when this returns.

    :raises WeirError: Kafka did not take it. Safe to repeat.
    """
    [(partition, (offset, _))] = _send(
        bootstrap, line, lambda count: [partition_of(project_id, owner_id, count)]
    ).items()
    return partition, offset


def send_everywhere(bootstrap: str, line: bytes, partitions: int) -> list[tuple[int, int]]:
    """Write one line to each of the raw partitions; offset and Kafka's stamp of each, in their order. All are in the
    log when this returns.

    :raises WeirError: Kafka did not take all, or tells of another number of partitions.
    """

    def all_of_them(count: int) -> list[int]:
        if count != partitions:
            raise WeirError(f"Kafka tells of {count} of the {partitions} partitions of {RAW}: are all brokers up?")
        return list(range(count))

    return [place for _, place in sorted(_send(bootstrap, line, all_of_them).items())]


def _send(bootstrap: str, line: bytes, choose: Callable[[int], list[int]]) -> dict[int, tuple[int, int]]:
    """Offset and stamp by partition; ``choose`` is told how many there are."""
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
        wanted = choose(len(topic.partitions))
        for partition in wanted:
            producer.produce(
                RAW, line, partition=partition, on_delivery=lambda error, message: told.append((error, message))
            )
        producer.flush(TIMEOUT_SECONDS + 5)
    except KafkaException as error:
        raise WeirError(f"Kafka at {bootstrap} did not take it ({error.args[0].str()}): try again.") from error
    if len(told) < len(wanted):
        raise WeirError(f"Kafka at {bootstrap} did not answer: try again.")
    refused = next((error for error, _ in told if error is not None), None)
    if refused is not None:
        raise WeirError(f"Kafka at {bootstrap} did not take it ({refused}): try again.")
    return {message.partition(): (message.offset(), message.timestamp()[1]) for _, message in told}
