"""A raw partition's processor: stream time, ledger, dead letters, poison."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from schemas import topics
from schemas.control import ProjectRecord
from schemas.event_time import clickhouse_time
from streams.devices import (
    CLOCK_KEY,
    GRACE_MS,
    MAX_ENDED_PER_MESSAGE,
    MAX_OUTCOME_ROWS,
    MAX_TAKEN_BYTES,
    MAX_TAKEN_LINES,
    DevicesProcessor,
)
from tests.unit.streams.raw_log import (
    CRAWLER,
    EPOCHS,
    HOUR,
    MINUTE,
    NOON,
    PARTITION,
    PARTITIONS,
    PROJECT,
    PROJECTS,
    SECOND,
    Partition,
    PoisonedGeo,
    RawLog,
    devices_processor,
    identify,
    nowhere,
    process,
    track,
)

DAY = 24 * HOUR


def ended(partition: Partition) -> list[str]:
    """Devices whose session ended, in that order."""
    return [row["device_id"] for row in partition.events("session_end")]


# -- stream time


@pytest.mark.parametrize(
    ("last_tick", "over"),
    [(30 * MINUTE, False), (30 * MINUTE + 1, True)],
    ids=["30 minutes after its arrival", "a millisecond later"],
)
def test_a_session_ends_by_the_logs_own_time(last_tick: int, over: bool) -> None:
    log = RawLog().send(NOON, track()).ticks(NOON + 30 * SECOND, NOON + 30 * MINUTE - 1).tick(NOON + last_tick)
    assert ended(process(log)) == (["device-1"] if over else [])


def test_any_message_tells_the_time() -> None:
    """Also one of another device, an empty one, and one that is a dead letter."""
    for value in (track("device-2", NOON + 31 * MINUTE), b"", b"{"):
        log = RawLog().send(NOON, track()).ticks(NOON, NOON + 30 * MINUTE).send(NOON + 31 * MINUTE, value)
        assert ended(process(log)) == ["device-1"]


def test_history_is_not_over_because_it_is_old() -> None:
    """What counts is when the device was last heard of, not the time its events speak of."""
    log = RawLog().send(NOON, track(time=NOON - 30 * DAY)).tick(NOON + SECOND)
    assert ended(process(log)) == []


def test_a_stamp_that_goes_back_does_not_turn_the_clock_back() -> None:
    log = RawLog().send(NOON, track()).ticks(NOON + 30 * SECOND, NOON + 29 * MINUTE).tick(NOON)
    partition = process(log.tick(NOON + 29 * MINUTE + SECOND))
    assert ended(partition) == []
    assert orjson.loads(partition.state[CLOCK_KEY])[0] == NOON + 29 * MINUTE + SECOND


@pytest.mark.parametrize("reload", [False, True], ids=["the same worker", "another one goes on"])
def test_after_an_outage_sessions_get_time_to_go_on(reload: bool) -> None:
    back = NOON + 3 * HOUR
    log = RawLog().send(NOON, track("stays"), track("goes")).tick(back)
    partition = Partition().take([log.chunk()])
    if reload:
        partition.reload()
    start = log.end
    log.send(back + MINUTE, track("stays", NOON + 20 * MINUTE))
    log.ticks(back + 90 * SECOND, back + GRACE_MS - 1)
    partition.take([log.chunk(start)])
    assert ended(partition) == []
    start = log.end
    partition.take([log.tick(back + GRACE_MS).chunk(start)])
    assert ended(partition) == ["goes"]


def test_the_first_message_of_a_log_is_no_outage() -> None:
    partition = process(RawLog().send(NOON, track()).ticks(NOON + SECOND, NOON + 31 * MINUTE))
    assert ended(partition) == ["device-1"]


def test_so_many_sessions_end_at_once_and_no_more() -> None:
    """Without the bound an outage makes one transaction of everybody's sessions."""
    devices = MAX_ENDED_PER_MESSAGE + 100
    log = RawLog()
    for first in range(0, devices, 1_000):
        log.send(NOON + first, *[track(f"d{number:06}") for number in range(first, min(first + 1_000, devices))])
    log.ticks(NOON + 30 * SECOND, NOON + 30 * MINUTE)
    begun = Partition().take([log.chunk()])
    late = NOON + 30 * MINUTE + 20 * SECOND
    start = log.end
    begun.take([log.tick(late).chunk(start)])
    assert len(ended(begun)) == MAX_ENDED_PER_MESSAGE
    start = log.end
    begun.take([log.tick(late).chunk(start)])
    assert ended(begun) == [f"d{number:06}" for number in range(devices)]
    counts = [dict(zip(r["row_tables"], r["row_counts"], strict=True)) for r in begun.rows(topics.LEDGER)[-2:]]
    assert [count["events"] for count in counts] == [MAX_ENDED_PER_MESSAGE, 100]


def many_idle_devices() -> tuple[RawLog, int]:
    """Devices heard of in one order and again in another; all overdue at the ticks from the returned offset on."""
    log = RawLog()
    count = MAX_ENDED_PER_MESSAGE + 50
    log.send(NOON, *[track(f"d{number:05}") for number in range(count)])
    for number in range(0, count, 3):
        log.send(NOON + 1 + (count - number), track(f"d{number:05}", NOON + 1))
    log.ticks(NOON + 30 * SECOND, NOON + 30 * MINUTE)
    ticks = log.end
    log.tick(NOON + 31 * MINUTE).tick(NOON + 31 * MINUTE).tick(NOON + 31 * MINUTE)
    return log, ticks


def test_who_ends_first_does_not_depend_on_what_memory_remembers() -> None:
    """A worker that was there all along has stale entries in its index; one that loaded the state has none. Which
    sessions end at which message, and so the rows, must be the same.
    """
    log, ticks = many_idle_devices()
    stayed = Partition().take([log.chunk(0, ticks)]).take([log.chunk(ticks)])
    loaded = Partition().take([log.chunk(0, ticks)])
    for offset in range(ticks, log.end):
        loaded.reload()
        loaded.take([log.chunk(offset, offset + 1)])
    assert ended(stayed) == ended(loaded)
    assert stayed.rows(topics.EVENTS) == loaded.rows(topics.EVENTS)
    arrivals = [row["raw_offset"] for row in stayed.events("session_end")]
    assert arrivals == sorted(arrivals)


def test_a_batch_stops_before_it_grows_too_large() -> None:
    lines, messages = 9_999, 12
    log = RawLog()
    for message in range(messages):
        log.send(NOON, track(str(message)), *[b"x"] * (lines - 1))
    partition = process(log)
    assert [outcome.end for outcome in partition.outcomes] == [5, 10, 12]
    assert all(len(outcome.records) < MAX_OUTCOME_ROWS + MAX_TAKEN_LINES for outcome in partition.outcomes)
    assert [row["from_offset"] for row in partition.rows(topics.LEDGER)] == list(range(messages))
    assert [row["device_id"] for row in partition.events("screen_view")] == [
        str(message) for message in range(messages)
    ]


# -- the ledger


def test_every_offset_is_in_the_ledger() -> None:
    log = RawLog().hole(2).send(NOON, track()).hole().tick(NOON + 1).send(NOON + 2, b"{").hole(3)
    rows = process(log).rows(topics.LEDGER)
    assert [(row["kind"], row["from_offset"], row["to_offset"]) for row in rows] == [
        ("hole", 0, 2),
        ("message", 2, 3),
        ("hole", 3, 4),
        ("tick", 4, 5),
        ("message", 5, 6),
        ("hole", 6, 9),
    ]
    assert [row["stamp"] for row in rows] == [clickhouse_time(NOON + more) for more in (0, 0, 1, 1, 2, 2)]
    assert {(row["raw_partition"], row["log_epoch"] > 0) for row in rows} == {(PARTITION, True)}


def test_a_ledger_row_says_what_became_of_the_lines() -> None:
    event = track(event_id="once")
    log = RawLog().send(
        NOON,
        event,
        event,
        b"nonsense",
        identify("device-1", "ann", first_name="Ann"),
        track("", name="server"),
        track("bot", user_agent=CRAWLER),
        track(project_id="unknown"),
    )
    (row,) = process(log).rows(topics.LEDGER)
    said = {name: row[name] for name in ("lines", "stored", "repeated", "bots", "filtered", "dead", "operations")}
    assert said == {"lines": 7, "stored": 3, "repeated": 1, "bots": 0, "filtered": 0, "dead": 2, "operations": 1}
    tables = dict(zip(zip(row["row_tables"], row["row_months"], strict=True), row["row_counts"], strict=True))
    assert tables == {
        ("events", 202603): 4,
        ("identities", 202603): 1,
        ("sessions", 202603): 1,
        ("session_events", 202603): 1,
    }


def test_rows_are_counted_in_the_month_they_are_stored_in() -> None:
    april = NOON + 40 * DAY
    log = RawLog().send(april, track(time=NOON), track(time=april))
    (row,) = process(log).rows(topics.LEDGER)
    tables = list(zip(row["row_tables"], row["row_months"], row["row_counts"], strict=True))
    assert tables == [
        ("events", 202603, 3),
        ("events", 202604, 2),
        ("session_events", 202603, 1),
        ("session_events", 202604, 1),
        ("sessions", 202603, 1),
        ("sessions", 202604, 1),
    ]


# -- what can't be processed


def raw(**changes: Any) -> bytes:
    return orjson.dumps({**track(), **changes})


BAD: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"nonsense", "not_json"),
    "half of JSON": (raw()[:-5], "not_json"),
    "an array": (b"[1]", "not_a_raw_event"),
    "a number": (b"1", "not_a_raw_event"),
    "bytes that are no text": (b"\xff\xfe\x00", "not_json"),
    "very deep": (b'{"a":' * 100_000, "not_json"),
    "no kind": (orjson.dumps({"project_id": PROJECT, "payload": {}}), "not_a_raw_event"),
    "unknown kind": (raw(kind="teleport"), "not_a_raw_event"),
    "a kind of a later version": (raw(kind="replay"), "kind_not_supported"),
    "another version": (raw(version=2), "not_a_raw_event"),
    "unknown project": (raw(project_id="nobody"), "unknown_project"),
    "device id too long": (raw(device_id="d" * 129), "not_a_raw_event"),
    "payload is no object": (raw(payload=[1]), "not_a_raw_event"),
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
def test_a_bad_line_is_a_dead_letter_and_its_neighbours_live(line: bytes, reason: str) -> None:
    log = RawLog().send(NOON, track("before"), line, track("after"))
    partition = process(log)
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


def test_revenue_stops_before_it_leaves_64_bits() -> None:
    """A sum over 64 bits could not be written: the worker would end on this message for ever."""
    sale = {"__revenue": 10**12}
    log = RawLog()
    for part in range(6):
        log.send(
            NOON + part,
            *[track(event_id=f"{part}-{n}", payload={"name": "revenue", "properties": sale}) for n in range(1_000)],
        )
    (session,) = process(log).sessions().values()
    assert session["revenue"] == 6_000 * 10**12


def test_lines_under_a_ticks_header_are_not_lost() -> None:
    headers = (("weir-kind", b"tick"),)
    log = RawLog().send(NOON, track())
    log.messages[-1] = replace(log.messages[-1], headers=headers)
    partition = process(log)
    assert [row["kind"] for row in partition.rows(topics.LEDGER)] == ["message"]
    assert len(partition.events("screen_view")) == 1


def test_a_device_in_two_partitions_has_sessions_of_its_own_in_each() -> None:
    """A foreign producer may put a device where its key does not belong; two sessions must not share an id."""
    ids = set()
    for number in range(PARTITIONS):
        processor = DevicesProcessor(number, PARTITIONS, EPOCHS, lambda: PROJECTS, nowhere)
        outcome = processor.process([RawLog().send(NOON, track()).chunk()])
        (record,) = (record for record in outcome.records if record.topic == topics.SESSIONS)
        ids.add(orjson.loads(record.value or b"")["session_id"])
    assert len(ids) == PARTITIONS


def test_what_is_live_is_never_part_of_a_transaction() -> None:
    """Rule 15: a dead owner's open transaction would keep every reader of ``weir.live`` waiting."""
    log = RawLog().send(
        NOON, track(), identify("device-1", "ann"), track(name="revenue", properties={"__revenue": 5}), b"nonsense"
    )
    log.ticks(NOON + SECOND, NOON + HOUR)
    processor = devices_processor()
    written = {record.topic for record in processor.process([log.chunk()]).records}
    assert {topics.EVENTS, topics.SESSIONS, topics.LEDGER, topics.PROFILE_OPS, topics.DEAD_LETTERS} <= written
    assert topics.LIVE not in written
