"""Names and settings of every Kafka topic, header and consumer group. No other module spells one out."""

from dataclasses import dataclass, field

RAW = "weir.raw"
EVENTS = "weir.events"
SESSIONS = "weir.sessions"
IDENTITIES = "weir.identities"
LEDGER = "weir.ledger"
PROFILE_OPS = "weir.profile-ops"
PROFILES = "weir.profiles"
GROUPS = "weir.groups"
REPLAY = "weir.replay"
DEAD_LETTERS = "weir.dead-letters"
CONTROL = "weir.control"
LIVE = "weir.live"
NOTIFICATIONS = "weir.notifications"

STREAMS_GROUP = "weir-streams"
"""Consumer group and Faust app id of the workers; also the prefix of their transactional ids."""
STORE_GROUP_PREFIX = "weir-store-"
"""Consumer groups of the ClickHouse Kafka tables: this prefix and the table's name."""

DEVICES_CHANGELOG = f"{STREAMS_GROUP}-devices-changelog"
PEOPLE_CHANGELOG = f"{STREAMS_GROUP}-people-changelog"

HEADER_FORMAT = "weir-format"
"""Version of the format of a message's value, decimal text."""
HEADER_KIND = "weir-kind"
"""``envelope`` or ``tick`` on the raw topic; absent means envelope, so foreign producers need no header."""
HEADER_GATEWAY = "weir-gateway"
"""UUID of the gateway instance that closed an envelope."""
HEADER_SEQUENCE = "weir-seq"
"""Decimal number of the envelope, ascending per gateway and partition."""

DEAD_STAGE = "weir-stage"
DEAD_REASON = "weir-reason"
DEAD_DETAIL = "weir-detail"
DEAD_PROJECT = "weir-project"
DEAD_TOPIC = "weir-topic"
DEAD_EPOCH = "weir-epoch"
DEAD_PARTITION = "weir-partition"
DEAD_OFFSET = "weir-offset"
DEAD_LINE = "weir-line"
DEAD_STAMP = "weir-stamp"
DEAD_LOG_EPOCH = "weir-log-epoch"

FORMAT_VERSION = "1"

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
MAX_RAW_MESSAGE_BYTES = 1024 * 1024
MAX_REPLAY_MESSAGE_BYTES = 3 * 1024 * 1024
"""A raw message that holds a piece of a recording may be this large; it is a line, and a message, of its own."""
DEFAULT_PARTITIONS = 8

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_SIZE = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
_COMPACTED = {"cleanup.policy": "compact", **_SIZE}
_STATE = {
    "cleanup.policy": "compact",
    "segment.bytes": str(64 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.1",
    "max.compaction.lag.ms": str(10 * 60_000),
    **_SIZE,
}


# Destroyed salts must leave the log too: a segment is closed, and so can be compacted, after an hour.
_CONTROL = {**_COMPACTED, "max.compaction.lag.ms": str(_HOUR_MS), "min.cleanable.dirty.ratio": "0.01"}


def _kept(milliseconds: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(milliseconds), **_SIZE}


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic is created. ``partitions`` of None means as many as the raw topic has."""

    name: str
    config: dict[str, str] = field(default_factory=dict)
    partitions: int | None = None


TOPICS: tuple[TopicSpec, ...] = (
    TopicSpec(RAW, {**_kept(7 * _DAY_MS), "message.timestamp.type": "LogAppendTime"}),
    TopicSpec(EVENTS, _kept(3 * _DAY_MS)),
    TopicSpec(SESSIONS, _kept(3 * _DAY_MS)),
    TopicSpec(IDENTITIES, _kept(3 * _DAY_MS)),
    TopicSpec(LEDGER, _kept(3 * _DAY_MS)),
    TopicSpec(PROFILE_OPS, {**_kept(3 * _DAY_MS), "message.timestamp.type": "LogAppendTime"}),
    TopicSpec(PROFILES, _COMPACTED),
    TopicSpec(GROUPS, _COMPACTED),
    TopicSpec(REPLAY, _kept(_DAY_MS)),
    TopicSpec(DEAD_LETTERS, _kept(30 * _DAY_MS)),
    TopicSpec(CONTROL, _CONTROL, partitions=1),
    TopicSpec(LIVE, _kept(_HOUR_MS)),
    TopicSpec(NOTIFICATIONS, _kept(7 * _DAY_MS)),
    TopicSpec(DEVICES_CHANGELOG, _STATE),
    TopicSpec(PEOPLE_CHANGELOG, _STATE),
)
"""Every topic of Weir, in the order in which they are created."""
