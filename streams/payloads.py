"""What a raw event says, by its kind, and what that changes in profiles and groups."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from schemas.group import GroupOpKind
from schemas.profile import ProfileOpKind
from schemas.raw_event import (
    AliasPayload,
    AssignGroupPayload,
    CounterPayload,
    GroupPayload,
    IdentifyPayload,
    RawKind,
    ReplayPayload,
    TrackPayload,
    UnlinkPayload,
)
from schemas.raw_line import RawLine
from streams.enrich.properties import safe_properties
from streams.rejected import Rejected, first_error

_MODELS: dict[RawKind, type[BaseModel]] = {
    RawKind.TRACK: TrackPayload,
    RawKind.IDENTIFY: IdentifyPayload,
    RawKind.INCREMENT: CounterPayload,
    RawKind.DECREMENT: CounterPayload,
    RawKind.ALIAS: AliasPayload,
    RawKind.GROUP: GroupPayload,
    RawKind.ASSIGN_GROUP: AssignGroupPayload,
    RawKind.REPLAY: ReplayPayload,
    RawKind.UNLINK: UnlinkPayload,
}
_OF_A_PROFILE = frozenset({RawKind.IDENTIFY, RawKind.INCREMENT, RawKind.DECREMENT, RawKind.ALIAS})
_TRAITS = ("first_name", "last_name", "email", "avatar")
_GROUP_TRAITS = ("type", "name")


Said = tuple[str, dict[str, Any], tuple[str, ...], BaseModel | None]
"""A payload that is good: the event's name, properties and groups, and all of it unless it is a plain track."""


class Change(NamedTuple):
    """An operation on the event's profile, or on the group ``group_id``; see ``schemas.profile.Operation``."""

    op: ProfileOpKind | GroupOpKind
    values: dict[str, Any]
    groups: tuple[str, ...] = ()
    group_id: str = ""
    time: int | None = None
    """Of the operation, in milliseconds, where it is not the event's."""


def read_payload(raw: RawLine) -> Said:
    """What the event says. Raises Rejected."""
    payload = raw.payload
    if raw.kind is RawKind.TRACK:
        name, properties = payload.get("name"), payload.get("properties")
        if type(name) is str and 0 < len(name) <= 200 and type(properties) is dict and not payload.get("groups"):
            # Nearly all events: what the model would say, at a fifth of its cost.
            return name, properties, (), None
    elif not raw.profile_id and (raw.kind in _OF_A_PROFILE or (raw.kind is RawKind.ASSIGN_GROUP and not raw.device_id)):
        raise Rejected("profile_id_missing", f"{raw.kind.value} needs a profile_id.", raw.project_id)
    try:
        said = _MODELS[raw.kind].model_validate(payload)
    except ValidationError as error:
        _, field, message = first_error(error)
        where = f"payload.{field}" if field else "payload"
        raise Rejected("bad_payload", f"{where}: {message}", raw.project_id) from None
    if isinstance(said, TrackPayload):
        return said.name, said.properties, said.groups, said
    if isinstance(said, ReplayPayload) and not (said.session_id or raw.session_id):
        raise Rejected("session_id_missing", "A piece of a recording needs the session it is of.", raw.project_id)
    if isinstance(said, UnlinkPayload) and not (said.alias or raw.device_id):
        raise Rejected("bad_payload", "An unlink names a device or an alias.", raw.project_id)
    return "", said.properties if isinstance(said, IdentifyPayload) else {}, (), said


def changes_of(raw: RawLine, payload: BaseModel | None, own: dict[str, Any], around: dict[str, Any]) -> list[Change]:
    """What the event changes in profiles and groups. ``own`` are its properties made safe, ``around`` the device and
    place it came from. Raises Rejected.
    """
    match payload:
        case IdentifyPayload():
            return _identified(payload, own, around)
        case CounterPayload():
            path = _one_path(payload.property)
            if not path:
                raise Rejected("bad_payload", "payload.property: It names no property.", raw.project_id)
            amount = -payload.value if raw.kind is RawKind.DECREMENT else payload.value
            return [Change(ProfileOpKind.INCREMENT, {path: amount})]
        case AssignGroupPayload():
            return [Change(ProfileOpKind.ASSIGN_GROUPS, {}, tuple(dict.fromkeys(payload.group_ids)))]
        case GroupPayload():
            values = {name: value for name in _GROUP_TRAITS if (value := getattr(payload, name))}
            properties, _ = safe_properties(payload.properties)
            return [Change(GroupOpKind.SET, values | _below(properties), group_id=payload.id)]
    return []


def _identified(payload: IdentifyPayload, own: dict[str, Any], around: dict[str, Any]) -> list[Change]:
    values = {name: value for name in _TRAITS if (value := getattr(payload, name))} | _below(own)
    if around["device"] != "server":
        values |= {f"properties.{name}": value for name, value in around.items() if value}
    changes = [Change(ProfileOpKind.SET, values)]
    once, _ = safe_properties(payload.set_once)
    if once:
        changes.append(Change(ProfileOpKind.SET_ONCE, _below(once)))
    gone = [path for name in payload.unset if (path := _one_path(name))]
    if gone:
        changes.append(Change(ProfileOpKind.UNSET, dict.fromkeys(gone)))
    for op, lists in ((ProfileOpKind.APPEND, payload.append), (ProfileOpKind.UNION, payload.union)):
        items, _ = safe_properties(lists)
        if items:
            changes.append(Change(op, _below(items)))
    return changes


def _below(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {f"properties.{name}": value for name, value in properties.items()}


def _one_path(name: str) -> str:
    """The path a property of that name has among safe properties; empty if it has none."""
    properties, _ = safe_properties({name: 1})
    return next((f"properties.{path}" for path in properties), "")
