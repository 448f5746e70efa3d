"""What OpenPanel requests mean."""

from typing import Any

import orjson
import pytest

from ingest.answers import Refusal
from ingest.json_body import read_object
from ingest.protocols.openpanel import TRACK
from ingest.protocols.protocol import SentEvent, Settled, Submission
from schemas.money import MAX_REVENUE
from schemas.raw_event import (
    IdentifyPayload,
    RawKind,
    TrackPayload,
)
from tests.unit.ingest.requests import events_of, request, submission


def parse(body: dict[str, Any], headers: dict[bytes, bytes] | None = None) -> Submission:
    return submission(TRACK, orjson.dumps(body), headers)


def track(**payload: Any) -> dict[str, Any]:
    return {"type": "track", "payload": {"name": "clicked", **payload}}


def only_event(body: dict[str, Any]) -> SentEvent:
    (event,) = events_of(TRACK, orjson.dumps(body))
    return event


def test_a_track_keeps_its_own_properties() -> None:
    properties = {"__path": "https://a.example/b", "__title": "B", "__referrer": "", "price": 1.5}
    event = only_event(track(properties=dict(properties), groups=["team"], profileId="ann"))
    assert event == SentEvent(
        RawKind.TRACK, {"name": "clicked", "properties": properties, "groups": ["team"]}, profile_id="ann"
    )
    TrackPayload.model_validate(event.payload)


@pytest.mark.parametrize(
    ("given", "expected"), [("ann", "ann"), (7, "7"), (7.0, "7"), (7.5, "7.5"), (None, ""), (0, "0")]
)
def test_a_profile_id_is_a_text_or_a_number(given: Any, expected: str) -> None:
    assert only_event(track(profileId=given)).profile_id == expected


def test_time_and_address_of_the_sender_leave_the_properties() -> None:
    event = only_event(
        track(properties={"__timestamp": "2026-03-01T10:00:00.250Z", "__ip": "81.2.69.142", "__deviceId": " d-1 "})
    )
    assert (event.client_ms, event.ip, event.device_id) == (1772359200250, "81.2.69.142", "d-1")
    assert event.payload["properties"] == {"__deviceId": " d-1 "}


@pytest.mark.parametrize("timestamp", [12, "yesterday", None, {}, "2026-13-40"])
def test_a_time_that_is_none_is_left_out(timestamp: Any) -> None:
    assert only_event(track(properties={"__timestamp": timestamp})).client_ms is None


@pytest.mark.parametrize("device_id", ["", "  ", "x" * 65, 12, None, ["a"]])
def test_a_device_id_out_of_bounds_is_not_taken(device_id: Any) -> None:
    assert only_event(track(properties={"__deviceId": device_id})).device_id == ""


def test_an_inline_identify_is_an_operation_of_its_own() -> None:
    person = {"profileId": 5, "email": "not an address", "firstName": 3, "lastName": "Lee", "properties": {"a": 1}}
    event = only_event(track(profileId="other", properties={"__identify": person, "b": 2}))
    assert (event.kind, event.profile_id) == (RawKind.TRACK, "5")
    # Who the person is stands in the identify alone.
    assert event.payload["properties"] == {"b": 2}
    also = event.also
    assert also is not None
    assert (also.kind, also.profile_id) == (RawKind.IDENTIFY, "5")
    assert also.payload == {"email": "not an address", "last_name": "Lee", "properties": {"a": 1}}
    IdentifyPayload.model_validate(also.payload)


@pytest.mark.parametrize("person", [{"profileId": "ann"}, {"email": "a@b.c", "firstName": "A"}, "ann", None, []])
def test_an_inline_identify_without_news_or_profile_is_none(person: Any) -> None:
    event = only_event(track(properties={"__identify": person}))
    assert event.also is None
    assert event.payload["properties"] == {}


def test_identify_names_the_fields_our_way() -> None:
    payload = {
        "profileId": 12,
        "firstName": "Ann",
        "lastName": "Lee",
        "email": "ann@example.com",
        "avatar": "https://example.com/a.png",
        "properties": {"plan": "pro"},
    }
    event = only_event({"type": "identify", "payload": payload})
    assert event.profile_id == "12"
    assert IdentifyPayload.model_validate(event.payload) == IdentifyPayload(
        first_name="Ann",
        last_name="Lee",
        email="ann@example.com",
        avatar="https://example.com/a.png",
        properties={"plan": "pro"},
    )


def test_null_and_empty_fields_of_identify_are_not_objected_to() -> None:
    payload = {"profileId": "a", "firstName": None, "email": "", "avatar": "", "properties": None}
    assert only_event({"type": "identify", "payload": payload}).payload["properties"] == {}


def test_a_whole_amount_may_be_written_with_a_point() -> None:
    """As languages do whose numbers are all floating."""
    event = only_event(track(name="revenue", properties={"__revenue": 100.0}))
    assert orjson.dumps(event.payload["properties"]) == b'{"__revenue":100}'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "missing_type"),
        ({"type": "nonsense", "payload": {}}, "unknown_type"),
        ({"type": 3, "payload": {}}, "unknown_type"),
        ({"type": ["track"], "payload": {}}, "unknown_type"),
        ({"type": "alias", "payload": {"profileId": "a", "alias": "b"}}, "alias_not_supported"),
        ({"type": "track"}, "missing_payload"),
        ({"type": "track", "payload": []}, "missing_payload"),
        ({"type": "track", "payload": {}}, "missing_name"),
        (track(name=""), "missing_name"),
        (track(name=5), "missing_name"),
        (track(name="x" * 81), "name_too_long"),
        (track(name="session_start"), "name_reserved"),
        (track(name="session_end"), "name_reserved"),
        (track(name="a\nb"), "name_blocked"),
        (track(properties=[]), "invalid_properties"),
        (track(properties="a"), "invalid_properties"),
        (track(profileId=""), "invalid_profile_id"),
        (track(profileId=True), "invalid_profile_id"),
        (track(profileId={}), "invalid_profile_id"),
        (track(profileId="x" * 257), "invalid_profile_id"),
        (track(groups="a"), "invalid_groups"),
        (track(groups=[""]), "invalid_groups"),
        (track(groups=[1]), "invalid_groups"),
        (track(groups=["x" * 129]), "invalid_groups"),
        (track(name="revenue", properties={"__revenue": 1.5}), "invalid_revenue"),
        (track(name="revenue", properties={"__revenue": "10"}), "invalid_revenue"),
        (track(name="revenue", properties={"__revenue": -1}), "invalid_revenue"),
        (track(name="revenue", properties={"__revenue": True}), "invalid_revenue"),
        (track(name="revenue", properties={"__revenue": MAX_REVENUE + 1}), "invalid_revenue"),
        (track(name="revenue", properties={"__revenue": 1, "__currency": "ABC"}), "invalid_currency"),
        (track(name="revenue", properties={"__revenue": 1, "__currency": 978}), "invalid_currency"),
        (track(groups=["a"] * 101), "too_many_groups"),
        ({"type": "identify", "payload": {"profileId": "a", "firstName": "x" * 513}}, "profile_too_long"),
        ({"type": "identify", "payload": {"profileId": "a", "lastName": "x" * 513}}, "profile_too_long"),
        ({"type": "identify", "payload": {"profileId": "a", "email": "x" * 510 + "@b.c"}}, "profile_too_long"),
        ({"type": "identify", "payload": {"profileId": "a", "avatar": "a:" + "x" * 4095}}, "profile_too_long"),
        ({"type": "identify", "payload": {}}, "missing_profile_id"),
        ({"type": "identify", "payload": {"profileId": "a", "email": "nobody"}}, "invalid_profile"),
        ({"type": "identify", "payload": {"profileId": "a", "avatar": "nowhere"}}, "invalid_profile"),
        ({"type": "identify", "payload": {"profileId": "a", "firstName": 1}}, "invalid_profile"),
        ({"type": "identify", "payload": {"profileId": "a", "properties": 1}}, "invalid_properties"),
    ],
)
def test_what_is_refused_and_why(body: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(body)
    assert (refused.value.status, refused.value.reason) == (400, reason)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "1; SELECT PG_SLEEP(5)",
        "x' OR '1'='1",
        "a UNION SELECT b",
        "${jndi:ldap://a}",
        "x.oastify.com",
        "/index.php",
        "/backup.sql",
        "/.env",
        "/wp-admin",
        "/phpmyadmin/x",
        "<!DOCTYPE a>",
    ],
)
def test_marks_of_scanners_are_blocked(name: str) -> None:
    with pytest.raises(Refusal, match="scanner"):
        parse(track(name=name))


@pytest.mark.parametrize(
    "name", ["screen_view", "Sign up", "checkout/step 2", "Äpfel", "select union", "php", "a.json"]
)
def test_ordinary_names_are_not_blocked(name: str) -> None:
    assert only_event(track(name=name)).payload["name"] == name


def test_revenue_needs_a_secret() -> None:
    assert only_event(track(name="revenue", properties={"__revenue": 1200})).claims_revenue
    assert only_event(track(name="other", properties={"__revenue": "x"})).claims_revenue
    assert not only_event(track(name="revenue", properties={"__revenue": None})).claims_revenue
    assert not only_event(track(name="revenue")).claims_revenue


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({b"openpanel-client-id": b"a", b"openpanel-client-secret": b"s"}, {"clientId": "c"}, ("a", "s")),
        ({b"mixan-client-id": b"b", b"mixan-client-secret": b"t"}, {}, ("b", "t")),
        ({b"openpanel-client-id": b"a", b"mixan-client-secret": b"t"}, {}, ("a", "")),
        ({}, {"clientId": "c", "clientSecret": "u"}, ("c", "u")),
        ({}, {"clientId": 5, "clientSecret": None}, ("", "")),
        ({}, {}, ("", "")),
    ],
)
def test_where_credentials_come_from(
    headers: dict[bytes, bytes], body: dict[str, Any], expected: tuple[str, str]
) -> None:
    submission = parse({**track(), **body}, headers)
    assert (submission.client_id, submission.client_secret) == expected


def test_answers_are_openpanels() -> None:
    accepted = TRACK.accepted(request(), [Settled("e", 'd"1', "s")])
    assert orjson.loads(accepted.body) == {"deviceId": 'd"1', "sessionId": "s"}
    refused = TRACK.refused(Refusal(401, "unknown_client", "Invalid client id"))
    assert (refused.status, refused.body) == (401, b"Ingestion: Invalid client id")
    assert refused.content_type.split(b";")[0] == b"text/plain"
    refused = TRACK.refused(Refusal(400, "missing_name", "No."))
    assert refused.content_type == b"application/json"
    assert orjson.loads(refused.body)["reason"] == "missing_name"


def test_half_a_surrogate_pair_is_replaced() -> None:
    event = only_event(
        read_object(b'{"type":"track","payload":{"name":"a\\ud800","properties":{"\\udfff":"\\ud83d\\ude00"}}}')
    )
    assert event.payload["name"] == "a�"
    assert event.payload["properties"] == {"�": "😀"}
