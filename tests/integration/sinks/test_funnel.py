"""Funnels against a plain model that tries every way through the steps."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from query_api.errors import InvalidRequestError
from query_api.periods import Interval, Period
from query_api.sql.funnel import funnel, reached_counts
from schemas.conditions import Condition, Operator
from schemas.rules import RuleStep

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = Period(
    datetime(2026, 3, 1, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2026, 3, 2, tzinfo=ZoneInfo("Europe/Berlin")),
    Interval.HOUR,
)


@dataclass(frozen=True)
class Done:
    """An event: who did what, when (milliseconds after noon)."""

    who: str
    name: str
    at: int
    path: str = "/"


def named(*names: str) -> tuple[RuleStep, Callable[[Done], bool]]:
    """A step of these names, and the same for the model."""
    return RuleStep(events=names), lambda done: done.name in names


def on(path: str, *names: str) -> tuple[RuleStep, Callable[[Done], bool]]:
    """A step on a page."""
    step = RuleStep(events=names, conditions=(Condition(name="path", operator=Operator.IS, values=(path,)),))
    return step, lambda done: done.path == path and (not names or done.name in names)


def farthest(events: Sequence[Done], tests: Sequence[Callable[[Done], bool]], window: int) -> int:
    """How many steps, trying every first event and every event after it."""

    def on_from(step: int, after: int, until: int) -> int:
        if step == len(tests):
            return step
        ways = [done.at for done in events if after < done.at <= until and tests[step](done)]
        return max((on_from(step + 1, at, until) for at in ways), default=step)

    return max((on_from(1, done.at, done.at + window) for done in events if tests[0](done)), default=0)


def put(client: Client, events: Sequence[Done]) -> None:
    """The events, in an order that says nothing."""
    mixed = random.Random(1).sample(list(events), len(events))
    rows: list[list[Any]] = [
        ["shop", done.name, done.who, NOON + timedelta(milliseconds=done.at), done.path, "", 0] for done in mixed
    ]
    rows += [["shop", name, "robot", NOON + timedelta(seconds=at), "/", "bot", 0] for at, name in enumerate("abcd")]
    rows += [["shop", name, "", NOON + timedelta(seconds=at), "/", "", 0] for at, name in enumerate("abcd")]
    rows += [["rival", name, "one", NOON + timedelta(seconds=at), "/", "", 0] for at, name in enumerate("abcd")]
    rows += [["shop", name, "late", NOON + timedelta(days=at), "/", "", 0] for at, name in enumerate("abcd")]
    client.insert("events", rows, ["project_id", "name", "device_id", "created_at", "path", "bot", "synthesized"])


def counts(client: Client, steps: Sequence[RuleStep], window: int, *, people: bool = False) -> list[int]:
    assert client.database is not None
    query = funnel(client.database, "shop", DAY, steps, timedelta(milliseconds=window), people=people)
    return reached_counts(client.query(query.sql, query.parameters).named_results(), len(steps))


FUNNELS = {
    "one step": [named("a")],
    "four names": [named("a"), named("b"), named("c"), named("d")],
    "a name twice": [named("a"), named("b"), named("a")],
    "thrice the same": [named("a"), named("a"), named("a")],
    "several names": [named("a", "b"), named("b", "c"), named("d")],
    "pages": [on("/x"), on("/y", "a", "b"), on("/x", "c")],
    "a page, then a name": [on("/x"), named("d"), on("/x")],
}


def test_the_numbers_are_those_of_a_plain_model(schema: Client) -> None:
    dice = random.Random(5)
    by_device: dict[str, list[Done]] = {}
    for number in range(150):
        who = f"device-{number}"
        # Few moments for many events: many fall on the same millisecond.
        by_device[who] = [
            Done(who, dice.choice("abcd"), dice.randrange(12), dice.choice(("/x", "/y")))
            for _ in range(dice.randrange(1, 9))
        ]
    put(schema, [done for events in by_device.values() for done in events])
    by_device["late"] = [Done("late", "a", 0)]
    for name, steps in FUNNELS.items():
        for window in (1, 4, 20):
            tests = [test for _, test in steps]
            levels = [farthest(events, tests, window) for events in by_device.values()]
            expected = [sum(level >= step for level in levels) for step in range(1, len(steps) + 1)]
            assert counts(schema, [step for step, _ in steps], window) == expected, (name, window)


def test_people_go_through_a_funnel_with_all_their_devices(schema: Client) -> None:
    put(schema, [Done("phone", "a", 0), Done("laptop", "b", 5), Done("other", "a", 0), Done("other", "b", 9)])
    steps = [RuleStep(events=("a",)), RuleStep(events=("b",))]
    # "late" has its first step in the period.
    assert counts(schema, steps, 100) == [3, 1]
    columns = ["project_id", "kind", "source_id", "profile_id", "version"]
    schema.insert("identities", [["shop", "device", device, "ann", 1] for device in ("phone", "laptop")], columns)
    assert counts(schema, steps, 100, people=True) == [3, 2]


def test_what_cannot_be_answered_is_said() -> None:
    step = RuleStep(events=("a",))
    with pytest.raises(InvalidRequestError, match="from 1 to 10 steps"):
        funnel("weir", "shop", DAY, [], timedelta(hours=1))
    with pytest.raises(InvalidRequestError, match="window"):
        funnel("weir", "shop", DAY, [step], timedelta(0))


def test_who_came_farther_was_here_too() -> None:
    rows = [{"reached": 1, "visitors": 5}, {"reached": 3, "visitors": 2}]
    assert reached_counts(rows, 4) == [7, 2, 2, 0]
