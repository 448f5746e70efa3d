"""What Umami requests mean."""

from typing import Any

import orjson
import pytest

from ingest.answers import Answer, Refusal
from ingest.protocols.protocol import SentEvent, Settled
from ingest.protocols.umami import BATCH, HEARTBEAT, ROUTES, SEND
from schemas.bots import Bot
from schemas.raw_event import RawKind
from tests.unit.ingest.requests import events_of, request, submission

SITE = "5c5a2f6e-0d3f-4f7e-9d5c-111111111111"
SETTLED = Settled("e", "d-1", "s-1")


def body(type_: str = "event", **payload: Any) -> dict[str, Any]:
    return {"type": type_, "payload": {"website": SITE, **payload}}


def sent(type_: str = "event", **payload: Any) -> SentEvent:
    (event,) = events_of(SEND, orjson.dumps(body(type_, **payload)))
    return event


def test_a_page_view_is_a_screen_view_in_our_words() -> None:
    event = sent(
        hostname="shop.example",
        url="/a?b=1#c",
        referrer="https://search.example/",
        title="A",
        language="de",
        screen="1920x1080",
        tag="blue",
    )
    assert event.payload == {
        "name": "screen_view",
        "properties": {
            "__path": "https://shop.example/a?b=1#c",
            "__referrer": "https://search.example/",
            "__title": "A",
            "__language": "de",
            "__screen": "1920x1080",
            "tag": "blue",
        },
        "groups": [],
    }
    assert event.sdk_name == "umami"


@pytest.mark.parametrize(
    ("hostname", "url", "expected"),
    [
        ("a.example", "/b", "https://a.example/b"),
        ("a.example", "b", "https://a.example/b"),
        ("a.example", "http://c.example/b", "http://c.example/b"),
        ("", "/b", "/b"),
        ("a.example", "", None),
        (5, {}, None),
    ],
)
def test_the_address_of_a_page(hostname: Any, url: Any, expected: str | None) -> None:
    assert sent(hostname=hostname, url=url).payload["properties"].get("__path") == expected


def test_a_page_of_the_same_site_is_no_referrer() -> None:
    assert "__referrer" not in sent(url="/a", referrer="/b").payload["properties"]


def test_an_event_has_its_data_as_properties() -> None:
    event = sent(name="signed up", data={"plan": "pro", "__deviceId": "x"}, id="ann", timestamp=1_763_723_940.5)
    assert event.payload["name"] == "signed up"
    assert event.payload["properties"] == {"plan": "pro"}
    assert (event.profile_id, event.client_ms) == ("ann", 1_763_723_940_500)


def test_a_server_may_say_whose_browser_it_was() -> None:
    event = sent(url="/a", ip="81.2.69.142", userAgent="Mozilla/5.0 (X11)", browser="firefox", os="Linux")
    assert (event.ip, event.user_agent) == ("81.2.69.142", "Mozilla/5.0 (X11)")
    assert event.payload["properties"] == {"__path": "/a", "__browser": "firefox", "__os": "Linux"}


def test_revenue_is_an_event_beside_the_sale() -> None:
    event = sent(name="sale", url="/pay", data={"revenue": 19.99, "currency": "eur"})
    assert event.payload["properties"] == {"__path": "/pay", "revenue": 19.99, "currency": "eur"}
    assert event.also is not None
    assert event.also.payload["name"] == "revenue"
    assert event.also.payload["properties"] == {
        "__path": "/pay",
        "event": "sale",
        "__revenue": 1999,
        "__currency": "EUR",
    }
    assert sent(name="sale", data={"revenue": "much", "currency": "EUR"}).also is None
    assert sent(name="sale", data={"revenue": 1, "currency": "gold"}).also is None


def test_identify_with_an_id_is_a_person() -> None:
    event = sent("identify", id="ann", data={"plan": "pro"})
    assert (event.kind, event.profile_id, event.payload) == (RawKind.IDENTIFY, "ann", {"properties": {"plan": "pro"}})


def test_identify_without_an_id_is_an_event_of_the_visit() -> None:
    event = sent("identify", data={"plan": "pro"})
    assert (event.kind, event.payload["name"]) == (RawKind.TRACK, "identify")
    assert event.payload["properties"] == {"plan": "pro"}


def test_measures_are_an_event() -> None:
    event = sent("performance", url="/a", lcp=1200.5, cls=0.1, inp="x", duration=812)
    assert event.payload["name"] == "performance"
    assert event.payload["properties"] == {"__path": "/a", "lcp": 1200.5, "cls": 0.1, "duration": 812}
    engaged = sent("engagement", url="/a", engagement=12_000)
    assert engaged.payload == {
        "name": "engagement",
        "properties": {"__path": "/a", "engagement_time": 12_000},
        "groups": [],
    }


def test_an_error_is_an_event_with_an_id_of_its_own() -> None:
    event = sent(
        "error",
        version=1,
        eventId="0193f6a0-0000-4000-8000-0000000000aa",
        timestamp=1_763_723_940_500,
        name="TypeError",
        message="x is not a function",
        stack="at a.js:1",
        handled=False,
        url="/cart",
        environment="production",
        release="",
        tags={"shop": "de"},
        screen="800x600",
        id="ann",
    )
    assert event.payload["name"] == "error"
    assert event.payload["properties"] == {
        "__path": "/cart",
        "__screen": "800x600",
        "name": "TypeError",
        "message": "x is not a function",
        "stack": "at a.js:1",
        "handled": False,
        "environment": "production",
        "tags": {"shop": "de"},
    }
    assert (event.event_id, event.client_ms) == ("0193f6a0-0000-4000-8000-0000000000aa", 1_763_723_940_500)
    assert (event.profile_id, event.also) == ("ann", None)


@pytest.mark.parametrize(
    ("stated", "milliseconds"),
    [
        (1_763_723_940, 1_763_723_940_000),
        ("1763723940", 1_763_723_940_000),
        ("soon", None),
        (True, None),
        (1e300, None),
    ],
)
def test_times_are_seconds(stated: Any, milliseconds: int | None) -> None:
    assert sent(url="/a", timestamp=stated).client_ms == milliseconds


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "missing_payload"),
        ({"type": "event", "payload": []}, "missing_payload"),
        (body("record"), "unknown_type"),
        (body("engagement"), "invalid_engagement"),
        (body("engagement", engagement=True), "invalid_engagement"),
        (body("event", data=[1]), "invalid_data"),
        (body("event", name=5), "missing_name"),
        (body("event", name="session_end"), "name_reserved"),
        (body("event", id="x" * 300), "invalid_profile_id"),
    ],
)
def test_what_is_refused_and_why(given: dict[str, Any], reason: str) -> None:
    try:
        (refused,) = submission(SEND, orjson.dumps(given)).events
    except Refusal as at_once:
        refused = at_once
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.reason) == (400, reason)


def test_the_website_is_the_key() -> None:
    taken = submission(SEND, orjson.dumps(body(url="/a")))
    assert (taken.client_id, taken.key_suffices) == (SITE, True)


def test_answers_of_send() -> None:
    told = orjson.loads(SEND.accepted(request(), [SETTLED]).body)
    assert told == {"cache": "d-1.s-1", "sessionId": "d-1", "visitId": "s-1"}
    assert SEND.dropped(Bot("Crawler", "crawler")) == Answer(200, b'{"beep":"boop"}')
    for status, reason, expected in (
        (401, "unknown_client", 400),
        (401, "filtered_ip", 403),
        (400, "x", 400),
        (503, "x", 503),
    ):
        refused = SEND.refused(Refusal(status, reason, "No."))
        error = orjson.loads(refused.body)["error"]
        assert (refused.status, error["status"], error["message"]) == (expected, expected, "No.")


def test_a_batch_has_a_verdict_for_each() -> None:
    other = {"type": "event", "payload": {"website": "another", "url": "/"}}
    given = [body(url="/a"), 5, other, body("event", name="session_end")]
    taken = submission(BATCH, orjson.dumps(given))
    assert taken.client_id == SITE
    first, *bad = taken.events
    assert isinstance(first, SentEvent)
    refusals = [event for event in bad if isinstance(event, Refusal)]
    assert [refusal.reason for refusal in refusals] == ["not_an_object", "another_website", "name_reserved"]
    told = orjson.loads(BATCH.accepted(request(), [SETTLED, *refusals]).body)
    assert (told["size"], told["processed"], told["errors"], told["cache"]) == (4, 1, 3, "d-1.s-1")
    assert [detail["index"] for detail in told["details"]] == [1, 2, 3]
    assert told["details"][0]["response"]["error"]["code"] == "bad-request"


@pytest.mark.parametrize("given", [b"{}", b"[]", b"5", b"[" + b"0," * 2_000 + b"0]"])
def test_a_batch_is_an_array(given: bytes) -> None:
    with pytest.raises(Refusal):
        submission(BATCH, given)


def test_the_heart_beats() -> None:
    assert HEARTBEAT.parse(request(method="GET")) == Answer(200, b'{"ok":true}')
    assert ROUTES["/umami/api/heartbeat"] is HEARTBEAT
