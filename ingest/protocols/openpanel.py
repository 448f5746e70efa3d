"""The OpenPanel protocol: ``POST /track`` with ``{"type": …, "payload": …}``, spoken by the official SDKs."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from ingest.answers import TEXT, Answer, Refusal, bad_request, refusal_json
from ingest.json_body import read_object
from ingest.limits import MAX_GIVEN_DEVICE_ID, MAX_GROUP_ID, MAX_PROFILE_ID
from ingest.protocols.event_names import check_name
from ingest.protocols.protocol import Protocol, Request, SentEvent, Settled, Submission, Verdict
from schemas.event_time import parse_iso_ms
from schemas.money import MAX_REVENUE, currency_code
from schemas.raw_event import MAX_AVATAR, MAX_GROUPS, MAX_TRAIT, RawKind

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+")
_PERSON = (
    ("firstName", "first_name", MAX_TRAIT),
    ("lastName", "last_name", MAX_TRAIT),
    ("email", "email", MAX_TRAIT),
    ("avatar", "avatar", MAX_AVATAR),
)
"""Their name, our name, and how many characters it may have."""
_CREDENTIALS = (
    (b"openpanel-client-id", b"openpanel-client-secret"),
    (b"mixan-client-id", b"mixan-client-secret"),
)
_LATER = frozenset({"increment", "decrement", "group", "assign_group", "replay"})
"""Types of the protocol that this gateway does not take yet."""

Parsed = tuple[list[SentEvent], bool]


def parse(request: Request) -> Submission:
    """Read one request; see `Protocol.parse`."""
    body = read_object(request.body)
    kind = body.get("type")
    if kind is None:
        raise bad_request("missing_type", "The body needs a type.")
    parser = _PARSERS.get(kind) if isinstance(kind, str) else None
    if parser is None:
        raise _type_refusal(kind)
    payload = body.get("payload")
    if not isinstance(payload, dict):
        raise bad_request("missing_payload", "The body needs a payload: an object.")
    events, needs_secret = parser(payload)
    client_id, client_secret = _credentials(body, request.headers)
    return Submission(client_id, client_secret, events, needs_secret)


def _type_refusal(kind: object) -> Refusal:
    if kind == "alias":
        return bad_request("alias_not_supported", "Alias is not supported")
    if isinstance(kind, str) and kind in _LATER:
        return bad_request("type_not_supported_yet", f"Requests of type {kind} are not supported yet.")
    return bad_request("unknown_type", "There is no such type of request.")


def _credentials(body: dict[str, Any], headers: Mapping[bytes, bytes]) -> tuple[str, str]:
    # Tag managers that can't set headers put them into the body; ``mixan`` is the product's old name.
    for id_name, secret_name in _CREDENTIALS:
        client_id = headers.get(id_name)
        if client_id:
            secret = headers.get(secret_name, b"")
            return client_id.decode("latin-1"), secret.decode("latin-1")
    given, given_secret = body.get("clientId"), body.get("clientSecret")
    return given if isinstance(given, str) else "", given_secret if isinstance(given_secret, str) else ""


def _parse_track(payload: dict[str, Any]) -> Parsed:
    name = check_name(payload.get("name"))
    properties = _properties(payload)
    needs_secret = _check_revenue(name, properties)
    groups = _groups(payload.get("groups"))
    profile_id = _profile_id(payload.get("profileId"))
    client_ms, ip, device_id = None, "", ""
    inline: dict[str, Any] | None = None
    if properties:
        timestamp = properties.pop("__timestamp", None)
        if isinstance(timestamp, str):
            client_ms = parse_iso_ms(timestamp)
        # The address itself is not kept among the properties: it is shortened once it was looked up.
        given_ip = properties.pop("__ip", None)
        ip = given_ip if isinstance(given_ip, str) else ""
        device_id = _given_device_id(properties.get("__deviceId"))
        person = properties.get("__identify")
        if isinstance(person, dict):
            profile_id = _lenient_profile_id(person) or profile_id
            inline = person if len(person) > 1 and profile_id else None
    track = {"name": name, "properties": properties, "groups": groups}
    events = [SentEvent(RawKind.TRACK, track, "", profile_id, device_id, ip, client_ms)]
    if inline is not None:
        events.append(SentEvent(RawKind.IDENTIFY, _inline_person(inline), "", profile_id, device_id, ip, client_ms))
    return events, needs_secret


def _parse_identify(payload: dict[str, Any]) -> Parsed:
    profile_id = _profile_id(payload.get("profileId"))
    if not profile_id:
        raise bad_request("missing_profile_id", "An identify needs a profileId.")
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
    if person.get("email") and not _EMAIL.fullmatch(person["email"]):
        raise bad_request("invalid_profile", "email is not an e-mail address.")
    if person.get("avatar") and not _URL.fullmatch(person["avatar"]):
        raise bad_request("invalid_profile", "avatar is not a URL.")
    return [SentEvent(RawKind.IDENTIFY, person, "", profile_id)], False


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


def _profile_id(value: object) -> str:
    if value is None:
        return ""
    text = _id_text(value)
    if not text:
        raise bad_request("invalid_profile_id", "profileId must be a text that is not empty, or a number.")
    if len(text) > MAX_PROFILE_ID:
        raise bad_request("invalid_profile_id", f"profileId has at most {MAX_PROFILE_ID} characters.")
    return text


def _lenient_profile_id(person: dict[str, Any]) -> str:
    text = _id_text(person.get("profileId"))
    return text if len(text) <= MAX_PROFILE_ID else ""


def _id_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    # As JavaScript writes it: 12, not 12.0.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _groups(value: object) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(g, str) and 0 < len(g) <= MAX_GROUP_ID for g in value):
        raise bad_request("invalid_groups", f"groups must be texts of 1 to {MAX_GROUP_ID} characters.")
    if len(value) > MAX_GROUPS:
        raise bad_request("too_many_groups", f"An event has at most {MAX_GROUPS} groups.")
    return value


def _given_device_id(value: object) -> str:
    if not isinstance(value, str):
        return ""
    text = value.strip()
    return text if len(text) <= MAX_GIVEN_DEVICE_ID else ""


def _check_revenue(name: str, properties: dict[str, Any]) -> bool:
    revenue = properties.get("__revenue")
    if revenue is None:
        return False
    if name == "revenue":
        if isinstance(revenue, bool) or not isinstance(revenue, int) or not 0 <= revenue <= MAX_REVENUE:
            message = f"__revenue must be a whole number of minor units from 0 to {MAX_REVENUE}."
            raise bad_request("invalid_revenue", message)
        if currency_code(properties.get("__currency")) is None:
            raise bad_request("invalid_currency", "__currency must be a code of ISO 4217, like EUR.")
    return True


def _accepted(_: Request, verdicts: Sequence[Verdict]) -> Answer:
    last = verdicts[-1]
    if isinstance(last, Settled):
        return Answer(200, orjson.dumps({"deviceId": last.device_id, "sessionId": last.session_id}))
    return refused(last)


def refused(refusal: Refusal) -> Answer:
    """The SDKs take 401 as final and expect OpenPanel's plain words with it."""
    if refusal.status == 401:
        return Answer(401, f"Ingestion: {refusal.message}".encode(), TEXT)
    return refusal_json(refusal)


_PARSERS: dict[str, Callable[[dict[str, Any]], Parsed]] = {"track": _parse_track, "identify": _parse_identify}

TRACK = Protocol("openpanel", parse, _accepted, refused)

ROUTES: Mapping[str, Protocol] = {"/track": TRACK, "/openpanel/track": TRACK}
