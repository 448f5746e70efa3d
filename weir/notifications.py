"""Notifications as they come: following ``weir.notifications`` from the outside, without a consumer group."""

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from pydantic import ValidationError

from schemas.envelope import split_lines
from schemas.notification import Notification
from schemas.topics import NOTIFICATIONS
from weir.errors import WeirError

_POLL_SECONDS = 0.2
_METADATA_SECONDS = 5.0


def watch(bootstrap: str, project_id: str = "", *, since_seconds: float = 0) -> Iterator[Notification | None]:
    """The notifications of a project, or of all, as they are committed, without end; None again and again while there
    are none, so that the caller may stop. All that are told after this has returned are among them.

    :param since_seconds: begin with those that were told so long ago.
    :raises WeirError: Kafka does not answer, or has no such topic yet.
    """
    troubles: list[KafkaError] = []
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            # librdkafka wants a name; nothing is ever committed or joined under it.
            "group.id": "weir-watch-unused",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "latest",
            "fetch.wait.max.ms": 100,
            "log_level": 0,
            "error_cb": troubles.append,
        }
    )
    try:
        consumer.assign(_start(consumer, since_seconds))
    except KafkaException as error:
        consumer.close()
        raise _unreadable(bootstrap, error) from error
    return _follow(consumer, bootstrap, project_id, troubles)


def _follow(
    consumer: Consumer, bootstrap: str, project_id: str, troubles: list[KafkaError]
) -> Iterator[Notification | None]:
    try:
        while True:
            message = consumer.poll(_POLL_SECONDS)
            if any(trouble.code() == KafkaError._ALL_BROKERS_DOWN for trouble in troubles):
                raise WeirError(f"Kafka at {bootstrap} does not answer any more.")
            if message is None:
                yield None
            elif message.error() is None:
                yield from _told(message, project_id)
    except KafkaException as error:
        raise _unreadable(bootstrap, error) from error
    finally:
        consumer.close()


def _unreadable(bootstrap: str, error: KafkaException) -> WeirError:
    return WeirError(f"Kafka at {bootstrap} cannot be read ({error.args[0].str()}): is the stack up?")


def _start(consumer: Consumer, since_seconds: float) -> list[TopicPartition]:
    metadata = consumer.list_topics(NOTIFICATIONS, timeout=_METADATA_SECONDS).topics[NOTIFICATIONS]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    # The ends as they are now: OFFSET_END is looked up with the first fetch, and what comes until then is passed over.
    ends = [_end(consumer, partition) for partition in metadata.partitions]
    if not since_seconds:
        return ends
    since_ms = int((time.time() - since_seconds) * 1000)
    wanted = [TopicPartition(NOTIFICATIONS, partition, since_ms) for partition in metadata.partitions]
    found = consumer.offsets_for_times(wanted, timeout=_METADATA_SECONDS)
    return [each if each.offset >= 0 else end for each, end in zip(found, ends, strict=True)]


def _end(consumer: Consumer, partition: int) -> TopicPartition:
    _, end = consumer.get_watermark_offsets(TopicPartition(NOTIFICATIONS, partition), timeout=_METADATA_SECONDS)
    return TopicPartition(NOTIFICATIONS, partition, end)


def _told(message: Message, project_id: str) -> Iterator[Notification]:
    for line in split_lines(message.value() or b""):
        try:
            told = Notification.model_validate_json(line)
        except ValidationError:
            continue  # of a newer Weir, or nobody's
        if not project_id or told.project_id == project_id:
            yield told
