"""A raw partition's processor: what can't be processed becomes a dead letter, and everything beside it lives."""

from typing import Any

import orjson
import pytest

from schemas import topics
from schemas.control import ProjectRecord
from schemas.event_time import MAX_AGE_MS, MAX_SKEW_MS
from streams.devices import MAX_TAKEN_BYTES, MAX_TAKEN_LINES
from streams.sender import _sender
from tests.unit.streams.raw_log import (
    HOUR,
    MINUTE,
    NOON,
    PARTITION,
    PROJECT,
    PROJECTS,
    SECOND,
    Partition,
    PoisonedGeo,
    RawLog,
    devices_processor,
    operate,
    process,
    track,
)

DAY = 24 * HOUR

CHUNK = {
    "chunk_index": 0,
    "events_count": 1,
    "is_full_snapshot": True,
    "started_at": NOON,
    "ended_at": NOON,
    "payload": "[]",
}


def raw(**changes: Any) -> bytes:
    return orjson.dumps({**track(), **changes})


BAD: dict[str, tuple[bytes | dict[str, Any], str]] = {
    "not JSON": (b"nonsense", "not_json"),
    "half of JSON": (raw()[:-5], "not_json"),
    "an array": (b"[1]", "not_a_raw_event"),
    "a number": (b"1", "not_a_raw_event"),
    "bytes that are no text": (b"\xff\xfe\x00", "not_json"),
    "very deep": (b'{"a":' * 100_000, "not_json"),
    "no kind": (orjson.dumps({"project_id": PROJECT, "payload": {}}), "not_a_raw_event"),
    "unknown kind": (raw(kind="teleport"), "not_a_raw_event"),
    "increment nobody": (operate("increment", {"property": "a"}), "profile_id_missing"),
    "increment by a word": (operate("increment", {"property": "a", "value": "7"}, "ann"), "bad_payload"),
    "increment what has no name": (operate("decrement", {"property": " . "}, "ann"), "bad_payload"),
    "alias of nobody": (operate("alias", {"alias": "a"}), "profile_id_missing"),
    "alias without a name": (operate("alias", {"alias": ""}, "ann"), "bad_payload"),
    "groups for nobody": (operate("assign_group", {"group_ids": ["a"]}, device=""), "profile_id_missing"),
    "a group without an id": (operate("group", {"name": "Acme"}), "bad_payload"),
    "a recording of no session": (operate("replay", CHUNK), "session_id_missing"),
    "a recording without its text": (operate("replay", {**CHUNK, "payload": None}), "bad_payload"),
    "another version": (raw(version=2), "not_a_raw_event"),
    "unknown project": (raw(project_id="nobody"), "unknown_project"),
    "device id too long": (raw(device_id="d" * 129), "not_a_raw_event"),
    "payload is no object": (raw(payload=[1]), "not_a_raw_event"),
    "a thousand wrong hints": (raw(hints={f"h{n}": n for n in range(1_000)}), "not_a_raw_event"),
    "a thousand wrong groups": (raw(payload={"name": "a", "groups": [1] * 1_000}), "bad_payload"),
    "no name": (raw(payload={"properties": {}}), "bad_payload"),
    "empty name": (raw(payload={"name": ""}), "bad_payload"),
    "name is no text": (raw(payload={"name": 7}), "bad_payload"),
    "properties are a text": (raw(payload={"name": "a", "properties": "b"}), "bad_payload"),
    "identify nobody": (raw(kind="identify", payload={}), "profile_id_missing"),
    "identify with a list as name": (
        raw(kind="identify", profile_id="ann", payload={"first_name": []}),
        "bad_payload",
    ),
    "year 1": (raw(time=-62_135_596_800_000), "event_too_old"),
    "before time itself": (raw(time=-(2**53)), "event_too_old"),
    "time beyond all numbers": (raw(time=2**60), "not_a_raw_event"),
    "over 400 days old": (raw(time=NOON - 401 * DAY), "event_too_old"),
    "in the future": (raw(time=NOON + 61 * SECOND), "event_in_future"),
    "revenue in words": (
        raw(payload={"name": "revenue", "properties": {"__revenue": "ten"}}),
        "revenue_not_an_integer",
    ),
    "revenue in sea shells": (
        raw(payload={"name": "revenue", "properties": {"__revenue": 10, "__currency": "SHELL"}}),
        "currency_unknown",
    ),
}


@pytest.mark.parametrize(("line", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_line_is_a_dead_letter_and_its_neighbours_live(line: bytes | dict[str, Any], reason: str) -> None:
    line = line if isinstance(line, bytes) else orjson.dumps(line)
    partition = process(RawLog().send(NOON, track("before"), line, track("after")))
    (letter,) = partition.dead()
    assert letter["weir-reason"] == reason
    assert letter["weir-detail"]
    assert (letter["weir-offset"], letter["weir-line"], letter["weir-partition"]) == ("0", "1", str(PARTITION))
    assert [record.value for record in partition.records if record.topic == topics.DEAD_LETTERS] == [line]
    assert [row["device_id"] for row in partition.events("screen_view")] == ["before", "after"]
    (row,) = partition.rows(topics.LEDGER)
    assert (row["lines"], row["stored"], row["dead"]) == (3, 2, 1)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty_message"),
        (b"\n \n", "empty_message"),
        (b"x" * (MAX_TAKEN_BYTES + 1), "message_too_large"),
        (b"x\n" * (MAX_TAKEN_LINES + 1), "too_many_lines"),
    ],
    ids=["empty", "blank", "too large", "too many lines"],
)
def test_a_message_that_cannot_be_taken_is_one_dead_letter(value: bytes, reason: str) -> None:
    """What it makes would not fit into a transaction, nor it into a letter: the partition would stop for ever."""
    partition = process(RawLog().send(NOON, value).send(NOON, track()))
    (letter,) = partition.dead()
    assert (letter["weir-reason"], letter["weir-line"]) == (reason, "-1")
    assert [(row["lines"], row["dead"], row["stored"]) for row in partition.rows(topics.LEDGER)] == [
        (1, 1, 0),
        (1, 0, 1),
    ]
    assert all(len(record.value or b"") <= topics.MAX_RAW_MESSAGE_BYTES for record in partition.records)


def test_a_message_without_value_is_a_dead_letter() -> None:
    log = RawLog().send(NOON, track())
    log.messages.append(type(log.messages[0])(log.end, NOON, None))
    log.hole()
    assert [letter["weir-reason"] for letter in process(log).dead()] == ["empty_message"]


def test_a_project_that_keeps_less_refuses_older_events() -> None:
    brief = {PROJECT: PROJECTS[PROJECT].model_copy(update={"retention_days": 7})}
    partition = Partition(lambda: devices_processor(projects=lambda: brief))
    partition.take([RawLog().send(NOON, track(time=NOON - 8 * DAY), track(time=NOON - 6 * DAY)).chunk()])
    assert [letter["weir-reason"] for letter in partition.dead()] == ["event_too_old"]


@pytest.mark.parametrize(
    ("received", "time"),
    [
        pytest.param(NOON - 3 * DAY, NOON - 3 * DAY - MAX_AGE_MS, id="three days in a spool"),
        pytest.param(NOON - 1, NOON - 1 - MAX_AGE_MS, id="a millisecond on its way"),
        pytest.param(NOON + MAX_SKEW_MS, NOON + MAX_SKEW_MS + MINUTE, id="the gateway's clock is ahead"),
    ],
)
def test_what_a_gateway_took_at_the_edge_is_stored(received: int, time: int) -> None:
    """The gateway judges a time by its own clock; by the broker's stamp alone it would be refused after a 200."""
    partition = process(RawLog().send(NOON, track(time=time, received_at=received)))
    assert partition.dead() == []
    assert len(partition.events("screen_view")) == 1


def test_projects_are_those_known_now() -> None:
    known: dict[str, ProjectRecord] = {}
    log = RawLog().send(NOON, track()).send(NOON, track("device-2"))
    partition = Partition(lambda: devices_processor(projects=lambda: known)).take([log.chunk(0, 1)])
    known |= PROJECTS
    partition.take([log.chunk(1)])
    assert [row["device_id"] for row in partition.events("screen_view")] == ["device-2"]


def test_what_a_sender_says_of_the_query_gives_way_to_the_address() -> None:
    """A text "__query" beside "__query.a" would be a row that the store's JSON type refuses, with all its message."""
    given = {"__path": "https://shop.example/?a=1&b.c=2#top", "__query": "mine", "__hash": {"x": 1}}
    (row,) = process(RawLog().send(NOON, track(properties=given))).events("screen_view")
    assert row["properties"] == {"__query.a": "1", "__query.b_c": "2", "__hash": "#top"}


KEPT: dict[str, tuple[bytes, dict[str, Any]]] = {
    "lone surrogate": (rb'{"a":"x\ud800"}', {"a": "x\N{REPLACEMENT CHARACTER}"}),
    "number beyond 64 bits": (b'{"a":123456789012345678901234567890}', {}),
    "NUL": (rb'{"a":"x\u0000y"}', {}),
    "NaN": (b'{"a":NaN,"b":1}', {"b": 1}),
    "infinity": (b'{"a":-Infinity,"b":1}', {"b": 1}),
    "same path twice": (b'{"a.b":1,"a":{"b":2}}', {}),
    "empty key": (b'{"":1,"b":2}', {"b": 2}),
    "not a date": (b'{"a":"9999-99-99"}', {"a": "9999-99-99"}),
}


@pytest.mark.parametrize(("properties", "has"), KEPT.values(), ids=KEPT.keys())
def test_odd_properties_do_not_cost_the_event(properties: bytes, has: dict[str, Any]) -> None:
    whole = orjson.dumps(track(properties={"mark": 1}))
    partition = process(RawLog().send(NOON, whole.replace(b'{"mark":1}', properties)))
    assert partition.dead() == []
    (row,) = partition.events("screen_view")
    assert {name: row["properties"].get(name) for name in has} == has


# -- a line on which the step throws


def test_a_line_that_makes_the_step_throw_dies_alone() -> None:
    """A bug of ours on one event must not stop a partition; what the step did half way must not stay either."""
    log = RawLog().send(NOON, track(), track(ip="6.6.6.6", event_id="poison"), track(time=NOON + 1))
    log.send(NOON + 2, track("device-2", ip="6.6.6.6"), track("device-2", NOON + 1))
    partition = process(log, PoisonedGeo("6.6.6.6"))
    letters = partition.dead()
    assert [(letter["weir-reason"], letter["weir-stage"]) for letter in letters] == [("step_failed", "step")] * 2
    assert [(letter["weir-offset"], letter["weir-line"]) for letter in letters] == [("0", "1"), ("1", "0")]
    assert "ValueError: The database is damaged." in letters[0]["weir-detail"]
    assert [(row["lines"], row["stored"], row["dead"]) for row in partition.rows(topics.LEDGER)] == [
        (3, 2, 1),
        (2, 1, 1),
    ]
    assert sorted(session["event_count"] for session in partition.sessions().values()) == [1, 2]


def test_poison_leaves_the_rest_as_it_would_have_been() -> None:
    """The same rows as if the poison had been nonsense from the start, sessions that were about to end included."""

    def log(bad: dict[str, Any] | bytes) -> RawLog:
        made = RawLog().send(NOON, track("idle"), track("busy"))
        made.ticks(NOON + 30 * SECOND, NOON + 30 * MINUTE)
        return made.send(NOON + 31 * MINUTE, track("busy", NOON + 1), bad, track("busy", NOON + 31 * MINUTE))

    def run(bad: dict[str, Any] | bytes, split: bool) -> Partition:
        whole = log(bad)
        partition = Partition(lambda: devices_processor(PoisonedGeo("6.6.6.6")))
        chunks = [whole.chunk(0, whole.end - 1), whole.chunk(whole.end - 1)]
        return partition.take(chunks[:1]).take(chunks[1:]) if split else partition.take(chunks)

    for split in (False, True):
        poisoned, plain = run(track("busy", ip="6.6.6.6", event_id="poison"), split), run(b"nonsense", split)
        assert [letter["weir-reason"] for letter in poisoned.dead()] == ["step_failed"]
        assert poisoned.events() == plain.events()
        assert poisoned.rows(topics.LEDGER) == plain.rows(topics.LEDGER)
        # The batch was cut before the message that held the poison, so pairs may be grouped differently.
        assert _without_versions(poisoned) == _without_versions(plain)


def _without_versions(partition: Partition) -> dict[str, dict[str, Any]]:
    return {key: {**session, "version": 0} for key, session in partition.sessions().items()}


def test_a_message_full_of_poison_is_given_up_and_the_next_goes_on() -> None:
    poison = [track(f"device-{n}", ip="6.6.6.6") for n in range(200)]
    log = RawLog().send(NOON, track("before")).send(NOON + 1, *poison).send(NOON + 2, track("after"))
    partition = process(log, PoisonedGeo("6.6.6.6"))
    assert [letter["weir-reason"] for letter in partition.dead()] == ["step_failed"] * 200
    assert {row["device_id"] for row in partition.events("screen_view")} == {"before", "after"}


def test_of_a_long_hint_only_its_beginning_is_remembered() -> None:
    """What the lookup remembers, thousands of it, must not be megabytes that a foreign producer sent."""
    agents = [{"sec-ch-ua": '"Chromium";v="131"' + " " * 10_000 + str(number)} for number in range(3)]
    before = _sender.cache_info().misses
    process(RawLog().send(NOON, *[track(hints=hints, event_id=str(n)) for n, hints in enumerate(agents)]))
    assert _sender.cache_info().misses == before + 1
