"""What PostHog requests mean."""

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
from schemas.raw_event import AliasPayload, GroupPayload, IdentifyPayload, RawKind, TrackPayload
from tests.unit.ingest.requests import NOW, events_of, request, submission

KEY = "5c5a2f6e-0d3f-4f7e-9d5c-111111111111"
DEVICE = "0193f6a0-0000-7000-8000-000000000001"
UUID = "0193f6a0-0000-7000-8000-0000000000aa"
SETTLED = Settled("e", "d", "s")


def sent(name: str, properties: dict[str, Any] | None = None, **fields: Any) -> SentEvent:
    """The event of a request by a server that knows its person as ann."""
    body = {"api_key": KEY, "event": name, "distinct_id": "ann", "properties": properties or {}, **fields}
    (event,) = events_of(CAPTURE, orjson.dumps(body))
    return event


def refusal(name: Any, properties: dict[str, Any] | None = None, **fields: Any) -> str:
    body = {"api_key": KEY, "event": name, "distinct_id": "ann", "properties": properties or {}, **fields}
    (event,) = submission(CAPTURE, orjson.dumps(body)).events
    assert isinstance(event, Refusal)
    assert event.status == 400
    return event.reason


def test_an_event_keeps_its_own_properties_and_its_id() -> None:
    event = sent("signed up", {"plan": "pro", "$lib": "posthog-python", "$lib_version": "7.1"}, uuid=UUID)
    assert event == SentEvent(
        RawKind.TRACK,
        {"name": "signed up", "properties": {"plan": "pro"}, "groups": []},
        event_id=UUID,
        profile_id="ann",
        sdk_name="posthog-python",
        sdk_version="7.1",
    )


def test_a_page_view_is_a_screen_view_in_our_words() -> None:
    properties = {
        "$current_url": "https://shop.example/a?utm_source=x",
        "$referrer": "https://search.example/",
        "title": "A",
        "$browser_language": "de-DE",
        "$screen_width": 1920,
        "$screen_height": 1080,
        "$raw_user_agent": "Mozilla/5.0 (X11)",
        "$ip": "81.2.69.142",
        "$browser": "Chrome",
        "__revenue": 5,
    }
    event = sent("$pageview", properties)
    assert event.payload["name"] == "screen_view"
    assert event.payload["properties"] == {
        "__path": "https://shop.example/a?utm_source=x",
        "__referrer": "https://search.example/",
        "__title": "A",
        "__language": "de-DE",
        "__screen": "1920x1080",
        "$browser": "Chrome",
    }
    assert (event.user_agent, event.ip) == ("Mozilla/5.0 (X11)", "81.2.69.142")


def test_a_screen_is_a_screen_view_by_its_name() -> None:
    payload = sent("$screen", {"$screen_name": "Home", "$referrer": "$direct"}).payload
    assert (payload["name"], payload["properties"]) == ("screen_view", {"$screen_name": "Home", "__path": "Home"})


@pytest.mark.parametrize(
    ("distinct_id", "properties", "expected"),
    [
        # posthog-js, before and after identify(), and after reset() when the device stays.
        (DEVICE, {"$device_id": DEVICE, "$is_identified": False}, ("", DEVICE)),
        ("ann", {"$device_id": DEVICE, "$is_identified": True}, ("ann", DEVICE)),
        ("0193-b", {"$device_id": DEVICE, "$is_identified": False, "$process_person_profile": True}, ("", DEVICE)),
        (DEVICE, {"$device_id": DEVICE}, ("", DEVICE)),
        ("ann", {"$device_id": DEVICE}, ("ann", DEVICE)),
        ("$posthog_cookieless", {"$device_id": None, "$cookieless_mode": True}, ("", "")),
        # Servers, and apps without a device id.
        ("ann", {}, ("ann", "")),
        ("ann", {"$is_server": True}, ("ann", "")),
        ("0193-c", {"$is_server": True, "$process_person_profile": False}, ("", "")),
        ("0193-d", {"$process_person_profile": False}, ("", "0193-d")),
        ("0193-e", {"$is_identified": False}, ("", "0193-e")),
        (12, {}, ("12", "")),
        # Nobody.
        ("undefined", {}, ("", "")),
        ("[object Object]", {}, ("", "")),
    ],
)
def test_a_distinct_id_is_a_person_or_a_device(
    distinct_id: Any, properties: dict[str, Any], expected: tuple[str, str]
) -> None:
    event = sent("clicked", properties, distinct_id=distinct_id)
    assert (event.profile_id, event.device_id) == expected


def test_an_id_that_is_neither_is_kept_as_a_property() -> None:
    event = sent("clicked", {"$is_server": True, "$process_person_profile": False}, distinct_id="0193-c")
    assert event.payload["properties"] == {"distinct_id": "0193-c"}


@pytest.mark.parametrize(
    ("properties", "fields", "expected"),
    [
        ({}, {"timestamp": "2025-11-21T11:19:00.500Z"}, (1_763_723_940_500, None)),
        (
            {},
            {"timestamp": "2025-11-21T11:19:00.500Z", "sent_at": "2025-11-21T11:19:01Z"},
            (1763723940500, 1763723941000),
        ),
        (
            {"$ignore_sent_at": True},
            {"timestamp": "2025-11-21T11:19:00.500Z", "sent_at": "2025-11-21T11:19:01Z"},
            (1_763_723_940_500, None),
        ),
        ({}, {"offset": 3000}, (NOW - 3000, None)),
        ({}, {"timestamp": "yesterday", "offset": "x"}, (None, None)),
        ({}, {"offset": -5}, (None, None)),
        ({}, {"offset": True}, (None, None)),
    ],
)
def test_times(properties: dict[str, Any], fields: dict[str, Any], expected: tuple[int | None, int | None]) -> None:
    event = sent("clicked", properties, **fields)
    assert (event.client_ms, event.sent_ms) == expected


def test_the_time_of_sending_may_stand_in_the_address() -> None:
    body = orjson.dumps({"api_key": KEY, "event": "a", "distinct_id": "b", "timestamp": "2025-11-21T11:19:00Z"})
    (event,) = submission(CAPTURE, body, query=b"ip=1&_=1763723941000&ver=1.2").events
    assert isinstance(event, SentEvent)
    assert event.sent_ms == 1_763_723_941_000


def test_a_servers_address_is_not_its_persons() -> None:
    assert sent("a", {"$geoip_disable": True}).ip == "0.0.0.0"
    assert sent("a", {"$geoip_disable": True, "$ip": "81.2.69.142"}).ip == "81.2.69.142"


def test_identify_links_device_and_person() -> None:
    event = sent(
        "$identify",
        {"$device_id": DEVICE, "$anon_distinct_id": DEVICE, "$is_identified": True},
        **{"$set": {"email": "a@b.c", "plan": "pro"}, "$set_once": {"first": 1}, "uuid": UUID},
    )
    assert (event.kind, event.profile_id, event.device_id, event.also) == (RawKind.IDENTIFY, "ann", DEVICE, None)
    assert IdentifyPayload.model_validate(event.payload) == IdentifyPayload(
        email="a@b.c", properties={"plan": "pro"}, set_once={"first": 1}
    )


def test_an_identify_without_a_device_links_the_earlier_id_as_device_and_as_person() -> None:
    event = sent("$identify", {"$anon_distinct_id": "anon-1"})
    assert (event.kind, event.profile_id, event.device_id) == (RawKind.IDENTIFY, "ann", "anon-1")
    assert event.also is not None
    assert (event.also.kind, event.also.profile_id) == (RawKind.ALIAS, "ann")
    assert AliasPayload.model_validate(event.also.payload).alias == "anon-1"


def test_set_changes_a_person() -> None:
    event = sent("$set", {"$set": {"a": 1}, "$set_once": {"b": 2}, "$unset": ["c", 5, ""]})
    assert (event.kind, event.profile_id) == (RawKind.IDENTIFY, "ann")
    assert IdentifyPayload.model_validate(event.payload) == IdentifyPayload(
        properties={"a": 1}, set_once={"b": 2}, unset=("c",)
    )


def test_what_an_event_says_of_its_person_in_passing_goes_with_it() -> None:
    also = sent("paid", {"$set": {"name": "Ann", "plan": "pro"}}).also
    assert also is not None
    assert (also.kind, also.profile_id) == (RawKind.IDENTIFY, "ann")
    assert also.payload["properties"] == {"name": "Ann", "plan": "pro"}
    anonymous = {"$set_once": {"a": 1}, "$device_id": DEVICE, "$is_identified": False}
    assert sent("paid", anonymous, distinct_id=DEVICE).also is None
    assert sent("paid", {"$set": {}}).also is None
    assert sent("paid", {"$set": {"a": 1}, "$process_person_profile": False}).also is None


@pytest.mark.parametrize("name", ["$create_alias", "$merge_dangerously"])
def test_an_alias_is_another_id_of_the_person(name: str) -> None:
    event = sent(name, {"alias": "a.lee", "distinct_id": "ann"})
    assert (event.kind, event.profile_id, event.payload) == (RawKind.ALIAS, "ann", {"alias": "a.lee"})


def test_an_alias_of_somebody_unknown_names_the_device() -> None:
    event = sent("$create_alias", {"alias": "ann", "$device_id": DEVICE, "$is_identified": False}, distinct_id=DEVICE)
    assert (event.kind, event.profile_id, event.device_id) == (RawKind.IDENTIFY, "ann", DEVICE)


def test_groups_are_known_by_type_and_key() -> None:
    given = {"$group_type": "company", "$group_key": "acme", "$group_set": {"name": "Acme", "seats": 5}}
    event = sent("$groupidentify", given)
    assert event.kind is RawKind.GROUP
    assert GroupPayload.model_validate(event.payload) == GroupPayload(
        id="company:acme", type="company", name="Acme", properties={"name": "Acme", "seats": 5}
    )
    payload = sent("paid", {"$groups": {"company": "acme", "project": 7, "bad": None}}).payload
    assert TrackPayload.model_validate(payload).groups == ("company:acme", "project:7")


@pytest.mark.parametrize(
    ("name", "properties", "fields", "reason"),
    [
        (None, {}, {}, "missing_name"),
        ("", {}, {}, "missing_name"),
        ("x" * 201, {}, {}, "name_too_long"),
        ("session_start", {}, {}, "name_reserved"),
        ("a", {}, {"distinct_id": ""}, "missing_distinct_id"),
        ("a", {}, {"distinct_id": None}, "missing_distinct_id"),
        ("$snapshot", {}, {}, "recording_not_stored"),
        ("$identify", {}, {"distinct_id": "null"}, "missing_profile_id"),
        ("$set", {}, {"distinct_id": "0"}, "missing_profile_id"),
        ("$create_alias", {}, {}, "missing_alias"),
        ("$create_alias", {"alias": "ann"}, {}, "alias_of_itself"),
        ("$groupidentify", {"$group_type": "company"}, {}, "invalid_group"),
        ("$groupidentify", {"$group_type": "company", "$group_key": "x" * 200}, {}, "invalid_group"),
    ],
)
def test_what_is_refused_and_why(name: Any, properties: dict[str, Any], fields: dict[str, Any], reason: str) -> None:
    assert refusal(name, properties, **fields) == reason


EVENT = {"event": "a", "distinct_id": "b", "properties": {"token": KEY}}
PLAIN = orjson.dumps(EVENT)


@pytest.mark.parametrize(
    ("body", "query"),
    [
        (PLAIN, b""),
        (orjson.dumps([EVENT, EVENT]), b""),
        (orjson.dumps({"api_key": KEY, "batch": [{"event": "a", "distinct_id": "b"}]}), b""),
        (gzip.compress(PLAIN), b"compression=gzip-js"),
        (gzip.compress(PLAIN), b""),
        (PLAIN, b"compression=gzip-js"),
        (base64.b64encode(PLAIN), b"compression=base64"),
        (base64.b64encode(gzip.compress(PLAIN)), b""),
        (b"data=" + quote(base64.b64encode(PLAIN).decode()).encode(), b"compression=base64"),
        (b"data=" + base64.b64encode(PLAIN), b""),
        (b"data=" + quote(PLAIN.decode()).encode() + b"&compression=", b""),
        (b"compression=base64&data=" + quote(base64.b64encode(PLAIN).decode()).encode(), b""),
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
        (PLAIN, b"compression=lz64", "compression_not_supported"),
        (PLAIN, b"compression=lz-string", "compression_not_supported"),
    ],
)
def test_bodies_that_cannot_be_read(body: bytes, query: bytes, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        submission(CAPTURE, body, query=query)
    assert (refused.value.status, refused.value.reason) == (400, reason)


def test_a_body_is_unpacked_no_further_than_its_bound() -> None:
    with pytest.raises(Refusal) as refused:
        submission(CAPTURE, gzip.compress(b"[" + b" " * 11_000_000 + b"0]"))
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
