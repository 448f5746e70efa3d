"""What each operation does to a profile: counting, setting once, taking away, belonging to groups."""

from typing import Any

import pytest

from schemas.profile import ProfileOp
from streams.profiles import PROFILE_TRAITS
from streams.rejected import Rejected
from streams.subject import MAX_ASSIGNED_GROUPS, MAX_PROPERTIES, Subject, apply_operation
from tests.unit.streams.raw_log import NOON, PROJECT

Step = tuple[str, dict[str, Any], int]


def do(subject: Subject, op: str, values: dict[str, Any], time: int = 0, groups: tuple[str, ...] = ()) -> None:
    operation = {
        "op": op,
        "project_id": PROJECT,
        "profile_id": "ann",
        "event_id": "e",
        "time": NOON + time,
        "values": {f"properties.{name}": value for name, value in values.items()},
        "groups": groups,
        **dict.fromkeys(("raw_epoch", "raw_partition", "raw_offset", "raw_line"), 0),
    }
    apply_operation(subject, ProfileOp.model_validate(operation), PROFILE_TRAITS)


def after(*steps: Step) -> Subject:
    """A profile after these operations, stored and loaded again between them."""
    subject = Subject(None)
    for step in steps:
        do(subject, *step)
        subject = Subject(subject.encode())
    return subject


@pytest.mark.parametrize(
    ("steps", "properties"),
    [
        pytest.param([("increment", {"a": 2}, 0)], {"a": 2}, id="nothing there counts as 0"),
        pytest.param([("increment", {"a.b": 2}, 0), ("increment", {"a.b": -3}, 0)], {"a.b": -1}, id="nested, and down"),
        pytest.param([("set", {"a": "12"}, 0), ("increment", {"a": 1}, 0)], {"a": 13}, id="a number written as text"),
        pytest.param([("set", {"a": 1}, 9), ("increment", {"a": 1}, 0)], {"a": 2}, id="each counts, however late"),
        pytest.param(
            [("increment", {"a": 1}, 9), ("set", {"a": 5}, 0)], {"a": 1}, id="an older setting does not undo counting"
        ),
        pytest.param([("increment", {"a": 1}, 0), ("set", {"a": 5}, 9)], {"a": 5}, id="a newer setting does"),
        pytest.param(
            [("set", {"a": 2**53 + 1}, 0), ("increment", {"a": 2}, 0)], {"a": 2**53 + 3}, id="exact beyond a float"
        ),
        pytest.param([("set", {"a": 0.5}, 0), ("increment", {"a": 1}, 0)], {"a": 1.5}, id="with a fraction"),
        pytest.param([("set_once", {"a": 1}, 0), ("set_once", {"a": 2}, 9)], {"a": 1}, id="once"),
        pytest.param([("set_once", {"a": 1}, 9), ("set", {"a": 2}, 0)], {"a": 2}, id="any setting replaces it"),
        pytest.param([("set", {"a.b": 1}, 0), ("set_once", {"a": 2}, 9)], {"a.b": 1}, id="once: not over an object"),
        pytest.param([("set", {"a": 1}, 0), ("set_once", {"a.b": 2}, 9)], {"a": 1}, id="once: not below a value"),
        pytest.param([("set", {"a": 1, "b": 2}, 0), ("unset", {"a": None}, 1)], {"b": 2}, id="taken away"),
        pytest.param([("set", {"a": 1}, 9), ("unset", {"a": None}, 1)], {"a": 1}, id="set after it was taken away"),
        pytest.param([("unset", {"a": None}, 9), ("set", {"a": 1}, 0)], {}, id="a late setting stays away"),
        pytest.param([("unset", {"a": None}, 9), ("set", {"a.b": 1}, 0)], {}, id="so does what lies below"),
        pytest.param([("unset", {"a": None}, 0), ("set", {"a": 1}, 9)], {"a": 1}, id="a newer one comes back"),
        pytest.param([("unset", {"a": None}, 0), ("set_once", {"a": 1}, 9)], {"a": 1}, id="once, after taking away"),
        pytest.param([("unset", {"a": None}, 9), ("set_once", {"a": 1}, 0)], {}, id="once, before taking away"),
        pytest.param([("unset", {"a": None}, 9), ("increment", {"a": 1}, 10)], {"a": 1}, id="counting begins anew"),
        pytest.param(
            [("set", {"a.b": 1, "a.c": 2}, 0), ("set", {"a.c": 3}, 9), ("unset", {"a": None}, 5)],
            {"a.c": 3},
            id="all that is older below it goes",
        ),
        pytest.param(
            [("set", {"a": 1}, 0), ("unset", {"a.b": None}, 1), ("set", {"a.b": 2}, 2)],
            {"a.b": 2},
            id="what was taken away below a value replaces it when it is set",
        ),
    ],
)
def test_operations(steps: list[Step], properties: dict[str, Any]) -> None:
    subject = after(*steps)
    assert subject.properties() == properties
    assert subject.version == len(steps)


@pytest.mark.parametrize(
    ("there", "amount", "reason"),
    [
        ({"a": "many"}, {"a": 1}, "not_a_number"),
        ({"a": "1e5"}, {"a": 1}, "not_a_number"),
        ({"a": True}, {"a": 1}, "not_a_number"),
        ({"a": [1]}, {"a": 1}, "not_a_number"),
        ({"a.b": 1}, {"a": 1}, "not_a_number"),
        ({"a": 1}, {"a.b": 1}, "not_a_number"),
        ({}, {"a": "1 more"}, "not_a_number"),
        ({"a": 2**63 - 1}, {"a": 1}, "number_too_large"),
        ({"a": 1e308}, {"a": 1e308}, "number_too_large"),
    ],
)
def test_what_cannot_be_counted_changes_nothing(there: dict[str, Any], amount: dict[str, Any], reason: str) -> None:
    subject = after(("set", there, 0))
    before = subject.encode()
    with pytest.raises(Rejected) as rejected:
        do(subject, "increment", {"other": 1, **amount})
    assert rejected.value.reason == reason
    assert subject.encode() == before


def test_groups_are_added_once_and_within_bounds() -> None:
    subject = Subject(None)
    do(subject, "assign_groups", {}, groups=("acme", "team"))
    do(subject, "assign_groups", {}, groups=("team", "x", "x"))
    assert Subject(subject.encode()).groups == ["acme", "team", "x"]
    with pytest.raises(Rejected, match="profile_too_large"):
        do(subject, "assign_groups", {}, groups=tuple(map(str, range(MAX_ASSIGNED_GROUPS - 2))))
    with pytest.raises(Rejected, match="profile_too_large"):
        do(subject, "unset", dict.fromkeys(map(str, range(MAX_PROPERTIES + 1))))
    assert subject.groups == ["acme", "team", "x"]


def test_the_size_is_that_of_what_is_there() -> None:
    """It bounds the state, so it must neither creep nor fall below nothing."""
    subject = after(
        ("set", {"a": "x" * 50, "b.c": 1}, 0),
        ("set", {"a.d": 1}, 1),
        ("increment", {"b.c": 10**6}, 2),
        ("unset", {"a": None, "b": None}, 3),
        ("set", {"a": 1, "b": 1}, 4),
    )
    assert subject.size == after(("set", {"a": 1, "b": 1}, 0)).size
