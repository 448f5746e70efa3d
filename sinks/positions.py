"""Where ClickHouse reads on in Kafka, moved: for a restore."""

import time
from collections.abc import Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas import topics
from sinks.backup import BackupError
from sinks.kafka_log import Reach

_TIMEOUT_SECONDS = 15.0
_POLL_SECONDS = 0.3


def set_position(bootstrap: str, table: str, topic: str, offsets: Mapping[int, int], patience_seconds: float) -> None:
    """Make the table's consumers go on at these offsets, whenever they come back. They must be gone, or on their way.

    :raises BackupError: somebody still reads, or Kafka does not answer.
    """
    group = topics.STORE_GROUP_PREFIX + table
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            request = [ConsumerGroupTopicPartitions(group, places)]
            admin.alter_consumer_group_offsets(request, request_timeout=_TIMEOUT_SECONDS)[group].result(
                _TIMEOUT_SECONDS
            )
        except (KafkaException, TimeoutError) as error:
            if time.monotonic() > deadline:
                raise BackupError(
                    f"The consumers of {table} cannot be set back ({error}): does another ClickHouse read them? Stop "
                    "it, then run weir restore again."
                ) from error
            time.sleep(_POLL_SECONDS)
        else:
            return


def settle(positions: Mapping[int, int], reach: Mapping[int, Reach], *, is_same: bool) -> tuple[dict[int, int], int]:
    """Where to go on in a topic, and how many offsets are not there any more between that and the backup. ``is_same``:
    whether it is the topic that the positions are of; else all of it is new.
    """
    settled, missing = {}, 0
    for partition, at in reach.items():
        wanted = positions.get(partition, at.low) if is_same else at.low
        settled[partition] = min(max(wanted, at.low), at.end)
        missing += max(at.low - wanted, 0)
    return settled, missing
