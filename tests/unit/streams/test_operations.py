"""Raw events that are no events of their own: what each kind makes of rows and operations.

And whatever they say: each comes to a row or to a dead letter that says why.
"""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.event_time import clickhouse_time
from schemas.group import Group
from schemas.identity import Identity
from schemas.partition import partition_of
from schemas.profile import Profile
from schemas.replay import ReplayChunk
from streams.chunk import Chunk
from streams.profiles import ProfilesProcessor
from streams.rows import MAX_ENVELOPE_OPERATIONS
from tests.unit.streams.raw_log import (
    EPOCHS,
    NOON,
    PARTITION,
    PARTITIONS,
    PROJECT,
    SECOND,
    Message,
    Partition,
    RawLog,
    identify,
    operate,
    process,
)

STAMP = NOON + SECOND
CHUNK = {
    "session_id": "told",
    "chunk_index": 7,
    "events_count": 3,
    "is_full_snapshot": False,
    "started_at": NOON,
    "ended_at": NOON + SECOND,
    "payload": '[{"type":2,"data":"\\ud800"}]',
}


def made(*events: dict[str, Any]) -> Partition:
    """All in one message; nothing of it dies, and nothing is an event."""
    partition = process(RawLog().send(STAMP, *events))
    assert partition.dead() == []
    assert partition.events() == []
    (row,) = partition.rows(topics.LEDGER)
    assert row["operations"] == len(events)
    return partition


def operations(*events: dict[str, Any]) -> list[dict[str, Any]]:
    return made(*events).rows(topics.PROFILE_OPS)


@pytest.mark.parametrize("device", ["device-1", ""], ids=["of a device", "of a server"])
@pytest.mark.parametrize(("kind", "amount"), [("increment", 3), ("decrement", -3)])
def test_counting_names_its_place_in_the_raw_log(kind: str, amount: int, device: str) -> None:
    partition = made(operate(kind, {"property": "visits.total", "value": 3}, "ann", device=device))
    (operation,) = partition.rows(topics.PROFILE_OPS)
    assert operation | {"event_id": ""} == {
        "version": 1,
        "op": "increment",
        "project_id": PROJECT,
        "profile_id": "ann",
        "event_id": "",
        "time": NOON,
        "values": {"properties.visits.total": amount},
        "raw_epoch": EPOCHS[topics.RAW],
        "raw_partition": PARTITION,
        "raw_offset": 0,
        "raw_line": 0,
    }
    (record,) = (record for record in partition.records if record.topic == topics.PROFILE_OPS)
    assert record.partition == partition_of(PROJECT, "ann", PARTITIONS)


def test_counting_again_with_the_same_id_counts_once() -> None:
    event = operate("increment", {"property": "a"}, "ann", event_id="once")
    partition = process(RawLog().send(STAMP, event, event).send(STAMP, event))
    assert len(partition.rows(topics.PROFILE_OPS)) == 1


def test_an_identify_may_set_once_and_take_away() -> None:
    event = operate("identify", {"first_name": "Ann", "set_once": {"a": {"b": 1}}, "unset": ["c . d", "."]}, "ann")
    found = [(operation["op"], operation["values"]) for operation in operations(event)]
    assert [op for op, _ in found] == ["set", "set_once", "unset"]
    assert found[0][1]["first_name"] == "Ann"
    assert found[1:] == [("set_once", {"properties.a.b": 1}), ("unset", {"properties.c.d": None})]


def test_groups_go_to_whom_they_are_said_of() -> None:
    """To the profile named, else to the device's own record: whose device it is may be taken back."""
    groups = {"group_ids": ["acme", "team", "acme"]}
    found = operations(
        operate("assign_group", groups),
        identify("device-1", "ann"),
        operate("assign_group", groups, time=NOON + 1),
        operate("assign_group", groups, "bob", device=""),
    )
    assert [(one["profile_id"], one["groups"]) for one in found if one["op"] == "assign_groups"] == [
        ("device-1", ["acme", "team"]),
        ("device-1", ["acme", "team"]),
        ("bob", ["acme", "team"]),
    ]


def test_a_group_is_an_operation_on_the_group() -> None:
    payload = {"id": "acme", "type": "company", "properties": {"plan": {"name": "pro"}, "gone": None}}
    partition = made(operate("group", payload, "ann"))
    (operation,) = partition.rows(topics.PROFILE_OPS)
    assert (operation["op"], operation["group_id"]) == ("set_group", "acme")
    assert operation["values"] == {"type": "company", "properties.plan.name": "pro"}
    (record,) = (record for record in partition.records if record.topic == topics.PROFILE_OPS)
    assert record.partition == partition_of(PROJECT, "acme", PARTITIONS)


def test_an_alias_is_a_link_of_two_profiles_and_the_newer_wins() -> None:
    events = [operate("alias", {"alias": "old"}, name, device="") for name in ("ann", "bob")]
    first, second = made(*events).rows(topics.IDENTITIES)
    assert [first[name] for name in ("kind", "source_id", "profile_id", "created_at")] == [
        "profile",
        "old",
        "ann",
        clickhouse_time(NOON),
    ]
    assert second["profile_id"] == "bob"
    assert second["version"] > first["version"]


def test_a_piece_of_a_recording_is_a_row() -> None:
    partition = made(operate("replay", CHUNK), operate("replay", {**CHUNK, "session_id": ""}, session_id="own"))
    first, second = partition.rows(topics.REPLAY)
    assert (first["session_id"], second["session_id"]) == ("told", "own")
    assert {name: first[name] for name in ("device_id", "chunk_index", "payload", "stamp", "started_at")} == {
        "device_id": "device-1",
        "chunk_index": 7,
        "payload": CHUNK["payload"],
        "stamp": clickhouse_time(STAMP),
        "started_at": clickhouse_time(NOON),
    }
    assert partition.sessions() == {}


def test_a_recorders_clock_may_say_anything() -> None:
    (row,) = made(operate("replay", {**CHUNK, "started_at": -(2**53), "ended_at": 2**53})).rows(topics.REPLAY)
    assert (row["started_at"], row["ended_at"]) == ("1970-01-01 00:00:00.000", "2099-12-31 23:59:59.999")


NAMES = st.sampled_from(["a", "a.b", "a.b.c", "b", " . ", "\x00", "properties.a", "é", "x" * 300]) | st.text(max_size=9)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0, 1, 2**63 - 1, -(2**63), "7", "1.5", "x"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)
LISTS = st.lists(NAMES, max_size=4)


def odd(good: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Payloads of good fields, some of which are missing or something else."""
    return st.fixed_dictionaries({}, optional={name: field | field | field | VALUES for name, field in good.items()})


MOMENTS = st.integers(-(2**54), 2**54)
KINDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "identify": odd({"first_name": NAMES, "properties": OBJECTS, "set_once": OBJECTS, "unset": LISTS}),
    "increment": st.builds(lambda name, value: {"property": name, "value": value}, NAMES, NUMBERS | VALUES),
    "decrement": st.builds(lambda name, value: {"property": name, "value": value}, NAMES, NUMBERS),
    "alias": odd({"alias": NAMES}),
    "group": odd({"id": NAMES, "type": NAMES, "name": NAMES, "properties": OBJECTS}),
    "assign_group": odd({"group_ids": LISTS}),
    "replay": st.builds(
        lambda index, start, end, text: {**CHUNK, "chunk_index": index, "started_at": start, "ended_at": end, **text},
        st.integers(-1, 70_000),
        MOMENTS,
        MOMENTS,
        odd({"payload": st.text(), "session_id": NAMES}),
    ),
}
ODD_EVENTS = st.sampled_from(list(KINDS)).flatmap(
    lambda kind: st.tuples(KINDS[kind], NAMES, st.sampled_from(["device-1", ""]), st.uuids()).map(
        lambda said: operate(kind, said[0], said[1], device=said[2], event_id=str(said[3]))
    )
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ODD_EVENTS, min_size=1, max_size=8))
def test_whatever_is_said_comes_to_a_row_or_a_dead_letter(events: list[dict[str, Any]]) -> None:
    # As Python's own writer does it: NaN, numbers beyond 64 bits and halves of characters included.
    devices = process(RawLog().send(STAMP, *[json.dumps(event).encode() for event in events]))
    (account,) = devices.rows(topics.LEDGER)
    assert account["lines"] == len(events) == account["operations"] + account["dead"]
    assert account["dead"] == len(devices.dead())
    lines = [orjson.dumps(operation) for operation in devices.rows(topics.PROFILE_OPS)]
    people = Partition(lambda: ProfilesProcessor(PARTITION, EPOCHS))
    for offset, line in enumerate(lines):
        people.take([Chunk(topics.PROFILE_OPS, PARTITION, offset, [Message(offset, STAMP, line)], offset + 1)])
    reasons = {letter["weir-reason"] for letter in devices.dead() + people.dead()}
    assert reasons <= {
        "not_a_raw_event",
        "bad_payload",
        "profile_id_missing",
        "session_id_missing",
        "not_a_number",
        "number_too_large",
    }
    for topic, model in (
        (topics.IDENTITIES, Identity),
        (topics.REPLAY, ReplayChunk),
        (topics.PROFILES, Profile),
        (topics.GROUPS, Group),
    ):
        for row in (people if topic in (topics.PROFILES, topics.GROUPS) else devices).rows(topic):
            model.model_validate(row)
    newest = {(row.get("profile_id"), row.get("group_id")): row["version"] for row in people.rows(topics.PROFILES)}
    newest |= {(None, row["group_id"]): row["version"] for row in people.rows(topics.GROUPS)}
    assert sum(newest.values()) + len(people.dead()) == len(lines)


def test_a_message_of_operations_is_not_more_than_a_transaction_can_take() -> None:
    """Each may rewrite a profile of hundreds of kilobytes, and a message is taken as a whole."""
    events = [operate("increment", {"property": "n"}, f"person-{number}") for number in range(2_000)]
    records = [record for record in made(*events).records if record.topic == topics.PROFILE_OPS]
    sizes = [len((record.value or b"").splitlines()) for record in records]
    assert sum(sizes) == len(events)
    assert max(sizes) == MAX_ENVELOPE_OPERATIONS
