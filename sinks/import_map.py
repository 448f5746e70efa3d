"""What a row of an export says, as raw events: the same way back that every event takes.

``MAPPINGS`` is where other sources of rows join: a function from a row to raw events.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel, ValidationError

from schemas.bots import bot_name
from schemas.event_id import canonical_event_id, derived_event_id
from schemas.event_time import MAX_AGE_MS, parse_iso_ms
from schemas.raw_event import (
    AliasPayload,
    AssignGroupPayload,
    GroupPayload,
    IdentifyPayload,
    RawEvent,
    RawKind,
    TrackPayload,
)

PROTOCOL = "import"
_DEVICE = "Mozilla/5.0 (X11; Linux x86_64)"
"""A user agent that says that this is somebody's device, and nothing that the row would not say better."""
_AGENT = {
    "__os": "os",
    "__osVersion": "os_version",
    "__browser": "browser",
    "__browserVersion": "browser_version",
    "__device": "device",
    "__brand": "brand",
    "__model": "model",
}
_PAGE = {"__referrer": "referrer", "__title": "title", "__language": "language", "__screen": "screen"}
_DAY_MS = 24 * 3_600_000
_PAYLOADS: Mapping[RawKind, type[BaseModel]] = {
    RawKind.TRACK: TrackPayload,
    RawKind.IDENTIFY: IdentifyPayload,
    RawKind.ASSIGN_GROUP: AssignGroupPayload,
    RawKind.GROUP: GroupPayload,
    RawKind.ALIAS: AliasPayload,
}


class RowRefused(Exception):
    """A row that cannot be taken: ``reason`` is a word, the message a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RowPassedOver(Exception):
    """A row that Weir makes by itself from the others."""


RowMapping = Callable[[Mapping[str, Any], str], Sequence[RawEvent]]
"""From a row, and the project it is meant for, to raw events. Raises RowRefused and RowPassedOver."""


def event(row: Mapping[str, Any], project_id: str) -> Sequence[RawEvent]:
    """A row of ``events``."""
    if _number(row, "synthesized"):
        raise RowPassedOver
    bot, time = _text(row, "bot"), _time(row, "created_at")
    if bot and bot_name(bot) != bot:
        raise RowRefused("bot_unknown", f"The crawler {bot} is not one that is known here: it would count as a person.")
    groups = _json(row, "groups", [])
    payload = {"name": _text(row, "name"), "properties": _properties(row), "groups": groups}
    has_device = any(_text(row, name) for name in ("os", "browser", "brand", "model"))
    raw = {
        "kind": RawKind.TRACK,
        "project_id": project_id,
        "event_id": _event_id(row, project_id),
        "device_id": _text(row, "device_id"),
        "profile_id": _text(row, "profile_id"),
        "time": time,
        # As it was: who was erased since is not brought back, and is told apart by it.
        "received_at": _time(row, "received_at") if row.get("received_at") else None,
        "ip": _text(row, "ip"),
        "user_agent": bot or (_DEVICE if has_device else ""),
        "sdk_name": _text(row, "sdk_name"),
        "sdk_version": _text(row, "sdk_version"),
        "payload": payload,
    }
    return [_raw(raw)]


def profile(row: Mapping[str, Any], project_id: str) -> Sequence[RawEvent]:
    """A row of ``profiles``: what is known of the person, and the groups it belongs to."""
    about = {"project_id": project_id, "profile_id": _text(row, "profile_id"), "time": _recent(row, "updated_at")}
    if not about["profile_id"]:
        raise RowRefused("profile_id_missing", "The row names no profile.")
    traits = {name: _text(row, name) for name in ("first_name", "last_name", "email", "avatar")}
    payload = {**traits, "properties": _json(row, "properties", {})}
    found = [_raw({**about, "kind": RawKind.IDENTIFY, "event_id": _derived("profile", row), "payload": payload})]
    if groups := _json(row, "groups", []):
        ids = {"group_ids": groups}
        found.append(_raw({**about, "kind": RawKind.ASSIGN_GROUP, "event_id": _derived("groups", row), "payload": ids}))
    return found


def group(row: Mapping[str, Any], project_id: str) -> Sequence[RawEvent]:
    """A row of ``groups``."""
    payload = {"id": _text(row, "group_id"), "type": _text(row, "type"), "name": _text(row, "name")}
    payload_all = {**payload, "properties": _json(row, "properties", {})}
    return [
        _raw(
            {
                "kind": RawKind.GROUP,
                "project_id": project_id,
                "event_id": _derived("group", row),
                "time": _recent(row, "updated_at"),
                "payload": payload_all,
            }
        )
    ]


def identity(row: Mapping[str, Any], project_id: str) -> Sequence[RawEvent]:
    """A row of ``identities``: whose a device or another id is."""
    source, person = _text(row, "source_id"), _text(row, "profile_id")
    raw: dict[str, Any] = {
        "project_id": project_id,
        "profile_id": person,
        "event_id": _derived("identity", row),
        "time": _recent(row, "created_at"),
    }
    if _text(row, "kind") == "device":
        return [_raw({**raw, "kind": RawKind.IDENTIFY, "device_id": source, "payload": {}})]
    return [_raw({**raw, "kind": RawKind.ALIAS, "payload": {"alias": source}})]


MAPPINGS: Mapping[str, RowMapping] = {"events": event, "profiles": profile, "groups": group, "identities": identity}
"""By the table whose rows they are."""


def owner_of(raw: RawEvent) -> str:
    """What decides the partition that a raw event goes to, as gateways decide it."""
    if raw.device_id:
        return raw.device_id
    if raw.kind is not RawKind.TRACK and raw.profile_id:
        return raw.profile_id
    return canonical_event_id(raw.project_id, raw.event_id)


def _properties(row: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(_json(row, "properties", {}))
    # What a sender called so may be anything.
    query = given.pop("__query") if isinstance(given.get("__query"), dict) else {}
    anchor = given.pop("__hash", None)
    path = _text(row, "origin") + _text(row, "path")
    if path:
        pairs = {name: value for name, value in query.items() if isinstance(value, str | int | float)}
        search = f"?{urlencode(pairs)}" if pairs else ""
        given["__path"] = f"{path}{search}{f'#{anchor}' if isinstance(anchor, str) and anchor else ''}"
    columns = {**_PAGE, **_AGENT}
    given |= {name: text for name, column in columns.items() if (text := _text(row, column))}
    if _text(row, "name") == "revenue":
        given |= {"__revenue": _number(row, "revenue"), "__currency": _text(row, "currency")}
        if not given["__currency"]:
            del given["__currency"]
    return given


def _event_id(row: Mapping[str, Any], project_id: str) -> str:
    given = _text(row, "event_id")
    return canonical_event_id(project_id, given) if given else _derived("event", row)


def _derived(kind: str, row: Mapping[str, Any]) -> str:
    """The same id for the same row, so that it counts once however often it is imported."""
    try:
        text = orjson.dumps(dict(row), option=orjson.OPT_SORT_KEYS, default=str).decode()
    except (TypeError, ValueError) as error:
        raise RowRefused("not_a_row", f"It cannot be written as JSON: {error}.") from error
    return derived_event_id(f"import:{kind}:{text}")


def _raw(values: Mapping[str, Any]) -> RawEvent:
    try:
        _PAYLOADS[values["kind"]].model_validate(values["payload"])
        return RawEvent(protocol=PROTOCOL, client_id="weir", **values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RowRefused("not_a_row", f"{where}: {first['msg']}") from error


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowRefused("not_a_row", f"{name}: it is no text.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RowRefused("not_a_row", f"{name}: it is not UTF-8.") from error
    return value


def _number(row: Mapping[str, Any], name: str) -> int:
    value = row.get(name) or 0
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise RowRefused("not_a_row", f"{name}: it is no whole number.") from error


def _json(row: Mapping[str, Any], name: str, empty: Any) -> Any:
    """An object or array; CSV and Parquet have it as a text."""
    value = row.get(name)
    if isinstance(value, str) and value:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise RowRefused("not_a_row", f"{name}: it is no JSON ({error}).") from error
    value = empty if value is None or value == "" else value
    if not isinstance(value, type(empty)):
        raise RowRefused("not_a_row", f"{name}: it is no {'object' if isinstance(empty, dict) else 'array'}.")
    return value


def _time(row: Mapping[str, Any], name: str) -> int:
    value = row.get(name)
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    if value is None or value == "":
        raise RowRefused("not_a_row", f"{name}: it is missing.")
    found = parse_iso_ms(value) if isinstance(value, str) else None
    if found is None:
        raise RowRefused("not_a_row", f"{name}: it is no time like 2026-03-01T10:00:00.000Z.")
    return found


def _recent(row: Mapping[str, Any], name: str) -> int:
    """The time of what is known of somebody; what is older than any event may be counts as of the oldest day."""
    now = round(datetime.now(UTC).timestamp() * 1000)
    return max(_time(row, name), now - MAX_AGE_MS + _DAY_MS)
