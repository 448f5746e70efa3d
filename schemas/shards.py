"""Shards of the store: which of them a partition's rows are on, and the topics that each consumes for itself.

Where the store is one, rows go to the topics by their own names. Where it has shards, each consumes copies of them of
its own (``weir.events.0``, ``weir.events.1``, …) with groups of its own, and the rows that come of a partition of
``weir.raw`` go to the copies of the shard *partition mod shards*: what has been stored already is known to that shard
alone.
"""

from schemas import topics
from schemas.topics import TOPICS, TopicSpec

SHARDED = frozenset(
    {topics.EVENTS, topics.SESSIONS, topics.IDENTITIES, topics.LEDGER, topics.REPLAY, topics.DEAD_LETTERS}
)
"""The topics that have copies; each has as many partitions as ``weir.raw``, of which it uses those of its shard."""


def shard_of(partition: int, shards: int) -> int:
    """The shard that has the rows of a raw partition."""
    return partition % shards


def shard_topic(topic: str, partition: int, shards: int) -> str:
    """The topic to which rows for ``topic`` go that come of a raw partition."""
    return copy_of(topic, shard_of(partition, shards)) if shards > 1 and topic in SHARDED else topic


def copy_of(name: str, shard: int) -> str:
    """A shard's own copy of a topic, or its own form of a consumer group."""
    return f"{name}.{shard}"


def original(topic: str) -> str:
    """The topic that this one is a copy of, or itself."""
    name, _, shard = topic.rpartition(".")
    return name if shard.isdecimal() and name in SHARDED else topic


def topics_for(shards: int) -> tuple[TopicSpec, ...]:
    """Every topic of an installation whose store has so many shards, in the order in which they are created."""
    if shards == 1:
        return TOPICS
    return tuple(
        TopicSpec(name, spec.config, spec.partitions)
        for spec in TOPICS
        for name in ([copy_of(spec.name, shard) for shard in range(shards)] if spec.name in SHARDED else [spec.name])
    )
