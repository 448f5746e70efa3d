"""A raw event: one line of an envelope on the raw topic, whatever protocol brought it."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class RawKind(StrEnum):
    """What a raw event asks for; ``payload`` has the shape named beside it."""

    TRACK = "track"
    """``TrackPayload``"""
    IDENTIFY = "identify"
    """``IdentifyPayload``"""
    INCREMENT = "increment"
    """``CounterPayload``"""
    DECREMENT = "decrement"
    """``CounterPayload``"""
    ALIAS = "alias"
    """``AliasPayload``"""
    GROUP = "group"
    """``GroupPayload``"""
    ASSIGN_GROUP = "assign_group"
    """``AssignGroupPayload``"""
    REPLAY = "replay"
    """``ReplayPayload``"""
    UNLINK = "unlink"
    """``UnlinkPayload``. Never a browser's: a gateway takes it from who has a client's secret."""
    ERASE = "erase"
    """``ErasePayload``. Only Weir's own command sends it, one to every raw partition; no gateway takes it."""


MAX_GROUPS = 100
MAX_TRAIT = 512
MAX_AVATAR = 4096
MAX_PROPERTY_PATH = 200
MAX_UNSET = 256
MAX_GROUP_TYPE = 64
MAX_REPLAY_CHARACTERS = 2 * 1024 * 1024
"""Bounds that a gateway has to keep too: an event beyond them becomes a dead letter."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
Id = Annotated[str, Field(max_length=128)]
GroupId = Annotated[str, Field(min_length=1, max_length=128)]
ProfileId = Annotated[str, Field(max_length=256)]
Trait = Annotated[str, Field(max_length=MAX_TRAIT)]
Milliseconds = Annotated[int, Field(ge=-(2**53), le=2**53)]
PropertyPath = Annotated[str, Field(min_length=1, max_length=MAX_PROPERTY_PATH)]
Amount = (
    Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
    | Annotated[float, Field(strict=True, allow_inf_nan=False)]
)


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TrackPayload(_Payload):
    """An event that happened. Names beginning with ``__`` among the properties have a meaning of their own."""

    name: Name
    properties: dict[str, Any] = Field(default_factory=dict)
    groups: Annotated[tuple[Id, ...], Field(max_length=MAX_GROUPS)] = ()


class IdentifyPayload(_Payload):
    """What is known of a person; empty texts never overwrite what was known before."""

    first_name: Trait = ""
    last_name: Trait = ""
    email: Trait = ""
    avatar: Annotated[str, Field(max_length=MAX_AVATAR)] = ""
    properties: dict[str, Any] = Field(default_factory=dict)
    set_once: dict[str, Any] = Field(default_factory=dict)
    """Properties that are set only where the profile has none of that name."""
    unset: Annotated[tuple[PropertyPath, ...], Field(max_length=MAX_UNSET)] = ()
    """Properties to take away."""
    append: dict[str, Any] = Field(default_factory=dict)
    """Values, or arrays of them, to put at the end of properties that are lists."""
    union: dict[str, Any] = Field(default_factory=dict)
    """As ``append``, without what the list has already."""


class CounterPayload(_Payload):
    """A number to add to (increment) or take from (decrement) a profile's property; dots address nested keys. Whole
    numbers are counted exactly.
    """

    property: PropertyPath
    value: Amount = 1


class AliasPayload(_Payload):
    """Another id of the person: from now on ``alias`` means the one whose id the raw event's ``profile_id`` is."""

    alias: Annotated[str, Field(min_length=1, max_length=256)]


class UnlinkPayload(_Payload):
    """A link to take back: of the other id ``alias``, or, where that is empty, of the raw event's device. It does not
    matter whether it is there; whoever links them again later, does.
    """

    alias: Annotated[str, Field(max_length=256)] = ""


class ErasePayload(_Payload):
    """A person to be forgotten: what stands before this line in its partition has no effect any more. ``erasure``
    numbers erasures, ascending; ``partitions`` is how many raw partitions are told.
    """

    erasure: Annotated[int, Field(ge=1, lt=2**63)]
    partitions: Annotated[int, Field(ge=1, lt=2**16)]
    profile_ids: tuple[ProfileId, ...] = ()
    device_ids: tuple[Id, ...] = ()
    visits: dict[Id, tuple[str, ...]] = Field(default_factory=dict)
    """Sessions to be forgotten of devices that are not the person's, by device."""


class GroupPayload(_Payload):
    """What is known of a group (a company, a team). An empty ``type`` or ``name`` leaves what was known before;
    properties are merged.
    """

    id: GroupId
    type: Annotated[str, Field(max_length=MAX_GROUP_TYPE)] = ""
    name: Trait = ""
    properties: dict[str, Any] = Field(default_factory=dict)


class AssignGroupPayload(_Payload):
    """Groups the raw event's profile belongs to from now on, beside those it belonged to; without a profile, the
    device's own.
    """

    group_ids: Annotated[tuple[GroupId, ...], Field(max_length=MAX_GROUPS)]


class ReplayPayload(_Payload):
    """A piece of a session's recording. An empty ``session_id`` means the raw event's. ``started_at`` and
    ``ended_at``: milliseconds since the epoch, by the sender's clock; ``payload``: the recorder's events as the JSON
    text of an array, kept as it came.
    """

    session_id: Annotated[str, Field(max_length=64)] = ""
    chunk_index: Annotated[int, Field(ge=0, le=65_535)]
    events_count: Annotated[int, Field(ge=1, le=2**31 - 1)]
    is_full_snapshot: bool
    started_at: Milliseconds
    ended_at: Milliseconds
    payload: Annotated[str, Field(max_length=MAX_REPLAY_CHARACTERS)]


class RawEvent(BaseModel):
    """One raw event. A foreign producer must give ``kind``, ``project_id`` and ``payload``; the rest has defaults.

    ``event_id``: the sender's id, a UUID or any string; without one the place in the log names the event.
    ``device_id``: empty for events of a server that belong to no device. ``session_id``: what the sender was told,
    a hint. ``time``, ``received_at``, ``sent_at``: milliseconds since the epoch; a missing ``received_at`` means the
    broker's stamp, a missing ``time`` means ``received_at``. ``hints``: request headers that describe the client
    (lower-case names). Unknown keys are ignored, so that a newer gateway can talk to an older worker.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    kind: RawKind
    event_id: Annotated[str, Field(max_length=256)] = ""
    project_id: Annotated[str, Field(min_length=1, max_length=64)]
    device_id: Id = ""
    session_id: Annotated[str, Field(max_length=64)] = ""
    profile_id: ProfileId = ""
    time: Milliseconds | None = None
    received_at: Milliseconds | None = None
    sent_at: Milliseconds | None = None
    ip: Annotated[str, Field(max_length=64)] = ""
    user_agent: Annotated[str, Field(max_length=2048)] = ""
    hints: dict[str, str] = Field(default_factory=dict)
    protocol: Annotated[str, Field(max_length=32)] = "kafka"
    client_id: Annotated[str, Field(max_length=64)] = ""
    sdk_name: Annotated[str, Field(max_length=64)] = ""
    sdk_version: Annotated[str, Field(max_length=64)] = ""
    payload: dict[str, Any]
