"""Google Analytics 4's Measurement Protocol: ``POST /mp/collect?api_secret=…`` with one client's events."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson

from ingest.answers import Answer, Refusal, bad_request, refusal_headers, refusal_json
from ingest.json_body import read_object
from ingest.protocols.ga4_validation import validation_messages
from ingest.protocols.protocol import EventsLater, Protocol, Request, SentEvent, Submission, Verdict
from ingest.protocols.translation import (
    PAGE_VIEW,
    device_of,
    event_name,
    id_text,
    object_of,
    own_properties,
    profile_of,
    revenue_event,
    stated_agent,
    text_of,
)
from schemas.raw_event import RawKind

MAX_EVENTS = 1_000
"""Google takes 25 in a request; its bound on a body is 130 kB. More is taken here, but not without measure."""
ASSUMED_CURRENCY = "USD"
_VIEWS = frozenset({"page_view", "screen_view"})
_PARAMS = (
    ("page_location", "__path"),
    ("page_referrer", "__referrer"),
    ("page_title", "__title"),
    ("language", "__language"),
    ("screen_resolution", "__screen"),
)
"""Parameters of an event with a meaning of their own, and its name."""
_SCREEN = (("firebase_screen", "__path"), ("screen_name", "__path"))
_DEVICE = (
    ("operating_system", "__os"),
    ("operating_system_version", "__osVersion"),
    ("browser", "__browser"),
    ("browser_version", "__browserVersion"),
    ("category", "__device"),
    ("brand", "__brand"),
    ("model", "__model"),
    ("language", "__language"),
    ("screen_resolution", "__screen"),
)


class _Client(NamedTuple):
    """What a request says of the client all its events are of."""

    blank: SentEvent
    properties: dict[str, Any]
    time_ms: int | None


def parse(request: Request) -> Submission:
    """Read one request; see `Protocol.parse`."""
    body = read_object(request.body)
    given = body.get("events")
    if not isinstance(given, list) or not (given or _values(body.get("user_properties"))):
        raise bad_request("missing_events", "The body needs events: an array.")
    if len(given) > MAX_EVENTS:
        raise bad_request("too_many_events", f"At most {MAX_EVENTS} events are taken at once.")
    client = _client(body)
    return Submission(_api_secret(request), "", EventsLater(lambda: _read(body, given, client)), key_suffices=True)


def _read(body: Mapping[str, Any], given: list[Any], client: _Client) -> list[SentEvent | Refusal]:
    events: list[SentEvent | Refusal] = []
    user_properties = _values(body.get("user_properties"))
    if user_properties and client.blank.profile_id:
        payload = {"properties": user_properties}
        events.append(client.blank._replace(kind=RawKind.IDENTIFY, payload=payload, client_ms=client.time_ms))
    elif user_properties:
        client.properties["user_properties"] = user_properties  # of nobody in particular: they stay with the events
    for index, event in enumerate(given):
        try:
            events += _events(object_of(event), client)
        except Refusal as refusal:
            events.append(Refusal(refusal.status, refusal.reason, f"events[{index}]: {refusal.message}"))
    return events


def _api_secret(request: Request) -> str:
    keys = parse_qs(request.query.decode("latin-1")).get("api_secret") if request.query else None
    return keys[0] if keys else ""


def _client(body: Mapping[str, Any]) -> _Client:
    device = object_of(body.get("device"))
    device_id = device_of(body.get("client_id")) or device_of(body.get("app_instance_id"))
    if not device_id:
        raise bad_request("missing_client_id", "The body needs a client_id or an app_instance_id.")
    said: dict[str, Any] = {ours: text for theirs, ours in _DEVICE if (text := id_text(device.get(theirs)))}
    if location := object_of(body.get("user_location")):
        said["user_location"] = location
    blank = SentEvent(
        RawKind.TRACK,
        {},
        profile_id=profile_of(body.get("user_id")),
        device_id=device_id,
        ip=text_of(body.get("ip_override"), 64),
        user_agent=text_of(body.get("user_agent")) or _agent(device) or None,
    )
    return _Client(blank, said, _time(body.get("timestamp_micros")))


def _agent(device: Mapping[str, Any]) -> str:
    os = text_of(device.get("operating_system"), 64)
    if not os:
        return ""
    version, brand, model = (id_text(device.get(key))[:100] for key in ("operating_system_version", "brand", "model"))
    return stated_agent("", os, version, brand, model)


def _events(given: Mapping[str, Any], client: _Client) -> list[SentEvent]:
    name = event_name(given.get("name"))
    params = own_properties(given.get("params"))
    properties = dict(client.properties)
    for theirs, ours in (*_PARAMS, *(_SCREEN if name == "screen_view" else ())):
        value = params.pop(theirs, None)
        if isinstance(value, str) and value:
            properties[ours] = value
    properties.update(params)
    payload = {"name": PAGE_VIEW if name in _VIEWS else name, "properties": properties, "groups": []}
    transaction = id_text(params.get("transaction_id")) if name == "purchase" else ""
    event = client.blank._replace(
        payload=payload,
        # The same purchase told twice is one, as it is there; nothing else has an id in this protocol.
        event_id=f"purchase:{transaction}" if transaction else "",
        client_ms=_time(given.get("timestamp_micros")) or client.time_ms,
    )
    money = None
    if name == "purchase":
        money = revenue_event(event, params.get("value"), params.get("currency"), ASSUMED_CURRENCY)
    return [event] if money is None else [event, money]


def _values(user_properties: object) -> dict[str, Any]:
    # {"plan": {"value": "pro"}}
    found = {key: object_of(entry).get("value") for key, entry in object_of(user_properties).items()}
    return {key: value for key, value in found.items() if value is not None}


def _time(micros: object) -> int | None:
    text = id_text(micros)
    return int(text) // 1000 if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _accepted(_: Request, verdicts: Sequence[Verdict]) -> Answer:
    refused = [verdict for verdict in verdicts if isinstance(verdict, Refusal)]
    if not refused or len(refused) < len(verdicts):
        return Answer(204, b"")
    answer = refusal_json(refused[0])
    return Answer(answer.status, answer.body, headers=tuple(refusal_headers(refused[0])))


def _validate(request: Request) -> Answer:
    return Answer(200, orjson.dumps({"validationMessages": validation_messages(read_object(request.body))}))


COLLECT = Protocol("ga4", parse, _accepted, refusal_json, partial=True)
DEBUG = Protocol("ga4", _validate, _accepted, refusal_json)

ROUTES: Mapping[str, Protocol] = {
    "/mp/collect": COLLECT,
    "/ga4/mp/collect": COLLECT,
    "/debug/mp/collect": DEBUG,
    "/ga4/debug/mp/collect": DEBUG,
}
