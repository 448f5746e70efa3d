"""What Segment's and RudderStack's messages mean."""

from typing import Any

import orjson
import pytest

from ingest.answers import Refusal
from ingest.protocols.protocol import SentEvent
from ingest.protocols.segment import MAX_MESSAGES, ROUTES
from schemas.raw_event import RawKind
from tests.unit.ingest.requests import events_of, request

IDS = {"messageId": "m1", "anonymousId": "anon-1", "userId": "ann"}
TIMES = {"timestamp": "2026-03-01T10:00:00.000Z", "sentAt": "2026-03-01T10:00:05.000Z"}
AT, SENT = 1_772_359_200_000, 1_772_359_205_000

PAGE = {
    "url": "https://shop.example/a?b=1#c",
    "path": "/a",
    "search": "?b=1",
    "referrer": "https://search.example/",
    "title": "A",
}
CAMPAIGN = {"name": "spring & summer", "source": "news", "medium": "email", "term": "t", "content": "c"}


def events(kind: str, message: dict[str, Any], prefix: str = "") -> list[SentEvent]:
    return events_of(ROUTES[f"{prefix}/v1/{kind}"], orjson.dumps(message))


def only(kind: str, message: dict[str, Any]) -> SentEvent:
    (event,) = events(kind, message)
    return event


def track(**context: Any) -> dict[str, Any]:
    return only("track", {**IDS, "event": "Clicked", "context": context}).payload["properties"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", ["/v1/track", "/v1/t", "/segment/v1/t", "/rudderstack/v1/track"])
def test_a_track(path: str) -> None:
    message = {**IDS, **TIMES, "event": "Clicked", "properties": {"button": "buy"}, "integrations": {"All": True}}
    (event,) = events_of(ROUTES[path], orjson.dumps(message))
    assert event == SentEvent(
        RawKind.TRACK,
        {"name": "Clicked", "properties": {"button": "buy"}, "groups": []},
        event_id="m1",
        profile_id="ann",
        device_id="anon-1",
        client_ms=AT,
        sent_ms=SENT,
    )


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"page": PAGE}, {"__path": PAGE["url"], "__referrer": PAGE["referrer"], "__title": "A"}),
        ({"page": {"path": "/a", "search": "?b=1", "referrer": "$direct"}}, {"__path": "/a?b=1"}),
        (
            {"page": {"url": "https://a.example/#x"}, "campaign": CAMPAIGN},
            {
                "__path": "https://a.example/?utm_source=news&utm_medium=email&utm_campaign=spring+%26+summer"
                "&utm_term=t&utm_content=c#x"
            },
        ),
        (
            {"page": {"url": "https://a.example/?utm_source=ad"}, "campaign": CAMPAIGN},
            {"__path": "https://a.example/?utm_source=ad"},
        ),
        ({"campaign": CAMPAIGN}, {"campaign": CAMPAIGN}),
        ({"referrer": {"url": "https://b.example/", "type": "ad"}}, {"__referrer": "https://b.example/"}),
        (
            {"locale": "de-DE", "timezone": "Europe/Berlin"},
            {"__language": "de-DE", "context": {"timezone": "Europe/Berlin"}},
        ),
        ({"screen": {"width": 390, "height": 844, "density": 3}}, {"__screen": "390x844"}),
        ({"os": {"name": "iOS", "version": "17.2"}}, {"__os": "iOS", "__osVersion": "17.2"}),
        (
            {
                "device": {
                    "id": "secret",
                    "advertisingId": "x",
                    "manufacturer": "Apple",
                    "model": "iPhone15,2",
                    "type": "ios",
                }
            },
            {"__brand": "Apple", "__model": "iPhone15,2", "context": {"device": {"type": "ios"}}},
        ),
        (
            {"traits": {"email": "a@b.c"}, "groupId": "g", "userAgent": "x", "ip": "1.2.3.4", "library": {"name": "l"}},
            {},
        ),
        ({"app": {"name": "Shop", "build": 3}}, {"context": {"app": {"name": "Shop", "build": 3}}}),
        (dict.fromkeys(("page", "campaign", "os", "device", "screen", "referrer", "library", "locale"), 7), {}),
    ],
)
def test_a_context(context: dict[str, Any], expected: dict[str, Any]) -> None:
    assert track(**context) == expected


def test_a_context_names_group_library_address_and_user_agent() -> None:
    context = {
        "groupId": 12,
        "ip": "81.2.69.142",
        "userAgent": "Mozilla/5.0 (X11) Firefox/130",
        "library": {"name": "x" * 99, "version": "1"},
    }
    event = only("track", {**IDS, "event": "a", "context": context})
    assert event.payload["groups"] == ["12"]
    assert (event.ip, event.user_agent) == ("81.2.69.142", context["userAgent"])
    assert (event.sdk_name, event.sdk_version) == ("x" * 64, "1")
    # Beside a server's own address it would make one device of all its visitors with the same browser.
    event = only("track", {"userId": "ann", "event": "a", "context": {"userAgent": context["userAgent"]}})
    assert event.user_agent is None


def test_an_app_that_sends_no_user_agent_describes_its_device() -> None:
    context = {
        "app": {"name": "My Shop"},
        "os": {"name": "iOS", "version": "17.2"},
        "device": {"manufacturer": "Apple", "model": "iPhone15,2"},
    }
    agent = only("track", {**IDS, "event": "a", "context": context}).user_agent
    assert agent == "MyShop/1.0 (iOS 17.2; Model=iPhone15,2; Manufacturer=Apple)"


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({}, ("", "", "")),
        ({"anonymousId": 7.0, "userId": 12, "messageId": 5}, ("7", "12", "5")),
        ({"anonymousId": " a ", "userId": None, "messageId": {}}, ("a", "", "")),
        ({"anonymousId": ["a"], "userId": True}, ("", "", "")),
    ],
)
def test_ids(ids: dict[str, Any], expected: tuple[str, str, str]) -> None:
    event = only("track", {"event": "a", **ids})
    assert (event.device_id, event.profile_id, event.event_id) == expected


def test_a_long_anonymous_id_is_hashed_and_not_cut() -> None:
    first, second = (only("track", {"event": "a", "anonymousId": "x" * 64 + end}).device_id for end in "ab")
    assert first != second
    assert len(first) == 32


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (TIMES, (AT, SENT)),
        ({"originalTimestamp": TIMES["timestamp"], "sentAt": TIMES["sentAt"]}, (AT, SENT)),
        ({"timestamp": TIMES["timestamp"], "originalTimestamp": "2026-03-02T00:00:00Z"}, (AT, None)),
        ({"timestamp": "soon", "sentAt": 12}, (None, None)),
    ],
)
def test_times(times: dict[str, Any], expected: tuple[int | None, int | None]) -> None:
    event = only("track", {**IDS, "event": "a", **times})
    assert (event.client_ms, event.sent_ms) == expected


@pytest.mark.parametrize(
    ("name", "properties", "expected"),
    [
        ("Order Completed", {"revenue": 29.99, "currency": "EUR", "total": 40}, (2999, "EUR")),
        ("Order Completed", {"total": "40", "currency": "jpy"}, (40, "JPY")),
        ("Completed Order", {"revenue": 1.5}, (150, "USD")),
        ("Subscription Renewed", {"revenue": 5, "currency": ""}, (500, "USD")),
        ("Subscription Renewed", {"total": 5, "value": 5}, None),
        ("Checkout Started", {"revenue": 5}, None),
        ("Order Refunded", {"revenue": 5, "total": 5}, None),
        ("Order Completed", {"revenue": 5, "currency": "points"}, None),
        ("Order Completed", {"revenue": -5}, None),
        ("Order Completed", {"__revenue": 500, "__currency": "EUR"}, None),
        ("revenue", {"__revenue": "x"}, None),
    ],
)
def test_revenue_stands_beside_its_order(
    name: str, properties: dict[str, Any], expected: tuple[int, str] | None
) -> None:
    order, *money = events("track", {**IDS, "event": name, "properties": properties, "context": {"page": PAGE}})
    own = {key: value for key, value in order.payload["properties"].items() if not key.startswith("__")}
    assert own == {key: value for key, value in properties.items() if not key.startswith("__")}
    assert "__revenue" not in order.payload["properties"]
    if expected is None:
        assert money == []
        return
    (event,) = money
    given = event.payload["properties"]
    assert (event.payload["name"], event.event_id, event.device_id) == ("revenue", "m1:revenue", "anon-1")
    assert (given["__revenue"], given["__currency"], given["event"], given["__path"]) == (*expected, name, PAGE["url"])


def test_a_page_is_a_screen_view() -> None:
    message = {**IDS, "name": "Home", "category": "Docs", "properties": {**PAGE, "plan": "pro"}}
    event = only("page", {**message, "context": {"page": {"url": "https://old.example/", "title": "Old"}}})
    assert event.payload == {
        "name": "screen_view",
        "properties": {
            "__path": PAGE["url"],
            "__referrer": PAGE["referrer"],
            "__title": "A",
            "name": "Home",
            "category": "Docs",
            "plan": "pro",
        },
        "groups": [],
    }


def test_a_screen_is_a_screen_view_of_its_name() -> None:
    event = only("screen", {**IDS, "name": "Cart", "properties": {"items": 2}})
    assert event.payload["properties"] == {"__path": "Cart", "__title": "Cart", "name": "Cart", "items": 2}
    assert events("s", {**IDS})[0].payload == {"name": "screen_view", "properties": {}, "groups": []}


def test_identify() -> None:
    traits = {"firstName": "Ann", "last_name": "Lee", "email": "a@b.c", "avatar": "https://x/", "plan": "pro", "age": 3}
    event = only("identify", {**IDS, "traits": traits, "context": {"traits": {"plan": "old", "city": "Ulm"}}})
    assert (event.kind, event.profile_id, event.device_id, event.event_id) == (RawKind.IDENTIFY, "ann", "anon-1", "m1")
    assert event.payload == {
        "first_name": "Ann",
        "last_name": "Lee",
        "email": "a@b.c",
        "avatar": "https://x/",
        "properties": {"plan": "pro", "age": 3, "city": "Ulm"},
    }
    named = only("i", {"userId": 7, "traits": {"name": "Ann von Lee", "firstName": 3}}).payload
    assert named == {
        "first_name": "Ann",
        "last_name": "von Lee",
        "properties": {"name": "Ann von Lee", "firstName": 3},
    }


def test_traits_of_nobody_are_the_devices_own_and_link_nothing() -> None:
    event = only("identify", {"anonymousId": "anon-1", "traits": {"a": 1}, "context": {"userAgent": "a (b) c"}})
    assert (event.profile_id, event.device_id, event.user_agent) == ("anon-1", "", "")


def test_group_is_a_group_and_a_membership() -> None:
    group, member = events(
        "group", {**IDS, "groupId": "acme", "traits": {"name": "Acme", "type": "company", "size": 3}}
    )
    assert group.payload == {"id": "acme", "type": "company", "name": "Acme", "properties": {"size": 3}}
    assert member.payload == {"group_ids": ["acme"]}
    assert [(event.kind.value, event.event_id, event.profile_id) for event in (group, member)] == [
        ("group", "m1", "ann"),
        ("assign_group", "m1:assign", "ann"),
    ]
    assert len(events("g", {"groupId": 5})) == 1


def test_an_alias_is_one_link_so_that_taking_it_back_leaves_none() -> None:
    alias = only(
        "alias", {"messageId": "m1", "userId": "bea", "previousId": "carl", "context": {"userAgent": "a (b) c"}}
    )
    assert (alias.kind, alias.profile_id, alias.payload) == (RawKind.ALIAS, "bea", {"alias": "carl"})
    assert (alias.event_id, alias.device_id, alias.user_agent) == ("m1", "", "")
    beside = only("alias", {"userId": "bea", "previousId": "carl", "anonymousId": "anon-1"})
    assert (beside.payload, beside.device_id) == ({"alias": "carl"}, "anon-1")
    assert events("a", {"userId": "ann", "previousId": "ann"}) == []


@pytest.mark.parametrize("previous", [{}, {"previousId": "anon-1"}], ids=["not named", "named"])
def test_an_alias_of_the_sender_s_own_device_links_the_device(previous: dict[str, str]) -> None:
    link = only("alias", {"userId": "ann", "anonymousId": "anon-1", **previous})
    assert (link.kind, link.profile_id, link.device_id) == (RawKind.IDENTIFY, "ann", "anon-1")


@pytest.mark.parametrize(
    ("kind", "message", "reason"),
    [
        ("track", {}, "missing_name"),
        ("track", {"event": 5}, "missing_name"),
        ("track", {"event": "x" * 201}, "name_too_long"),
        ("track", {"event": "session_start"}, "name_reserved"),
        ("track", {"event": "a", "userId": "x" * 257}, "invalid_profile_id"),
        ("identify", {"traits": {}}, "missing_ids"),
        ("group", {"userId": "a"}, "invalid_group_id"),
        ("group", {"groupId": "x" * 129}, "invalid_group_id"),
        ("alias", {"userId": "a"}, "missing_ids"),
        ("alias", {"previousId": "a"}, "missing_ids"),
        ("alias", {"userId": "a", "previousId": "x" * 257}, "invalid_profile_id"),
        ("batch", {}, "empty_batch"),
        ("batch", {"batch": []}, "empty_batch"),
        ("batch", {"batch": [{}] * (MAX_MESSAGES + 1)}, "too_many_events"),
    ],
)
def test_refusals(kind: str, message: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        ROUTES[f"/v1/{kind}"].parse(request(orjson.dumps(message)))
    assert (refused.value.status, refused.value.reason) == (400, reason)
