"""How PostHog requests are wrapped, what their clients ask, and what they are told."""

import base64
import gzip
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ingest.answers import Answer, Refusal
from ingest.app import refused as answer_refusal
from ingest.protocols.posthog import CAPTURE, ROUTES
from ingest.protocols.posthog_config import config_routes
from ingest.protocols.posthog_v1 import EVENTS as V1
from ingest.protocols.protocol import SentEvent, Settled
from schemas.raw_event import RawKind
from tests.unit.ingest.requests import request, submission

KEY = "5c5a2f6e-0d3f-4f7e-9d5c-111111111111"
OTHER_KEY = "5c5a2f6e-0d3f-4f7e-9d5c-222222222222"
UUID = "0193f6a0-0000-7000-8000-0000000000aa"
SETTLED = Settled("e", "d", "s")
EVENT = {"event": "a", "distinct_id": "b", "properties": {"token": KEY}}
PLAIN = orjson.dumps(EVENT)
LZ_STRING = (
    "N4IgpgbmB2AuIC4QEMQBoQBMCWBnW20AxrAPraaIgBG6IADgE4D29YjBYuioszA1jCoBWIsOQAmAGYA2MAFoADJgDM"
    "U+QBYpAdgUBOTKPkBGU2fOmQAXytA="
)
"""The same event, packed by lz-string itself."""


@pytest.mark.parametrize(
    ("body", "query"),
    [
        (PLAIN, b""),
        (orjson.dumps([EVENT, EVENT]), b""),
        (orjson.dumps({"api_key": KEY, "batch": [{"event": "a", "distinct_id": "b"}]}), b""),
        (gzip.compress(PLAIN, mtime=0), b"compression=gzip-js"),
        (gzip.compress(PLAIN, mtime=0), b""),
        (PLAIN, b"compression=gzip-js"),
        (base64.b64encode(PLAIN), b"compression=base64"),
        (base64.b64encode(gzip.compress(PLAIN, mtime=0)), b""),
        (b"data=" + quote(base64.b64encode(PLAIN).decode()).encode(), b"compression=base64"),
        (b"data=" + base64.b64encode(PLAIN), b""),
        (b"data=" + quote(PLAIN.decode()).encode() + b"&compression=", b""),
        (b"compression=base64&data=" + quote(base64.b64encode(PLAIN).decode()).encode(), b""),
        (b"data=" + quote(LZ_STRING).encode() + b"&compression=lz64", b""),
        (LZ_STRING.encode(), b"compression=lz64"),
        (PLAIN, b"compression=lz64"),
    ],
)
def test_bodies_of_clients_of_all_ages_are_read(body: bytes, query: bytes) -> None:
    taken = submission(CAPTURE, body, query=query)
    assert taken.client_id == KEY
    assert taken.key_suffices
    assert all(isinstance(event, SentEvent) and event.payload["name"] == "a" for event in taken.events)


def test_a_get_carries_its_data_in_the_address() -> None:
    query = b"data=" + quote(base64.b64encode(PLAIN).decode()).encode()
    assert submission(CAPTURE, query=query, method="GET").client_id == KEY


@pytest.mark.parametrize(
    ("body", "query", "reason"),
    [
        (b"", b"", "not_json"),
        (b"data=", b"", "not_json"),
        (b"%%%", b"", "not_json"),
        (b"{", b"", "not_json"),
        (b"[]", b"", "no_events"),
        (b'{"api_key":"a","batch":[]}', b"", "no_events"),
        (b"[" + b"0," * 10_000 + b"0]", b"", "too_many_events"),
        (base64.b64encode(b'"a"'), b"", "not_an_object"),
        (b"\x1f\x8bnot gzip", b"", "broken_encoding"),
        (b"%%%", b"compression=lz64", "broken_encoding"),
        (LZ_STRING[:-9].encode(), b"compression=lz-string", "broken_encoding"),
    ],
)
def test_bodies_that_cannot_be_read(body: bytes, query: bytes, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        submission(CAPTURE, body, query=query)
    assert (refused.value.status, refused.value.reason) == (400, reason)


def test_a_body_is_unpacked_no_further_than_its_bound() -> None:
    with pytest.raises(Refusal) as refused:
        submission(CAPTURE, gzip.compress(b"[" + b" " * 11_000_000 + b"0]", mtime=0))
    assert refused.value.status == 413


def test_an_engagement_is_an_identify() -> None:
    (event,) = submission(
        ROUTES["/engage"], orjson.dumps({"$token": KEY, "$distinct_id": "ann", "$set": {"a": 1}})
    ).events
    assert isinstance(event, SentEvent)
    assert (event.kind, event.profile_id, event.payload["properties"]) == (RawKind.IDENTIFY, "ann", {"a": 1})


def test_recordings_are_answered_and_not_stored() -> None:
    taken = submission(ROUTES["/s"], orjson.dumps({"event": "$snapshot", "distinct_id": "b", "api_key": KEY}))
    (event,) = taken.events
    assert isinstance(event, Refusal)
    assert ROUTES["/s"].accepted(request(), [event]).status == 200


def test_answers() -> None:
    bad = Refusal(400, "missing_name", "No.")
    assert CAPTURE.accepted(request(), [SETTLED, bad]) == Answer(200, b'{"status":"Ok"}')
    assert CAPTURE.accepted(request(), [Refusal(202, "bot", "")]).status == 200
    assert CAPTURE.accepted(request(query=b"beacon=1&_=2"), [SETTLED]) == Answer(204, b"")
    refused = CAPTURE.accepted(request(), [bad, bad])
    assert (refused.status, orjson.loads(refused.body)["detail"]) == (400, "No.")
    told = CAPTURE.refused(Refusal(401, "unknown_client", "Invalid client id"))
    assert orjson.loads(told.body) == {
        "type": "authentication_error",
        "code": "unknown_client",
        "detail": "Invalid client id",
        "attr": None,
    }


def test_the_newer_protocol_tells_a_verdict_for_each_event() -> None:
    body = orjson.dumps(
        {
            "created_at": "2025-11-21T11:19:00Z",
            "batch": [
                {
                    "event": "a",
                    "uuid": UUID,
                    "distinct_id": "x",
                    "session_id": "s-1",
                    "options": {"process_person_profile": False},
                    "properties": {"b": 1},
                },
                {"event": "", "uuid": "u2", "distinct_id": "x"},
                5,
            ],
        }
    )
    headers = {b"authorization": f"Bearer {KEY}".encode(), b"posthog-sdk-info": b"posthog-python/7.1"}
    taken = submission(V1, body, headers)
    event, bad, worse = taken.events
    assert isinstance(event, SentEvent)
    assert isinstance(bad, Refusal)
    assert isinstance(worse, Refusal)
    assert (taken.client_id, event.event_id, event.device_id, event.profile_id) == (KEY, UUID, "x", "")
    assert event.payload["properties"] == {"b": 1, "$session_id": "s-1"}
    assert (event.sdk_name, event.sdk_version) == ("posthog-python", "7.1")
    told = orjson.loads(V1.accepted(request(body), [SETTLED, bad, worse]).body)
    assert told == {"results": {UUID: {"result": "ok"}, "u2": {"result": "drop", "details": "missing_name"}}}


@pytest.mark.parametrize("path", ["/flags", "/decide", "/posthog/flags", "/api/surveys"])
def test_questions_have_quiet_answers(path: str) -> None:
    answer = ROUTES[path].parse(request(b"anything"))
    assert isinstance(answer, Answer)
    told = orjson.loads(answer.body)
    assert told.get("flags", {}) == {}
    assert not told.get("sessionRecording")
    assert not told.get("surveys")


@pytest.fixture
def page() -> TestClient:
    return TestClient(Starlette(routes=[*config_routes()], exception_handlers={Refusal: answer_refusal}))


def test_a_page_loads_a_quiet_configuration(page: TestClient) -> None:
    for prefix in ("", "/posthog"):
        told = page.get(f"{prefix}/array/{KEY}/config")
        assert told.json()["token"] == KEY
        assert told.json()["sessionRecording"] is False
        assert told.headers["access-control-allow-origin"] == "*"
        script = page.get(f"{prefix}/array/{KEY}/config.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert f'c["{KEY}"]={{config:{{' in script.text


@pytest.mark.parametrize("token", ["a%22%5D%3Balert(1)%2F%2F", "x" * 65, "a.b"])
def test_nothing_but_a_key_gets_into_the_script(page: TestClient, token: str) -> None:
    assert page.get(f"/array/{token}/config.js").status_code == 404


@pytest.mark.parametrize(
    "other",
    [
        {"api_key": OTHER_KEY},
        {"token": OTHER_KEY},
        {"$token": "short"},
        {"properties": {"token": OTHER_KEY}},
        {"properties": {"api_key": OTHER_KEY}},
    ],
    ids=str,
)
def test_an_event_of_another_key_is_not_counted_to_this_one(other: dict[str, Any]) -> None:
    event = {"event": "a", "distinct_id": "b"}
    for body in ({"api_key": KEY, "batch": [event, {**event, **other}]}, [{**event, "token": KEY}, {**event, **other}]):
        for path in ("/i/v0/e", "/engage", "/s"):
            with pytest.raises(Refusal) as refused:
                ROUTES[path].parse(request(orjson.dumps(body)))
            assert (refused.value.status, refused.value.reason) == (400, "another_key")
    bearer = {b"authorization": f"Bearer {KEY}".encode()}
    good, bad = submission(V1, orjson.dumps({"batch": [event, {**event, **other}]}), bearer).events
    assert isinstance(good, SentEvent)
    assert isinstance(bad, Refusal)
    assert bad.reason == "another_key"


def test_a_token_of_the_senders_own_is_a_property() -> None:
    event = {"event": "reset", "distinct_id": "b", "properties": {"token": "a-token-to-reset-a-password"}}
    (sent,) = submission(CAPTURE, orjson.dumps({"api_key": KEY, "batch": [event]})).events
    assert isinstance(sent, SentEvent)


def test_why_nothing_of_a_request_was_taken_is_said_in_a_header_too() -> None:
    answer = CAPTURE.accepted(request(), [Refusal(400, "missing_name", "An event needs a name.")])
    assert (answer.status, answer.headers) == (400, ((b"x-weir-reason", b"missing_name"),))
