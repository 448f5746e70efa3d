"""What PostHog requests mean."""

from typing import Any

import orjson
import pytest

from ingest.answers import Refusal
from ingest.protocols.posthog import CAPTURE
from ingest.protocols.protocol import SentEvent, Settled
from schemas.raw_event import AliasPayload, GroupPayload, IdentifyPayload, RawKind, TrackPayload
from tests.unit.ingest.requests import NOW, events_of, submission

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


def test_what_the_library_says_of_itself_is_left_out() -> None:
    noise = {"$sdk_debug_retry_queue_size": 0, "$lib_rate_limit_remaining_tokens": 9, "$time": 1.5, "fbclid": None}
    event = sent("a", {**noise, "$insert_id": "i-1", "$timezone": "UTC", "time": 1})
    assert (event.payload["properties"], event.event_id) == ({"$timezone": "UTC", "time": 1}, "i-1")
    assert sent("$set", {"$set_once": {"a": None, "b": 0}}).payload["set_once"] == {"b": 0}


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
