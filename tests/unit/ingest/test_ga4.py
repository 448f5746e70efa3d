"""What requests of GA4's Measurement Protocol mean."""

from typing import Any

import orjson
import pytest

from ingest.answers import Answer, Refusal
from ingest.protocols.ga4 import MAX_EVENTS, ROUTES
from ingest.protocols.protocol import SentEvent, Settled, Submission
from schemas.raw_event import RawKind
from tests.unit.ingest.requests import request, submission

KEY = "5a1b2c3d-0000-4000-8000-000000000001"
COLLECT = ROUTES["/mp/collect"]
DEBUG = ROUTES["/ga4/debug/mp/collect"]


def read(body: dict[str, Any]) -> list[SentEvent]:
    found = submission(COLLECT, orjson.dumps({"client_id": "123.456", **body})).events
    sent = [event for event in found if isinstance(event, SentEvent)]
    assert len(sent) == len(found)
    return sent


def only(body: dict[str, Any]) -> SentEvent:
    (event,) = read(body)
    return event


def test_an_event_keeps_its_parameters() -> None:
    params = {"session_id": "77", "engagement_time_msec": 100, "items": [{"item_id": "a"}]}
    event = only({"user_id": "ann", "events": [{"name": "sign_up", "params": params}]})
    assert event == SentEvent(
        RawKind.TRACK,
        {"name": "sign_up", "properties": params, "groups": []},
        profile_id="ann",
        device_id="123.456",
    )


def test_page_views() -> None:
    params = {
        "page_location": "https://shop.example/a?utm_source=x",
        "page_referrer": "https://b.example/",
        "page_title": "A",
        "language": "de",
        "screen_resolution": "390x844",
        "screen_name": "kept",
    }
    event = only({"events": [{"name": "page_view", "params": params}]})
    assert event.payload["name"] == "screen_view"
    assert event.payload["properties"] == {
        "__path": params["page_location"],
        "__referrer": "https://b.example/",
        "__title": "A",
        "__language": "de",
        "__screen": "390x844",
        "screen_name": "kept",
    }
    screen = only({"events": [{"name": "screen_view", "params": {"firebase_screen": "Cart"}}]})
    assert screen.payload == {"name": "screen_view", "properties": {"__path": "Cart"}, "groups": []}


def test_a_purchase_and_its_revenue_are_known_by_the_transaction() -> None:
    params = {"value": 12.5, "currency": "EUR", "transaction_id": "T1", "page_location": "https://a.example/"}
    order, money = read({"events": [{"name": "purchase", "params": params}]})
    assert (order.event_id, money.event_id) == ("purchase:T1", "purchase:T1:revenue")
    assert order.payload["properties"]["value"] == 12.5
    assert money.payload["properties"] == {
        "__path": "https://a.example/",
        "event": "purchase",
        "__revenue": 1250,
        "__currency": "EUR",
    }
    assert len(read({"events": [{"name": "purchase", "params": {"value": "x"}}]})) == 1
    assert len(read({"events": [{"name": "add_to_cart", "params": {"value": 3, "currency": "EUR"}}]})) == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"timestamp_micros": 1_772_359_200_250_999}, 1_772_359_200_250),
        ({"timestamp_micros": "1772359200250999"}, 1_772_359_200_250),
        ({"timestamp_micros": -1}, None),
        ({"timestamp_micros": "9" * 40}, None),
        ({}, None),
    ],
)
def test_times(body: dict[str, Any], expected: int | None) -> None:
    assert only({**body, "events": [{"name": "a"}]}).client_ms == expected
    own = {"name": "a", "timestamp_micros": 1_772_359_200_000_000}
    assert only({**body, "events": [own]}).client_ms == 1_772_359_200_000


def test_user_properties_belong_to_the_person_or_stay_with_the_events() -> None:
    body = {"user_properties": {"plan": {"value": "pro"}, "x": 3}, "events": [{"name": "a"}]}
    person, event = read({**body, "user_id": 7})
    assert (person.kind, person.profile_id, person.payload) == (RawKind.IDENTIFY, "7", {"properties": {"plan": "pro"}})
    assert event.payload["properties"] == {}
    assert only(body).payload["properties"] == {"user_properties": {"plan": "pro"}}


def test_a_device_and_an_address() -> None:
    device = {"operating_system": "Android", "operating_system_version": 14, "brand": "Google", "model": "Pixel 8"}
    body = {
        "client_id": None,
        "app_instance_id": "f" * 32,
        "device": device,
        "user_location": {"city": "Ulm"},
        "ip_override": "81.2.69.142",
        "events": [{"name": "a"}],
    }
    event = only(body)
    assert (event.device_id, event.ip) == ("f" * 32, "81.2.69.142")
    assert event.user_agent == "App/1.0 (Android 14; Model=Pixel 8; Manufacturer=Google)"
    assert event.payload["properties"] == {
        "__os": "Android",
        "__osVersion": "14",
        "__brand": "Google",
        "__model": "Pixel 8",
        "user_location": {"city": "Ulm"},
    }
    assert only({**body, "user_agent": "Mozilla/5.0 (X11)"}).user_agent == "Mozilla/5.0 (X11)"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "missing_events"),
        ({"events": {}}, "missing_events"),
        ({"events": [], "client_id": "a"}, "missing_events"),
        ({"events": [{}] * (MAX_EVENTS + 1)}, "too_many_events"),
        ({"events": [{"name": "a"}]}, "missing_client_id"),
        ({"events": [{"name": "a"}], "client_id": "a", "user_id": "x" * 257}, "invalid_profile_id"),
    ],
)
def test_requests_that_are_refused(body: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        COLLECT.parse(request(orjson.dumps(body)))
    assert (refused.value.status, refused.value.reason) == (400, reason)


def test_a_bad_event_costs_only_itself() -> None:
    body = {"client_id": "a", "events": [{"name": "session_start"}, 7, {"name": "a"}]}
    parsed = submission(COLLECT, orjson.dumps(body), query=b"measurement_id=G-1&api_secret=" + KEY.encode())
    assert (parsed.client_id, parsed.key_suffices) == (KEY, True)
    reserved, unnamed, event = parsed.events
    assert [r.reason for r in (reserved, unnamed) if isinstance(r, Refusal)] == ["name_reserved", "missing_name"]
    taken = Settled("e", "d", "s")
    bad = Refusal(400, "event_too_old", "Too old.")
    assert COLLECT.accepted(request(), [taken, bad]) == Answer(204, b"")
    answer = COLLECT.accepted(request(), [bad])
    assert (answer.status, dict(answer.headers)) == (400, {b"x-weir-reason": b"event_too_old"})
    assert isinstance(event, SentEvent)


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ({"client_id": "a", "events": [{"name": "ok", "params": {"a": "b"}}]}, []),
        ({"events": []}, ["VALUE_REQUIRED", "VALUE_REQUIRED"]),
        ({"client_id": "a", "events": [{"name": "_bad"}, {"name": "session_start"}, {}, 3]}, None),
        ({"client_id": "a", "events": [{"name": "a"}] * 26}, ["EXCEEDED_MAX_ENTITIES"]),
        ({"client_id": "a", "events": [{"name": "a" * 41}]}, ["NAME_INVALID"]),
        (
            {
                "client_id": "a",
                "events": [{"name": "a", "params": {"1": 1, "b": "x" * 101, "page_location": "x" * 300}}],
            },
            ["NAME_INVALID", "VALUE_OUT_OF_BOUNDS"],
        ),
        ({"client_id": "a", "events": [{"name": "a"}], "user_properties": {"x" * 25: {}}}, ["NAME_INVALID"]),
        ({"client_id": "a", "events": [7] * 500}, ["EXCEEDED_MAX_ENTITIES", *["VALUE_REQUIRED"] * 99]),
    ],
)
def test_validation(body: dict[str, Any], codes: list[str] | None) -> None:
    answer = DEBUG.parse(request(orjson.dumps(body)))
    assert isinstance(answer, Answer)
    assert not isinstance(answer, Submission)
    found = orjson.loads(answer.body)["validationMessages"]
    if codes is None:
        codes = ["NAME_INVALID", "NAME_RESERVED", "VALUE_REQUIRED", "VALUE_REQUIRED"]
    assert [message["validationCode"] for message in found] == codes
    assert all(message["fieldPath"] and message["description"] for message in found)
