"""OpenPanel's short and older forms, the pixel, the question for the device, and batches."""

from typing import Any

import orjson
import pytest

from ingest.access import Admission, Project
from ingest.answers import Refusal
from ingest.protocols.batch import BATCH, MAX_EVENTS
from ingest.protocols.openpanel_questions import DEVICE_ID
from ingest.protocols.openpanel_routes import ROUTES
from ingest.protocols.pixel import PIXEL
from ingest.protocols.protocol import SentEvent, Settled, Verdict
from schemas.control import ProjectRecord
from schemas.raw_event import RawKind
from tests.unit.ingest.requests import NOW, events_of, request, submission

SETTLED = Settled("e", "d", "s")
CLICK = {"type": "track", "payload": {"name": "clicked"}}


def test_every_route_has_the_prefix_where_nothing_is_guessed() -> None:
    plain = {path for path in ROUTES if not path.startswith("/openpanel")}
    assert {path for path in ROUTES if path.startswith("/openpanel")} == {f"/openpanel{path}" for path in plain}
    assert all(ROUTES[path] is ROUTES[f"/openpanel{path}"] for path in plain)


@pytest.mark.parametrize(
    ("path", "body", "kind", "answer"),
    [
        ("/event", {"name": "clicked", "properties": {"a": 1}, "profileId": 7}, RawKind.TRACK, (202, b"ok")),
        ("/profile", {"profileId": 7, "firstName": "Ann"}, RawKind.IDENTIFY, (202, b"7")),
        ("/profile/increment", {"profileId": "7", "property": "a"}, RawKind.INCREMENT, (202, b"7")),
        ("/profile/decrement", {"profileId": 7.0, "property": "a", "value": 2}, RawKind.DECREMENT, (202, b"7")),
        ("/identify", {"profileId": 7}, RawKind.IDENTIFY, (200, b'{"deviceId":"d","sessionId":"s"}')),
        (
            "/increment",
            {"profileId": 7, "property": "a"},
            RawKind.INCREMENT,
            (200, b'{"deviceId":"d","sessionId":"s"}'),
        ),
        (
            "/decrement",
            {"profileId": 7, "property": "a"},
            RawKind.DECREMENT,
            (200, b'{"deviceId":"d","sessionId":"s"}'),
        ),
    ],
)
def test_short_forms(path: str, body: dict[str, Any], kind: RawKind, answer: tuple[int, bytes]) -> None:
    sent = orjson.dumps(body)
    (event,) = events_of(ROUTES[path], sent)
    assert (event.kind, event.profile_id) == (kind, "7")
    accepted = ROUTES[path].accepted(request(sent), [SETTLED])
    assert (accepted.status, accepted.body) == answer
    assert accepted.content_type.startswith(b"text/plain" if answer[0] == 202 else b"application/json")


@pytest.mark.parametrize(
    ("body", "device", "alias"),
    [
        ({"deviceId": "laptop"}, "laptop", ""),
        ({"alias": "a.lee"}, "", "a.lee"),
        ({"deviceId": "", "alias": "a"}, "", "a"),
    ],
)
def test_a_link_is_taken_back_by_who_has_the_secret(body: dict[str, Any], device: str, alias: str) -> None:
    for sent, path in ((body, "/profile/unlink"), ({"type": "unlink", "payload": body}, "/track")):
        (event,) = events_of(ROUTES[path], orjson.dumps(sent))
        assert (event.kind, event.device_id, event.profile_id) == (RawKind.UNLINK, device, "")
        assert event.payload == {"alias": alias}
        project = Project(ProjectRecord(id="p", organization_id="o", name="P", unsafe_revenue=True))
        Admission(project, "c", verified=True).check_claim(event)
        with pytest.raises(Refusal) as refused:
            Admission(project, "c", verified=False).check_claim(event)
        assert refused.value.reason == "unlink_needs_secret"
        assert event.claims_revenue  # or nobody asks


@pytest.mark.parametrize("body", [{}, {"deviceId": "a", "alias": "b"}, {"alias": 7}, {"deviceId": "x" * 129}])
def test_an_unlink_names_one_link(body: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        ROUTES["/profile/unlink"].parse(request(orjson.dumps(body)))
    assert refused.value.reason in {"missing_link", "invalid_id"}


def test_an_identify_may_do_more_than_set() -> None:
    more = {"setOnce": {"a": 1}, "append": {"b": [1]}, "union": {"c": 2}, "unset": ["d"]}
    (event,) = events_of(ROUTES["/identify"], orjson.dumps({"profileId": "ann", **more}))
    assert event.payload == {
        "properties": {},
        "set_once": {"a": 1},
        "append": {"b": [1]},
        "union": {"c": 2},
        "unset": ["d"],
    }
    refusable: list[dict[str, Any]] = [{"setOnce": []}, {"append": "b"}, {"unset": {}}, {"unset": [""]}]
    for bad in refusable:
        with pytest.raises(Refusal) as refused:
            ROUTES["/identify"].parse(request(orjson.dumps({"profileId": "ann", **bad})))
        assert refused.value.reason == "invalid_profile"


@pytest.mark.parametrize("path", ["/event", "/profile", "/identify", "/increment", "/profile/decrement"])
def test_short_forms_are_as_strict(path: str) -> None:
    with pytest.raises(Refusal) as refused:
        ROUTES[path].parse(request(b"{}"))
    assert refused.value.reason in {"missing_name", "missing_profile_id"}


def test_a_pixel_tells_an_event_in_its_address() -> None:
    query = b"client_id=abc&name=opened+mail&path=https%3A%2F%2Fa.example%2F%C3%A4&title=A&profile_id=7&plan=pro&empty="
    sent = submission(PIXEL, query=query, method="GET")
    assert (sent.client_id, sent.key_suffices) == ("abc", True)
    (event,) = sent.events
    assert isinstance(event, SentEvent)
    assert (event.kind, event.profile_id) == (RawKind.TRACK, "7")
    properties = {"__path": "https://a.example/ä", "__title": "A", "plan": "pro", "empty": ""}
    assert event.payload == {"name": "opened mail", "properties": properties, "groups": []}
    answer = PIXEL.accepted(request(), [SETTLED])
    assert (answer.status, answer.content_type, answer.body[:6]) == (200, b"image/gif", b"GIF89a")
    assert (b"cache-control", b"no-store") in answer.headers


def test_a_pixel_without_more_is_a_view_of_its_page() -> None:
    sent = submission(PIXEL, b"", {b"referer": b"https://a.example/b"}, query=b"client_id=abc", method="GET")
    (event,) = sent.events
    assert isinstance(event, SentEvent)
    assert event.payload["name"] == "screen_view"
    assert event.payload["properties"] == {"__path": "https://a.example/b"}
    (money,) = submission(PIXEL, query=b"__revenue=5", method="GET").events
    assert isinstance(money, SentEvent)
    assert money.claims_revenue
    with pytest.raises(Refusal, match="100 parameters"):
        PIXEL.parse(request(query=b"a=1&" * 101))


def test_the_question_for_the_device_brings_no_event() -> None:
    asked = submission(DEVICE_ID, b"", {b"user-agent": b"a b", b"openpanel-client-id": b"abc"}, method="GET")
    assert (asked.client_id, asked.asks, list(asked.events)) == ("abc", True, [])
    with pytest.raises(Refusal, match="user-agent"):
        DEVICE_ID.parse(request())
    known, unknown = (DEVICE_ID.accepted(request(), [Settled("", "d", session)]) for session in ("s", ""))
    message = "current session exists for this device id"
    assert orjson.loads(known.body) == {"deviceId": "d", "sessionId": "s", "message": message}
    message = "No session exists for this device id"
    assert orjson.loads(unknown.body) == {"deviceId": "d", "sessionId": "", "message": message}


def batch(*events: Any, **more: Any) -> bytes:
    return orjson.dumps({"events": events, **more})


def test_a_batch_is_many_operations_with_ids_and_times_of_their_own() -> None:
    moment = NOW - 5_000
    events = events_of(
        BATCH,
        batch(
            CLICK,
            {**CLICK, "id": "order 1", "timestamp": "2026-03-01T10:00:00.250Z", "sentAt": moment},
            {**CLICK, "timestamp": moment, "sentAt": None},
            {"type": "increment", "payload": {"profileId": 7, "property": "a"}, "timestamp": float(moment)},
            sentAt=NOW,
        ),
    )
    assert [(event.event_id, event.client_ms, event.sent_ms) for event in events] == [
        ("", None, NOW),
        ("order 1", 1_772_359_200_250, moment),
        ("", moment, NOW),
        ("", moment, NOW),
    ]
    assert [event.kind for event in events] == [RawKind.TRACK] * 3 + [RawKind.INCREMENT]


def test_what_a_property_says_of_time_and_person_stays_with_the_event() -> None:
    properties = {
        "__timestamp": "2026-03-01T10:00:00.250Z",
        "__deviceId": "d-1",
        "__identify": {"profileId": 5, "a": 1},
    }
    entry = {"type": "track", "id": "1", "payload": {"name": "a", "properties": properties}}
    (event,) = events_of(BATCH, batch(entry))
    assert (event.event_id, event.client_ms, event.device_id, event.profile_id) == ("1", 1_772_359_200_250, "d-1", "5")
    assert event.also is not None


def test_each_event_of_a_batch_has_its_verdict() -> None:
    body = batch(CLICK, {"type": "track", "payload": {}}, 7, {**CLICK, "id": ""}, {**CLICK, "timestamp": "soon"})
    events = submission(BATCH, body).events
    assert [event.reason if isinstance(event, Refusal) else "" for event in events] == [
        *("", "missing_name", "not_an_object", "invalid_id", "invalid_time")
    ]
    verdicts: list[Verdict] = [SETTLED, *(event for event in events if isinstance(event, Refusal))]
    answer = orjson.loads(BATCH.accepted(request(body), verdicts).body)
    assert (answer["accepted"], answer["refused"], len(answer["results"])) == (1, 4, 5)
    assert answer["results"][0] == {"status": 200, "eventId": "e", "deviceId": "d", "sessionId": "s"}
    message = "An event needs a name: a text that is not empty."
    assert answer["results"][1] == {"status": 400, "reason": "missing_name", "message": message}


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"[]", 400, "not_an_object"),
        (b"{}", 400, "missing_events"),
        (batch(), 400, "missing_events"),
        (b'{"events":{}}', 400, "missing_events"),
        (batch(CLICK, sentAt="soon"), 400, "invalid_time"),
        (batch(CLICK, sentAt=True), 400, "invalid_time"),
        (batch(*[CLICK] * (MAX_EVENTS + 1)), 413, "too_many_events"),
    ],
)
def test_a_batch_that_is_none_is_refused_whole(body: bytes, status: int, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        BATCH.parse(request(body))
    assert (refused.value.status, refused.value.reason) == (status, reason)


def test_each_event_of_a_batch_claims_for_itself() -> None:
    revenue = {"type": "track", "payload": {"name": "revenue", "properties": {"__revenue": 100}}}
    events = events_of(BATCH, batch(CLICK, revenue, {**revenue, "id": "one"}))
    assert [event.claims_revenue for event in events] == [False, True, True]
    in_body = submission(BATCH, batch(CLICK, clientId="a", clientSecret="b"))
    assert (in_body.client_id, in_body.client_secret) == ("a", "b")
