"""What the types of OpenPanel requests beside track and identify mean."""

from typing import Any

import orjson
import pytest

from ingest.answers import Refusal
from ingest.protocols.openpanel import TRACK
from ingest.protocols.protocol import SentEvent
from schemas.raw_event import AssignGroupPayload, CounterPayload, GroupPayload, RawKind, ReplayPayload
from tests.unit.ingest.requests import events_of


def increment(**changes: Any) -> dict[str, Any]:
    return {"type": "increment", "payload": {"profileId": "ann", "property": "logins", **changes}}


def group(**changes: Any) -> dict[str, Any]:
    return {"type": "group", "payload": {"id": "acme", "type": "company", "name": "Acme", **changes}}


def replay(**changes: Any) -> dict[str, Any]:
    chunk = {
        "chunk_index": 0,
        "events_count": 2,
        "is_full_snapshot": True,
        "started_at": "2026-03-01T10:00:00.000Z",
        "ended_at": "2026-03-01T10:00:09.500Z",
        "payload": '[{"type":4}]',
    }
    return {"type": "replay", "payload": {**chunk, **changes}}


BAD_CHUNKS: tuple[dict[str, Any], ...] = (
    {"payload": []},
    {"payload": "x" * (2 * 1024 * 1024 + 1)},
    {"chunk_index": -1},
    {"chunk_index": 65_536},
    {"chunk_index": True},
    {"chunk_index": 1.5},
    {"events_count": 0},
    {"events_count": 2**31},
    {"is_full_snapshot": 1},
    {"started_at": 0},
    {"ended_at": "now"},
    {"sessionId": "x" * 65},
    {"sessionId": 5},
)


def only_event(body: dict[str, Any]) -> SentEvent:
    (event,) = events_of(TRACK, orjson.dumps(body))
    return event


@pytest.mark.parametrize("kind", [RawKind.INCREMENT, RawKind.DECREMENT])
@pytest.mark.parametrize(("given", "value"), [({}, 1), ({"value": None}, 1), ({"value": 2.5}, 2.5), ({"value": 3}, 3)])
def test_counters_say_what_to_add(kind: RawKind, given: dict[str, Any], value: float) -> None:
    event = only_event({**increment(profileId=7, **given), "type": kind.value})
    assert event == SentEvent(kind, {"property": "logins", "value": value}, profile_id="7")
    CounterPayload.model_validate(event.payload)


def test_a_group_is_described() -> None:
    event = only_event(group(properties={"plan": "pro"}))
    assert (event.kind, event.profile_id) == (RawKind.GROUP, "")
    described = GroupPayload(id="acme", type="company", name="Acme", properties={"plan": "pro"})
    assert GroupPayload.model_validate(event.payload) == described


@pytest.mark.parametrize(("given", "profile_id"), [({}, ""), ({"profileId": 7}, "7"), ({"profileId": None}, "")])
def test_groups_are_assigned_to_a_profile_or_to_the_device(given: dict[str, Any], profile_id: str) -> None:
    event = only_event({"type": "assign_group", "payload": {"groupIds": ["acme", "berlin"], **given}})
    assert (event.kind, event.profile_id) == (RawKind.ASSIGN_GROUP, profile_id)
    assert AssignGroupPayload.model_validate(event.payload).group_ids == ("acme", "berlin")


@pytest.mark.parametrize(("given", "session_id"), [({}, ""), ({"sessionId": None}, ""), ({"sessionId": "s"}, "s")])
def test_a_piece_of_a_recording_is_kept_as_it_came(given: dict[str, Any], session_id: str) -> None:
    event = only_event(replay(**given))
    assert event.kind is RawKind.REPLAY
    assert ReplayPayload.model_validate(event.payload) == ReplayPayload(
        session_id=session_id,
        chunk_index=0,
        events_count=2,
        is_full_snapshot=True,
        started_at=1_772_359_200_000,
        ended_at=1_772_359_209_500,
        payload='[{"type":4}]',
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"type": "increment", "payload": {}}, "missing_profile_id"),
        (increment(property=""), "invalid_property"),
        (increment(property="x" * 201), "invalid_property"),
        (increment(property=None), "invalid_property"),
        *((increment(value=value), "invalid_value") for value in (0, -1, "1", True, 1e300, 2**53 + 1)),
        ({"type": "group", "payload": {}}, "invalid_id"),
        (group(id=""), "invalid_id"),
        (group(id="x" * 129), "invalid_id"),
        (group(type=5), "invalid_type"),
        (group(type="x" * 65), "invalid_type"),
        (group(name=None), "invalid_name"),
        (group(name="x" * 513), "invalid_name"),
        (group(properties=1), "invalid_properties"),
        ({"type": "assign_group", "payload": {}}, "invalid_groups"),
        ({"type": "assign_group", "payload": {"groupIds": "a"}}, "invalid_groups"),
        ({"type": "assign_group", "payload": {"groupIds": [""]}}, "invalid_groups"),
        ({"type": "assign_group", "payload": {"groupIds": ["a"] * 101}}, "too_many_groups"),
        ({"type": "replay", "payload": {}}, "invalid_replay"),
        *((replay(**changes), "invalid_replay") for changes in BAD_CHUNKS),
    ],
)
def test_what_is_refused_and_why(body: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        only_event(body)
    assert (refused.value.status, refused.value.reason) == (400, reason)
