"""What Plausible requests mean."""

from typing import Any

import orjson
import pytest

from ingest.answers import Refusal
from ingest.protocols.plausible import EVENT
from ingest.protocols.protocol import SentEvent, Settled
from schemas.bots import Bot
from tests.unit.ingest.requests import events_of, request, submission

PAGE = "https://shop.example/a?utm_source=x#part"


def sent(**body: Any) -> SentEvent:
    (event,) = all_sent(**body)
    return event


def all_sent(**body: Any) -> list[SentEvent]:
    return events_of(EVENT, orjson.dumps({"n": "pageview", "u": PAGE, "d": "shop.example", **body}))


def domain(**body: Any) -> str:
    return submission(EVENT, orjson.dumps({"n": "pageview", "u": PAGE, **body})).domain


def test_a_page_view_is_a_screen_view_in_our_words() -> None:
    event = sent(r="https://search.example/", v=14)
    assert event.payload == {
        "name": "screen_view",
        "properties": {"__path": PAGE, "__referrer": "https://search.example/"},
        "groups": [],
    }
    assert (event.sdk_name, event.sdk_version) == ("plausible", "14")


def test_long_names_mean_the_same() -> None:
    long = {"name": "Sale", "url": PAGE, "domain": "shop.example", "referrer": "https://r.example", "props": {"a": 1}}
    short = {"n": "Sale", "u": PAGE, "d": "shop.example", "r": "https://r.example", "p": '{"a":1}'}
    assert events_of(EVENT, orjson.dumps(long)) == events_of(EVENT, orjson.dumps(short))
    assert sent(n="Sale", m={"a": True, "b": None}).payload["properties"] == {"__path": PAGE, "a": True}
    assert sent(n=404).payload["name"] == "404"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/#/b", "https://a.example/%23/b"),
        ("https://a.example/p?q=1#/b#c", "https://a.example/p%23/b%23c?q=1"),
        ("https://a.example/p", "https://a.example/p"),
    ],
)
def test_the_fragment_may_be_a_part_of_the_path(url: str, expected: str) -> None:
    assert sent(u=url, h=1).payload["properties"]["__path"] == expected
    assert sent(u=url, h=0).payload["properties"]["__path"] == url


def test_an_event_that_is_no_interaction_says_so() -> None:
    assert sent(n="Seen", i=False).payload["properties"]["interactive"] is False
    assert "interactive" not in sent(n="Seen", i=True).payload["properties"]


def test_an_engagement_has_depth_and_time() -> None:
    payload = sent(n="engagement", sd=80, e=12_500).payload
    assert (payload["name"], payload["properties"]) == (
        "engagement",
        {"__path": PAGE, "scroll_depth": 80, "engagement_time": 12_500},
    )
    assert sent(n="engagement", sd=255, e=1).payload["properties"] == {"__path": PAGE, "engagement_time": 1}


@pytest.mark.parametrize("money", [{"currency": "EUR", "amount": "19.99"}, '{"currency":"eur","amount":19.99}'])
def test_revenue_is_an_event_beside_the_sale(money: Any) -> None:
    sale, revenue = all_sent(n="Sale", **{"$": money})
    assert (sale.payload["properties"], sale.claims_revenue) == ({"__path": PAGE}, False)
    assert revenue.claims_revenue
    assert revenue.payload["properties"] == {"__path": PAGE, "event": "Sale", "__revenue": 1999, "__currency": "EUR"}


@pytest.mark.parametrize("money", [{"amount": 5}, {"currency": "gold", "amount": 5}, {"currency": "EUR"}, "x", 5])
def test_money_that_is_none_is_left_out(money: Any) -> None:
    assert len(all_sent(n="Sale", revenue=money)) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"d": "shop.example"}, "shop.example"),
        ({"d": "WWW.Shop.example"}, "shop.example"),
        ({"domain": "a.example, www.b.example,,"}, "a.example,b.example"),
        ({}, "shop.example"),
        ({"d": 5}, "shop.example"),
        ({"d": ",".join("abcdefghijklmnop")}, "a,b,c,d,e,f,g,h,i,j"),
    ],
)
def test_the_domain_is_named_or_the_pages(given: dict[str, Any], expected: str) -> None:
    assert domain(**given) == expected


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({"n": ""}, "missing_name", "name"),
        ({"n": None}, "missing_name", "name"),
        ({"n": "x" * 121}, "name_too_long", "name"),
        ({"n": "session_start"}, "name_reserved", "name"),
        ({"u": None}, "invalid_url", "url"),
        ({"u": "/a"}, "invalid_url", "url"),
        ({"u": "data:text/html,a"}, "invalid_url", "url"),
        ({"u": "https://[a"}, "invalid_url", "url"),
        ({"u": "https://a.example/" + "x" * 2_000}, "invalid_url", "url"),
        ({"u": "https:///a"}, "missing_domain", "domain"),
        ({"p": []}, "invalid_props", "props"),
        ({"p": "{"}, "invalid_props", "props"),
        ({"p": {"a": {}}}, "invalid_props", "props"),
        ({"p": {"a": "x" * 2_001}}, "invalid_props", "props"),
        ({"p": {str(n): n for n in range(31)}}, "invalid_props", "props"),
        ({"n": "engagement"}, "invalid_engagement", "engagement"),
        ({"n": "engagement", "sd": 255, "e": 0}, "invalid_engagement", "engagement"),
    ],
)
def test_what_is_refused_and_why(body: dict[str, Any], reason: str, field: str) -> None:
    with pytest.raises(Refusal) as raised:
        submission(EVENT, orjson.dumps({"n": "pageview", "u": PAGE, **body}))
    assert (raised.value.status, raised.value.reason) == (400, reason)
    assert orjson.loads(EVENT.refused(raised.value).body) == {"errors": {field: [raised.value.message]}}


def test_answers() -> None:
    taken = EVENT.accepted(request(), [Settled("e", "d", "s")])
    assert (taken.status, taken.body, taken.headers) == (202, b"ok", ())
    for dropped in (EVENT.dropped(Bot("Crawler", "crawler")), EVENT.refused(Refusal(401, "filtered_ip", ""))):
        assert (dropped.status, dropped.body, dropped.headers) == (202, b"ok", ((b"x-plausible-dropped", b"1"),))
    unproven = EVENT.accepted(request(), [Settled("e", "d", "s"), Refusal(401, "revenue_needs_secret", "No.")])
    assert (unproven.status, unproven.headers) == (202, ((b"x-weir-reason", b"revenue_needs_secret"),))
    for status, reason in ((202, "bot"), (401, "filtered_ip")):
        dropped = EVENT.accepted(request(), [Refusal(status, reason, ""), Refusal(status, reason, "")])
        assert (dropped.status, dropped.headers[0]) == (202, (b"x-plausible-dropped", b"1"))
    old = EVENT.accepted(request(), [Refusal(400, "event_too_old", "No.")])
    assert (old.status, old.headers) == (400, ((b"x-weir-reason", b"event_too_old"),))
    unknown = EVENT.refused(Refusal(401, "unknown_domain", "No."))
    assert (unknown.status, orjson.loads(unknown.body)) == (400, {"errors": {"domain": ["No."]}})
    assert EVENT.refused(Refusal(503, "kafka_unavailable", "")).status == 503
