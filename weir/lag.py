"""How far readers are behind, per topic, as the broker knows it."""

from collections.abc import Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.shards import original
from schemas.topics import (
    CONTROL,
    DEAD_LETTERS,
    EVENTS,
    GROUPS,
    IDENTITIES,
    LEDGER,
    PROFILES,
    REPLAY,
    SESSIONS,
    STORE_GROUP_PREFIX,
    STREAMS_GROUP,
)

_SECONDS = 5.0
_TRANSACTIONAL = {EVENTS, SESSIONS, IDENTITIES, LEDGER, PROFILES, GROUPS, REPLAY, DEAD_LETTERS}
"""Topics of workers' transactions: what stands last in a partition is a marker, which no reader ever gets."""

Positions = Mapping[tuple[str, int], int]


def lag_by_topic(bootstrap: str) -> dict[str, int]:
    """Messages not yet read, summed over partitions; of several groups the one furthest behind counts.

    :raises KafkaException: the broker does not answer.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    groups = [
        group.group_id
        for group in admin.list_consumer_groups(request_timeout=_SECONDS).result(_SECONDS * 2).valid
        if group.group_id == STREAMS_GROUP or group.group_id.startswith(STORE_GROUP_PREFIX)
    ]
    found: dict[str, int] = {}
    for group in groups:
        for topic, lag in _group_lag(admin, group).items():
            found[topic] = max(found.get(topic, 0), lag)
    return dict(sorted(found.items()))


def messages_behind(topic: str, committed: int, first: int, end: int) -> int:
    """Messages of one partition a reader has not had: ``committed`` is its position (negative for none),
    ``first`` and ``end`` are those of the log.
    """
    behind = max(0, end - max(committed, first))
    return max(0, behind - 1) if original(topic) in _TRANSACTIONAL else behind


def _group_lag(admin: AdminClient, group: str) -> dict[str, int]:
    answer = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=_SECONDS)
    partitions = answer[group].result(_SECONDS * 2).topic_partitions or []
    wanted = [item for item in partitions if item.topic != CONTROL and not item.topic.endswith("-changelog")]
    if not wanted:
        return {}
    first = _offsets(admin, wanted, OffsetSpec.earliest())
    end = _offsets(admin, wanted, OffsetSpec.latest())
    found: dict[str, int] = {}
    for item in wanted:
        key = (item.topic, item.partition)
        behind = messages_behind(item.topic, item.offset, first[key], end[key])
        found[item.topic] = found.get(item.topic, 0) + behind
    return found


def _offsets(admin: AdminClient, partitions: list[TopicPartition], spec: OffsetSpec) -> Positions:
    asked = {TopicPartition(item.topic, item.partition): spec for item in partitions}
    futures = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_SECONDS)
    return {(item.topic, item.partition): future.result(_SECONDS * 2).offset for item, future in futures.items()}
