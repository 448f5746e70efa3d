"""Whatever is sent to Segment's, RudderStack's and GA4's routes is refused, or becomes raw events that workers read."""

import json
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.answers import Answer, Refusal
from ingest.protocols.ga4 import ROUTES as GA4
from ingest.protocols.protocol import Protocol, Request, SentEvent, Submission
from ingest.protocols.segment import ROUTES as SEGMENT
from schemas.raw_event import (
    AliasPayload,
    AssignGroupPayload,
    GroupPayload,
    IdentifyPayload,
    RawEvent,
    RawKind,
    TrackPayload,
)
from streams.enrich.revenue import parse_revenue
from tests.unit.ingest.requests import request

ROUTES = {**SEGMENT, **GA4}
PAYLOADS: dict[RawKind, Any] = {
    RawKind.TRACK: TrackPayload,
    RawKind.IDENTIFY: IdentifyPayload,
    RawKind.ALIAS: AliasPayload,
    RawKind.GROUP: GroupPayload,
    RawKind.ASSIGN_GROUP: AssignGroupPayload,
}
WORDS = [
    *("track", "page", "screen", "identify", "group", "alias"),
    *("purchase", "page_view", "screen_view", "revenue", "session_start"),
    *("EUR", "JPY", "29.99", "2026-03-01T10:00:00Z", "0001-01-01", "9999-12-31T23:59:59Z"),
    *("https://a.example/?utm_source=x#y", "/path", "81.2.69.142"),
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([*WORDS, "Order Completed", "x" * 300, "y" * 5_000])
)
ANY = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner))


def shaped(names: str, inner: st.SearchStrategy[Any] = ANY) -> st.SearchStrategy[Any]:
    """Objects with some of these names; or, now and then, anything."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names.split(), inner)) | ANY


PROPERTIES = shaped(
    "url path search referrer title revenue total value currency transaction_id page_location screen_name a.b"
    " __revenue __currency __path __deviceId"
)
PARTS = shaped("name version url source width height model manufacturer type value")
CONTEXT = shaped("page campaign library os device app screen referrer traits locale ip userAgent groupId", PARTS)
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(WORDS), "event": SCALARS, "userId": SCALARS, "groupId": SCALARS, "previousId": SCALARS},
    optional={
        **dict.fromkeys(("name", "messageId", "anonymousId", "timestamp", "sentAt", "writeKey"), SCALARS),
        "context": CONTEXT,
        "properties": PROPERTIES,
        "traits": shaped("firstName email avatar name type"),
    },
)
BATCHES = st.fixed_dictionaries(
    {"batch": st.lists(MESSAGES | ANY, max_size=3) | ANY}, optional={"context": CONTEXT, "sentAt": SCALARS}
)
HITS = st.fixed_dictionaries(
    {
        "client_id": SCALARS,
        "events": st.lists(st.fixed_dictionaries({"name": SCALARS, "params": PROPERTIES}) | ANY, max_size=3) | ANY,
    },
    optional={
        **dict.fromkeys(("user_id", "timestamp_micros", "ip_override", "user_agent", "user_location"), ANY),
        "device": shaped("operating_system operating_system_version model brand category"),
        "user_properties": st.dictionaries(st.text(max_size=4), PARTS, max_size=3) | ANY,
    },
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Protocol, Request]:
    """A route, and a body that has something of what the route expects."""
    path = draw(st.sampled_from(sorted(ROUTES)))
    fitting = HITS if path in GA4 else BATCHES if path.rpartition("/")[2] in ("batch", "b", "import") else MESSAGES
    # With NaN and halves of surrogate pairs, as browsers send them.
    body = json.dumps(draw(fitting | ANY)).encode("utf-8", "surrogatepass")
    headers = draw(st.dictionaries(st.just(b"authorization"), st.binary().map(b"Basic ".__add__)))
    asked = request(body, headers, path=path, query=draw(st.binary(max_size=40)), method=ROUTES[path].methods[0])
    return ROUTES[path], asked


def check(protocol: Protocol, asked: Request) -> None:
    """Refused, answered, or raw events."""
    parsed = _outcome(protocol, asked)
    if isinstance(parsed, Refusal):
        assert 400 <= parsed.status < 500
        assert protocol.refused(parsed).status == parsed.status
    if not isinstance(parsed, Submission):
        return
    for event in parsed.events:
        if isinstance(event, SentEvent):
            _check_event(event)


def _outcome(protocol: Protocol, asked: Request) -> Submission | Answer | Refusal:
    try:
        return protocol.parse(asked)
    except Refusal as refusal:
        return refusal


def _check_event(event: SentEvent) -> None:
    if event.also is not None:
        _check_event(event.also)
    PAYLOADS[event.kind].model_validate(event.payload)
    raw = {
        "kind": event.kind.value,
        "project_id": "p",
        "profile_id": event.profile_id,
        "device_id": event.device_id,
        "sdk_name": event.sdk_name,
        "sdk_version": event.sdk_version,
        "ip": event.ip,
        "payload": event.payload,
    }
    RawEvent.model_validate_json(orjson.dumps(raw))
    assert event.profile_id or event.kind in (RawKind.TRACK, RawKind.GROUP, RawKind.ASSIGN_GROUP)
    if event.kind is RawKind.TRACK:
        assert event.payload["name"] not in ("", "session_start", "session_end")
        assert not parse_revenue(event.payload["properties"]).refused


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_every_route_refuses_what_is_no_json(path: str) -> None:
    for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"batch":' + b"[" * 5_000):
        check(ROUTES[path], request(body, path=path, method=ROUTES[path].methods[0]))


@given(requests())
def test_any_request_is_refused_or_becomes_raw_events(asked: tuple[Protocol, Request]) -> None:
    check(*asked)


FIELDS = ("event", "properties.a.b", "properties.a", "context.page.url", "userId")


@given(st.dictionaries(st.sampled_from(FIELDS), st.text()))
def test_any_pixel(fields: dict[str, str]) -> None:
    query = "&".join(f"{key}={quote(value, errors='replace')}" for key, value in fields.items()).encode()
    for kind in ("track", "page"):
        check(ROUTES[f"/pixel/v1/{kind}"], request(query=query, method="GET"))
