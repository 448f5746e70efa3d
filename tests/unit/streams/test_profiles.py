"""Profiles: settings by event time, bounds, rows, and the same state whatever the batches."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.event_time import clickhouse_time
from schemas.group import Group
from schemas.profile import Profile
from streams.chunk import Chunk
from streams.profiles import MAX_OUTCOME_BYTES, ProfilesProcessor
from streams.subject import MAX_PROPERTIES, MAX_STATE_BYTES, MAX_TIME_MS
from tests.unit.streams.raw_log import EPOCHS, NOON, PARTITION, PROJECT, Message, Partition


def operation(values: dict[str, Any], time: int = NOON, profile: str = "ann", **more: Any) -> bytes:
    line = {
        "version": 1,
        "op": "set",
        "project_id": PROJECT,
        "profile_id": profile,
        "event_id": "e",
        "time": time,
        "values": values,
        "raw_epoch": 1,
        "raw_partition": 0,
        "raw_offset": 0,
        "raw_line": 0,
    }
    return orjson.dumps({**line, **more})


def people() -> Partition:
    return Partition(lambda: ProfilesProcessor(PARTITION, EPOCHS))


def chunk_of(*values: bytes, start: int = 0) -> Chunk:
    """One message per value."""
    messages = [Message(start + number, NOON, value) for number, value in enumerate(values)]
    return Chunk(topics.PROFILE_OPS, PARTITION, start, list(messages), start + len(values))


def newest(partition: Partition, profile: str = "ann") -> dict[str, Any]:
    """What the compacted topic keeps of a profile."""
    rows = [row for row in partition.rows(topics.PROFILES) if row["profile_id"] == profile]
    assert [row["version"] for row in rows] == sorted(row["version"] for row in rows)
    return rows[-1]


def test_a_row_says_all_that_is_known() -> None:
    first = operation({"first_name": "Ann", "email": "ann@example.org", "properties.plan": "free"}, NOON)
    second = operation({"last_name": "Lee", "properties.plan": "pro", "properties.seats": 3}, NOON + 1_000)
    partition = people().take([chunk_of(first + b"\n" + second)])
    assert newest(partition) == {
        "project_id": PROJECT,
        "profile_id": "ann",
        "first_name": "Ann",
        "last_name": "Lee",
        "email": "ann@example.org",
        "avatar": "",
        "properties": {"plan": "pro", "seats": 3},
        "groups": [],
        "created_at": clickhouse_time(NOON),
        "updated_at": clickhouse_time(NOON + 1_000),
        "is_deleted": 0,
        "version": 2,
        "ops_epoch": EPOCHS[topics.PROFILE_OPS],
        "ops_partition": PARTITION,
        "ops_offset": 0,
        "log_epoch": EPOCHS[topics.PROFILES],
    }
    (record,) = (record for record in partition.records if record.topic == topics.PROFILES)
    assert (record.key, record.partition) == (f"{PROJECT}:ann".encode(), PARTITION)


@pytest.mark.parametrize(
    ("operations", "properties"),
    [
        pytest.param([({"a": 1}, 10), ({"a": 2}, 20)], {"a": 2}, id="in order"),
        pytest.param([({"a": 2}, 20), ({"a": 1}, 10)], {"a": 2}, id="the later stands, whichever came first"),
        pytest.param([({"a": 1}, 10), ({"a": 2}, 10)], {"a": 2}, id="at the same time: what came last"),
        pytest.param([({"a": 1}, 20), ({"b": 2}, 10)], {"a": 1, "b": 2}, id="each property for itself"),
        pytest.param([({"a": 1}, 10), ({"a.b": 2}, 20)], {"a.b": 2}, id="a value becomes an object"),
        pytest.param([({"a.b": 2, "a.c": 3}, 10), ({"a": 1}, 20)], {"a": 1}, id="an object becomes a value"),
        pytest.param([({"a": 1}, 20), ({"a.b": 2}, 10)], {"a": 1}, id="an older object does not replace a value"),
        pytest.param([({"a.b": 2}, 20), ({"a": 1}, 10)], {"a.b": 2}, id="an older value does not replace an object"),
        pytest.param(
            [({"a.b.c": 1}, 10), ({"a": 1}, 20), ({"ab": 2}, 20)], {"a": 1, "ab": 2}, id="deeper, and a namesake"
        ),
    ],
)
def test_of_two_settings_the_later_stands(
    operations: list[tuple[dict[str, Any], int]], properties: dict[str, Any]
) -> None:
    lines = [
        operation({f"properties.{name}": value for name, value in values.items()}, NOON + time)
        for values, time in operations
    ]
    assert newest(people().take([chunk_of(*lines)]))["properties"] == properties


def test_what_is_no_property_is_left_out() -> None:
    assert newest(people().take([chunk_of(operation({"password": "x", "properties.a": 1}))]))["properties"] == {"a": 1}


LARGE = "x" * 4_000
BAD: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"nonsense", "not_an_operation"),
    "lone surrogate": (rb'{"op":"\ud800"}', "not_an_operation"),
    "unknown operation": (operation({}, op="forget"), "not_an_operation"),
    "no time of this world": (operation({}, time=MAX_TIME_MS), "not_an_operation"),
    "before 1970": (operation({}, time=-1), "not_an_operation"),
    "number beyond 64 bits": (
        operation({}).replace(b'"values":{}', b'"values":{"properties.a":123456789012345678901}'),
        "not_an_operation",
    ),
    "too many properties": (
        operation({f"properties.p{number}": 1 for number in range(MAX_PROPERTIES + 1)}),
        "profile_too_large",
    ),
    "too many bytes": (operation({f"properties.p{number}": LARGE for number in range(70)}), "profile_too_large"),
}


@pytest.mark.parametrize(("line", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_operation_is_a_dead_letter_and_its_neighbours_live(line: bytes, reason: str) -> None:
    good = operation({"first_name": "Ann"}), operation({"last_name": "Lee"})
    partition = people().take([chunk_of(b"\n".join((good[0], line, good[1])))])
    (letter,) = partition.dead()
    assert (letter["weir-reason"], letter["weir-stage"], letter["weir-line"]) == (reason, "profile", "1")
    assert (letter["weir-topic"], letter["weir-offset"]) == (topics.PROFILE_OPS, "0")
    assert (newest(partition)["first_name"], newest(partition)["last_name"]) == ("Ann", "Lee")


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "in batches of one"])
def test_the_bound_of_a_profile_does_not_depend_on_batches(together: bool) -> None:
    """Measured on what was committed before the batch, one batch took more than many."""
    lines = [operation({f"properties.p{number}": LARGE}) for number in range(80)]
    partition = people()
    if together:
        partition.take([chunk_of(*lines)])
    else:
        for number, line in enumerate(lines):
            partition.take([chunk_of(line, start=number)]).reload()
    assert [int(letter["weir-offset"]) for letter in partition.dead()] == list(range(64, 80))
    (state,) = partition.state.values()
    assert MAX_STATE_BYTES - 2 * len(LARGE) < len(state) < MAX_STATE_BYTES + 1_024


def test_replacing_a_large_value_is_no_growth() -> None:
    values = {f"properties.p{number}": LARGE for number in range(60)}
    partition = people().take([chunk_of(operation(values), operation(values, NOON + 1))])
    assert partition.dead() == []
    assert newest(partition)["version"] == 2


def test_a_batch_stops_before_it_grows_too_large() -> None:
    """Small operations on large profiles: what must be written is the profiles."""
    values = {f"properties.p{number}": LARGE for number in range(60)}
    names = [f"person-{number}" for number in range(200)]
    partition = people()
    for number, name in enumerate(names):
        partition.take([chunk_of(operation(values, profile=name), start=number)])
    count = len(partition.outcomes)
    partition.records.clear()
    partition.take([chunk_of(*[operation({"first_name": "A"}, profile=name) for name in names], start=len(names))])
    batches = partition.outcomes[count:]
    assert len(batches) > 1
    assert batches[-1].end == 2 * len(names)
    for batch in batches:
        assert sum(len(value or b"") for value in batch.changes.values()) < 1.2 * MAX_OUTCOME_BYTES
    assert [row["version"] for row in partition.rows(topics.PROFILES)] == [2] * len(names)


PATHS = st.sampled_from(["a", "a.b", "a.b.c", "a.d", "e"])
TIMES = st.integers(0, 5).map(lambda time: NOON + time)


def below(values: dict[str, Any]) -> dict[str, Any]:
    return {f"properties.{name}": value for name, value in values.items()}


OPERATIONS = st.one_of(
    st.builds(
        lambda op, profile, values, time: operation(below(values), time, profile, op=op),
        st.sampled_from(["set", "set", "set_once", "increment", "unset"]),
        st.sampled_from(["ann", "bob"]),
        st.dictionaries(PATHS, st.integers(0, 9), max_size=3),
        TIMES,
    ),
    st.builds(
        lambda groups, time: operation({}, time, op="assign_groups", groups=groups),
        st.lists(st.sampled_from("xyz"), max_size=3),
        TIMES,
    ),
    st.builds(
        lambda values, time: operation({"name": "Acme", **below(values)}, time, op="set_group", group_id="acme"),
        st.dictionaries(PATHS, st.integers(0, 9), max_size=3),
        TIMES,
    ),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(OPERATIONS, min_size=1, max_size=15), st.data())
def test_profiles_do_not_depend_on_batches_or_workers(lines: list[bytes], data: st.DataObject) -> None:
    whole = people().take([chunk_of(*lines)])
    pieces = people()
    at = 0
    while at < len(lines):
        size = data.draw(st.integers(1, len(lines) - at), "messages in a batch")
        pieces.take([chunk_of(*lines[at : at + size], start=at)])
        at += size
        if data.draw(st.booleans(), "another worker goes on"):
            pieces.reload()
    assert pieces.state == whole.state
    assert pieces.dead() == whole.dead()
    for topic, model, names in ((topics.PROFILES, Profile, "profile_id"), (topics.GROUPS, Group, "group_id")):
        found, expected = ({row[names]: row for row in one.rows(topic)} for one in (pieces, whole))
        assert found == expected
        for row in found.values():
            model.model_validate(row)
            paths = row["properties"]
            assert not any(other.startswith(f"{path}.") for path in paths for other in paths)
