"""Batches, keys, pixels and answers of Segment's and RudderStack's routes."""

import base64
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from ingest.answers import Answer, Refusal
from ingest.protocols.protocol import Protocol, SentEvent, Settled, Submission
from ingest.protocols.segment import ROUTES
from ingest.protocols.segment_start import SETTINGS_PATHS, settings
from tests.unit.ingest.requests import request, submission

KEY = "5a1b2c3d-0000-4000-8000-000000000001"
BASIC = {b"authorization": b"Basic " + base64.b64encode(f"{KEY}:".encode())}
TIMES = {"timestamp": "2026-03-01T10:00:00.000Z", "sentAt": "2026-03-01T10:00:05.000Z"}
AT, SENT = 1_772_359_200_000, 1_772_359_205_000


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch", "/rudderstack/v1/batch"])
def test_a_batch_takes_what_is_good(path: str) -> None:
    body = {
        "sentAt": TIMES["sentAt"],
        "context": {"locale": "de", "app": {"name": "a"}},
        "batch": [
            {"type": "track", "event": "one", "messageId": "1", "timestamp": TIMES["timestamp"]},
            {"type": "webhook"},
            7,
            {"type": "page", "context": {"locale": "en"}, "sentAt": "2026-03-01T10:00:00.000Z"},
        ],
    }
    first, unknown, broken, last = submission(ROUTES[path], orjson.dumps(body)).events
    assert isinstance(first, SentEvent)
    assert isinstance(last, SentEvent)
    assert (first.event_id, first.client_ms, first.sent_ms, last.sent_ms) == ("1", AT, SENT, AT)
    assert first.payload["properties"] == {"__language": "de", "context": {"app": {"name": "a"}}}
    assert last.payload["properties"] == {"__language": "en", "context": {"app": {"name": "a"}}}
    assert [(r.reason, r.message[:8]) for r in (unknown, broken) if isinstance(r, Refusal)] == [
        ("unknown_type", "batch[1]"),
        ("not_an_object", "batch[2]"),
    ]


@pytest.mark.parametrize(
    ("headers", "body", "query", "expected"),
    [
        (BASIC, {}, b"", (KEY, "")),
        ({b"authorization": b"basic " + base64.b64encode(f"{KEY}:sec".encode())}, {}, b"", (KEY, "sec")),
        (BASIC, {"writeKey": KEY}, b"writeKey=third", (KEY, "")),
        ({}, {"writeKey": KEY}, b"writeKey=third", (KEY, "")),
        ({}, {}, b"a=b&writeKey=" + KEY.encode(), (KEY, "")),
        ({b"authorization": b"Bearer abc"}, {"writeKey": KEY}, b"", (KEY, "")),
        ({b"authorization": b"Basic %%%"}, {"writeKey": KEY}, b"", (KEY, "")),
        ({b"authorization": b"Basic Og=="}, {"writeKey": 7}, b"writeKey=", ("", "")),
    ],
)
def test_the_write_key(
    headers: dict[bytes, bytes], body: dict[str, Any], query: bytes, expected: tuple[str, str]
) -> None:
    for path, given in (("/v1/track", {"event": "a", **body}), ("/v1/batch", {"batch": [{**body, "type": "page"}]})):
        found = submission(ROUTES[path], orjson.dumps(given), headers, query=query)
        assert (found.client_id, found.client_secret) == expected
        assert found.key_suffices


def test_a_pixel_is_a_query_of_dotted_paths() -> None:
    query = (
        b"writeKey=k&anonymousId=a&event=Opened&properties.mail=spring&context.page.url=https%3A%2F%2Fa.example%2F"
        b"&properties.mail.x=lost&messageId=m"
    )
    parsed = ROUTES["/pixel/v1/track"].parse(request(query=query, method="GET"))
    assert isinstance(parsed, Submission)
    (event,) = parsed.events
    assert isinstance(event, SentEvent)
    assert (parsed.client_id, event.device_id, event.event_id) == ("k", "a", "m")
    assert event.payload["properties"] == {"__path": "https://a.example/", "mail": "spring"}
    with pytest.raises(Refusal, match="at most 256"):
        ROUTES["/rudderstack/pixel/v1/page"].parse(request(query=b"a=1&" * 300, method="GET"))


TAKEN = Settled("e", "d", "s")
BAD = Refusal(400, "event_too_old", "Too old.")


@pytest.mark.parametrize(
    ("path", "verdicts", "status", "body"),
    [
        ("/v1/batch", [TAKEN], 200, b'{"success":true}'),
        ("/v1/alias", [], 200, b'{"success":true}'),
        (
            "/segment/v1/b",
            [TAKEN, BAD],
            200,
            b'{"success":true,"rejected":[{"reason":"event_too_old","message":"Too old."}]}',
        ),
        ("/v1/track", [BAD], 400, b'{"success":false,"code":"event_too_old","message":"Too old."}'),
        ("/rudderstack/v1/batch", [TAKEN, BAD], 200, b"ok"),
        ("/beacon/v1/batch", [BAD, BAD], 400, b"Too old."),
    ],
)
def test_answers(path: str, verdicts: list[Settled | Refusal], status: int, body: bytes) -> None:
    protocol: Protocol = ROUTES[path]
    answer = protocol.accepted(request(), verdicts)
    assert (answer.status, answer.body) == (status, body)
    assert ((b"x-weir-reason", b"event_too_old") in answer.headers) == (status == 400)
    assert protocol.refused(Refusal(401, "unknown_client", "No.")).status == 401


def test_a_pixel_is_answered_with_a_picture() -> None:
    pixel = ROUTES["/pixel/v1/page"]
    for answer in (pixel.accepted(request(), [TAKEN]), pixel.refused(BAD)):
        assert (answer.content_type, answer.body[:6]) == (b"image/gif", b"GIF89a")


@pytest.mark.parametrize(
    ("headers", "api_host", "scheme"),
    [
        ({}, "gateway.example/v1", "http"),
        ({"x-forwarded-proto": "https"}, "gateway.example/v1", "https"),
        ({"origin": "https://shop.example"}, "gateway.example/v1", "https"),
        ({"referer": "https://shop.example/a"}, "gateway.example/v1", "https"),
        ({"origin": "http://shop.example", "host": "other:8050"}, "other:8050/v1", "http"),
    ],
)
def test_settings_send_events_to_where_they_were_asked_for(headers: dict[str, str], api_host: str, scheme: str) -> None:
    routes = [Route(path, settings) for path in SETTINGS_PATHS]
    client = TestClient(Starlette(routes=routes), base_url="http://gateway.example")
    for prefix in ("", "/segment"):
        answer = client.get(f"{prefix}/v1/projects/k/settings", headers=headers)
        found = answer.json()["integrations"]["Segment.io"]
        host, _, path = api_host.partition("/")
        assert (found["apiKey"], found["apiHost"], found["protocol"]) == ("k", f"{host}{prefix}/{path}", scheme)
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(("path", "method"), [("/v1/m", "POST"), ("/sourceConfig", "GET")])
def test_questions_of_libraries_bring_no_events(path: str, method: str) -> None:
    answer = ROUTES[path].parse(request(method=method))
    assert isinstance(answer, Answer)
    assert (answer.status, method) in ((200, *ROUTES[path].methods),)


@pytest.mark.parametrize("headers", [{}, {b"authorization": b"Basic azo="}], ids=["in-the-body", "in-the-header"])
def test_a_message_of_another_key_is_not_counted_to_this_one(headers: dict[bytes, bytes]) -> None:
    message = {"type": "track", "event": "a", "userId": "ann"}
    body = {} if headers else {"writeKey": "k"}
    content = orjson.dumps({**body, "batch": [{**message, "writeKey": "k"}, {**message, "writeKey": "other"}]})
    good, bad = submission(ROUTES["/v1/batch"], content, headers).events
    assert isinstance(good, SentEvent)
    assert isinstance(bad, Refusal)
    assert (bad.status, bad.reason) == (400, "another_key")
    # RudderStack's answer can't tell one from the other.
    for path in ("/rudderstack/v1/batch", "/beacon/v1/batch"):
        with pytest.raises(Refusal, match="one writeKey"):
            ROUTES[path].parse(request(content, headers))


def test_a_message_says_the_key_it_is_sent_with() -> None:
    message = orjson.dumps({"event": "a", "userId": "ann", "writeKey": "other"})
    batch = orjson.dumps({"writeKey": "other", "batch": [{"type": "page"}]})
    for path, content in (("/v1/track", message), ("/v1/batch", batch)):
        with pytest.raises(Refusal, match="one writeKey"):
            ROUTES[path].parse(request(content, {b"authorization": b"Basic azo="}))
