"""What an OpenPanel request asks for: one parser for each type, from its payload to an event."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from ingest.answers import Refusal, bad_request
from ingest.limits import MAX_GIVEN_DEVICE_ID, MAX_GROUP_ID, MAX_PROFILE_ID, MAX_SESSION_ID
from ingest.protocols.event_names import check_name
from ingest.protocols.protocol import SentEvent
from ingest.protocols.unlink import parse_unlink
from schemas.event_time import parse_iso_ms
from schemas.money import MAX_REVENUE, currency_code
from schemas.raw_event import (
    MAX_AVATAR,
    MAX_GROUP_TYPE,
    MAX_GROUPS,
    MAX_PROPERTY_PATH,
    MAX_REPLAY_CHARACTERS,
    MAX_TRAIT,
    MAX_UNSET,
    RawKind,
)

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+")
_PERSON = (
    ("firstName", "first_name", MAX_TRAIT),
    ("lastName", "last_name", MAX_TRAIT),
    ("email", "email", MAX_TRAIT),
    ("avatar", "avatar", MAX_AVATAR),
)
"""Their name, our name, and how many characters it may have."""
_MORE_OF_PERSON = (("setOnce", "set_once"), ("append", "append"), ("union", "union"), ("unset", "unset"))
"""Weir's own: more to do with properties than to set them."""
_TRACK = RawKind.TRACK
_MEANT = frozenset({"__revenue", "__timestamp", "__ip", "__deviceId", "__identify"})
"""Properties that say something to the gateway."""
_MAX_CHUNK_INDEX = 65_535
_MAX_CHUNK_EVENTS = 2**31 - 1
_MAX_AMOUNT = 2**53

_NOTHING_MORE = SentEvent(_TRACK, {})[4:]
"""What most events do not say."""
_made = tuple.__new__
"""Makes an event of all its fields, at a third of what the class takes for it: most of a batch need nothing else."""

Parser = Callable[[dict[str, Any]], SentEvent]


def parse_operation(body: Mapping[str, Any]) -> SentEvent:
    """The event of ``{"type": …, "payload": …}``.

    :raises Refusal: 400, with what is wrong first.
    """
    kind = body.get("type")
    if kind is None:
        raise bad_request("missing_type", "The body needs a type.")
    parser = PARSERS.get(kind) if isinstance(kind, str) else None
    if parser is None:
        raise _type_refusal(kind)
    payload = body.get("payload")
    if not isinstance(payload, dict):
        raise bad_request("missing_payload", "The body needs a payload: an object.")
    return parser(payload)


def _type_refusal(kind: object) -> Refusal:
    if kind == "alias":
        return bad_request("alias_not_supported", "Alias is not supported")
    return bad_request("unknown_type", "There is no such type of request.")


def parse_track(payload: dict[str, Any]) -> SentEvent:
    """An event that happened. Time, address and person that stand among its properties are taken out of them."""
    get = payload.get
    name = check_name(get("name"))
    properties = get("properties")
    if type(properties) is not dict:
        properties = _properties(payload)
    groups = [] if (given := get("groups")) is None else _ids(given, "groups")
    profile_id = "" if (given := get("profileId")) is None else _profile_id(given)
    track = {"name": name, "properties": properties, "groups": groups}
    if _MEANT.isdisjoint(properties):
        return _made(SentEvent, (_TRACK, track, "", profile_id, *_NOTHING_MORE))
    if "__revenue" in properties:
        _check_revenue(name, properties)
    timestamp = properties.pop("__timestamp", None)
    client_ms = parse_iso_ms(timestamp) if isinstance(timestamp, str) else None
    # The address itself is not kept among the properties: it is shortened once it was looked up.
    given_ip = properties.pop("__ip", None)
    ip = given_ip if isinstance(given_ip, str) else ""
    device_id = given_device_id(properties.get("__deviceId"))
    person = properties.pop("__identify", None)
    also = None
    if isinstance(person, dict):
        profile_id = _lenient_profile_id(person) or profile_id
        if len(person) > 1 and profile_id:
            also = SentEvent(RawKind.IDENTIFY, _inline_person(person), "", profile_id)
    claims = properties.get("__revenue") is not None
    return SentEvent(
        _TRACK, track, "", profile_id, device_id, ip, client_ms=client_ms, also=also, claims_revenue=claims
    )


def parse_identify(payload: dict[str, Any]) -> SentEvent:
    """What is known of a person."""
    profile_id = _needed_profile_id(payload)
    person: dict[str, Any] = {"properties": _properties(payload)}
    for theirs, ours, longest in _PERSON:
        value = payload.get(theirs)
        if value is None:
            continue
        if not isinstance(value, str):
            raise bad_request("invalid_profile", f"{theirs} must be a text.")
        if len(value) > longest:
            raise bad_request("profile_too_long", f"{theirs} has at most {longest} characters.")
        person[ours] = value
    for theirs, ours in _MORE_OF_PERSON:
        if theirs in payload:
            person[ours] = _more(payload[theirs], theirs)
    if person.get("email") and not _EMAIL.fullmatch(person["email"]):
        raise bad_request("invalid_profile", "email is not an e-mail address.")
    if person.get("avatar") and not _URL.fullmatch(person["avatar"]):
        raise bad_request("invalid_profile", "avatar is not a URL.")
    return SentEvent(RawKind.IDENTIFY, person, "", profile_id)


def _more(value: object, name: str) -> object:
    """What else is to be done with properties: names to take away, else an object."""
    if name != "unset":
        good = isinstance(value, dict)
    else:
        paths = value if isinstance(value, list) and len(value) <= MAX_UNSET else [None]
        good = all(isinstance(path, str) and 0 < len(path) <= MAX_PROPERTY_PATH for path in paths)
    if not good:
        raise bad_request("invalid_profile", f"{name} is no {'list of names' if name == 'unset' else 'object'}.")
    return value


def parse_increment(payload: dict[str, Any]) -> SentEvent:
    """A number to be added to a profile's property; the profile need not exist."""
    return _counter(RawKind.INCREMENT, payload)


def parse_decrement(payload: dict[str, Any]) -> SentEvent:
    """A number to be taken from a profile's property."""
    return _counter(RawKind.DECREMENT, payload)


def _counter(kind: RawKind, payload: dict[str, Any]) -> SentEvent:
    profile_id = _needed_profile_id(payload)
    name = _text(payload, "property", MAX_PROPERTY_PATH)
    value = payload.get("value")
    if value is None:
        value = 1
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MAX_AMOUNT:
        raise bad_request("invalid_value", f"value must be a number above 0 and at most {_MAX_AMOUNT}.")
    return SentEvent(kind, {"property": name, "value": value}, "", profile_id)


def _parse_group(payload: dict[str, Any]) -> SentEvent:
    group = {
        "id": _text(payload, "id", MAX_GROUP_ID),
        "type": _text(payload, "type", MAX_GROUP_TYPE),
        "name": _text(payload, "name", MAX_TRAIT),
        "properties": _properties(payload),
    }
    return SentEvent(RawKind.GROUP, group)


def _parse_assign_group(payload: dict[str, Any]) -> SentEvent:
    groups = _ids(payload.get("groupIds"), "groupIds")
    if payload.get("groupIds") is None:
        raise bad_request("invalid_groups", "groupIds must be given.")
    return SentEvent(RawKind.ASSIGN_GROUP, {"group_ids": groups}, "", _profile_id(payload.get("profileId")))


def _parse_replay(payload: dict[str, Any]) -> SentEvent:
    recorded = payload.get("payload")
    if not isinstance(recorded, str):
        raise _bad_replay("payload must be a text.")
    if len(recorded) > MAX_REPLAY_CHARACTERS:
        raise _bad_replay(f"payload has at most {MAX_REPLAY_CHARACTERS} characters.")
    if not isinstance(payload.get("is_full_snapshot"), bool):
        raise _bad_replay("is_full_snapshot must be true or false.")
    session_id = payload.get("sessionId")
    if session_id is not None and (not isinstance(session_id, str) or len(session_id) > MAX_SESSION_ID):
        raise _bad_replay(f"sessionId must be a text of at most {MAX_SESSION_ID} characters.")
    chunk = {
        # SDKs send without it what they recorded before they were told a session: then it is the sender's present one.
        "session_id": session_id or "",
        "chunk_index": _whole(payload, "chunk_index", 0, _MAX_CHUNK_INDEX),
        "events_count": _whole(payload, "events_count", 1, _MAX_CHUNK_EVENTS),
        "is_full_snapshot": payload["is_full_snapshot"],
        "started_at": _moment(payload, "started_at"),
        "ended_at": _moment(payload, "ended_at"),
        "payload": recorded,
    }
    return SentEvent(RawKind.REPLAY, chunk)


def _bad_replay(message: str) -> Refusal:
    return bad_request("invalid_replay", message)


def _whole(payload: dict[str, Any], name: str, least: int, most: int) -> int:
    value = payload.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _bad_replay(f"{name} must be a whole number from {least} to {most}.")
    return value


def _moment(payload: dict[str, Any], name: str) -> int:
    value = payload.get(name)
    found = parse_iso_ms(value) if isinstance(value, str) else None
    if found is None:
        raise _bad_replay(f"{name} must be a time in ISO 8601.")
    return found


def _inline_person(given: dict[str, Any]) -> dict[str, Any]:
    # An inline identify rides on an event that is worth keeping, so what is wrong in it is left out, what is
    # too long is cut, and nothing is refused.
    properties = given.get("properties")
    person: dict[str, Any] = {"properties": properties if isinstance(properties, dict) else {}}
    for theirs, ours, longest in _PERSON:
        value = given.get(theirs)
        if isinstance(value, str):
            person[ours] = value[:longest]
    return person


def _properties(payload: dict[str, Any]) -> dict[str, Any]:
    properties = payload.get("properties")
    if properties is None:
        return {}
    if not isinstance(properties, dict):
        raise bad_request("invalid_properties", "properties must be an object.")
    return properties


def _text(payload: dict[str, Any], name: str, longest: int) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise bad_request(f"invalid_{name}", f"{name} must be a text of 1 to {longest} characters.")
    return value


def _needed_profile_id(payload: dict[str, Any]) -> str:
    profile_id = _profile_id(payload.get("profileId"))
    if not profile_id:
        raise bad_request("missing_profile_id", "profileId must be given.")
    return profile_id


def _profile_id(value: object) -> str:
    if value is None:
        return ""
    text = id_text(value)
    if not text:
        raise bad_request("invalid_profile_id", "profileId must be a text that is not empty, or a number.")
    if len(text) > MAX_PROFILE_ID:
        raise bad_request("invalid_profile_id", f"profileId has at most {MAX_PROFILE_ID} characters.")
    return text


def _lenient_profile_id(person: dict[str, Any]) -> str:
    text = id_text(person.get("profileId"))
    return text if len(text) <= MAX_PROFILE_ID else ""


def id_text(value: object) -> str:
    """An id that is a text, or a number as JavaScript writes it (12, not 12.0); empty if it is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _ids(value: object, name: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(g, str) and 0 < len(g) <= MAX_GROUP_ID for g in value):
        raise bad_request("invalid_groups", f"{name} must be texts of 1 to {MAX_GROUP_ID} characters.")
    if len(value) > MAX_GROUPS:
        raise bad_request("too_many_groups", f"{name} are at most {MAX_GROUPS}.")
    return value


def given_device_id(value: object) -> str:
    """A device that the sender named, or an empty text if it did not say one that can be taken."""
    if not isinstance(value, str):
        return ""
    text = value.strip()
    return text if len(text) <= MAX_GIVEN_DEVICE_ID else ""


def _check_revenue(name: str, properties: dict[str, Any]) -> None:
    revenue = properties["__revenue"]
    if name != "revenue" or revenue is None:
        return
    if isinstance(revenue, float) and revenue.is_integer():
        # Languages that write 100.0 for a hundred mean a whole number.
        revenue = properties["__revenue"] = int(revenue)
    if isinstance(revenue, bool) or not isinstance(revenue, int) or not 0 <= revenue <= MAX_REVENUE:
        message = f"__revenue must be a whole number of minor units from 0 to {MAX_REVENUE}."
        raise bad_request("invalid_revenue", message)
    if currency_code(properties.get("__currency")) is None:
        raise bad_request("invalid_currency", "__currency must be a code of ISO 4217, like EUR.")


PARSERS: Mapping[str, Parser] = {
    "track": parse_track,
    "identify": parse_identify,
    "increment": parse_increment,
    "decrement": parse_decrement,
    "group": _parse_group,
    "assign_group": _parse_assign_group,
    "replay": _parse_replay,
    "unlink": parse_unlink,
}
"""By the type of the request; ``alias`` is one of the protocol, too, and always refused."""
