"""Which days are read folded, and which are left to half hours."""

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from query_api.errors import QueryFailedError
from query_api.folded_days import Days, FoldedDaysReader, read_days
from query_api.periods import Interval, Period
from query_api.sql.builder import Query
from query_api.sql.daily import FoldedDays, Tally

DAY = 86_400
MIDNIGHTS = [DAY * number for number in range(11)]
BERLIN = ZoneInfo("Europe/Berlin")


def row(day: int, revision: int = 0, end: int | None = None, **tally: int) -> dict[str, Any]:
    empty = dict.fromkeys(Tally.__dataclass_fields__, 0)
    day_end = 0 if not revision else day + DAY if end is None else end
    return {"day": day, "day_end": day_end, "revision": revision, **empty, **tally}


def test_a_day_is_folded_while_its_tables_are_what_they_were() -> None:
    of_events = {"events": 10, "events_digest": -7}
    of_sessions = {"sessions": 2, "sessions_digest": 9}
    rows = [
        *(row(DAY * day, 100 + day, **of_events, **of_sessions) for day in range(5)),
        # As it was; one event more; another one instead; a session was corrected; nothing is left.
        row(0, **of_events),
        row(0, **of_sessions),
        *(row(DAY, **of_sessions), row(DAY, events=11, events_digest=3)),
        *(row(DAY * 2, **of_sessions), row(DAY * 2, events=10, events_digest=-8)),
        *(row(DAY * 3, **of_events), row(DAY * 3, sessions=2, sessions_digest=8)),
        row(DAY * 5, 105),
        row(DAY * 6, **of_events),
    ]
    days = read_days(MIDNIGHTS, rows)
    assert days.revisions == {0: 100, DAY * 5: 105}
    assert days.now[0] == Tally(**of_events, **of_sessions)


def test_a_day_of_another_time_zone_is_none_of_these() -> None:
    rows = [row(0, 1, end=DAY - 3_600), row(DAY + 3_600, 2), row(DAY * 2, 3)]
    assert read_days(MIDNIGHTS, rows).revisions == {DAY * 2: 3}


def days(folded: set[int], events: int = 10) -> Days:
    ends = dict(pairwise(MIDNIGHTS))
    return Days(
        ends, {day: Tally(events=events) for day in ends}, {DAY * number: 100 + number for number in sorted(folded)}
    )


def test_what_is_left_is_told_in_stretches() -> None:
    found = days({0, 1, 4, 5, 6, 7, 8}).folded(0, DAY * 10, worth=0)
    assert found == FoldedDays(
        0, DAY * 10, (100, 101, 104, 105, 106, 107, 108), ((DAY * 2, DAY * 4), (DAY * 9, DAY * 10))
    )
    assert days(set(range(10))).folded(DAY * 3, DAY * 5, worth=0) == FoldedDays(DAY * 3, DAY * 5, (103, 104))


@pytest.mark.parametrize(
    ("folded", "worth"), [(set(), 0), ({0, 1, 2, 3}, 1), (set(range(10)), 101)], ids=["none", "few", "little"]
)
def test_it_must_be_worth_it(folded: set[int], worth: int) -> None:
    assert days(folded).folded(0, DAY * 10, worth) is None


def test_few_are_read_if_that_is_wanted() -> None:
    assert days({9}).folded(0, DAY * 10, worth=0) == FoldedDays(0, DAY * 10, (109,), ((0, DAY * 9),))


def test_days_without_anything_cost_nothing() -> None:
    mostly_empty = Days(
        {day: day + DAY for day in MIDNIGHTS[:-1]},
        {DAY * 8: Tally(events=50), DAY * 9: Tally(events=5)},
        {DAY * 8: 108},
    )
    found = mostly_empty.folded(0, DAY * 10, worth=1)
    assert found == FoldedDays(0, DAY * 10, (108,), ((0, DAY * 8), (DAY * 9, DAY * 10)))


def month(zone: ZoneInfo = BERLIN) -> Period:
    end = datetime(2026, 4, 1, tzinfo=zone)
    return Period(end - timedelta(days=30), end, Interval.DAY)


async def test_one_look_serves_all_who_ask_within_a_second() -> None:
    asked: list[Query] = []

    async def ask(query: Query) -> list[dict[str, Any]]:
        asked.append(query)
        await asyncio.sleep(0)
        return []

    reader = FoldedDaysReader(ask, "weir", worth=0)
    await asyncio.gather(*(reader.find("shop", month(), compared=compared) for compared in (True, False, True)))
    await reader.find("blog", month())
    assert [query.parameters["project_id"] for query in asked] == ["shop", "blog"]
    hasty = FoldedDaysReader(ask, "weir", worth=0, kept_seconds=0)
    await hasty.find("shop", month())
    await hasty.find("shop", month())
    assert len(asked) == 4


async def test_a_failure_is_nobody_else_s() -> None:
    answers: list[Exception | list[dict[str, Any]]] = [ValueError("away"), []]

    async def ask(query: Query) -> list[dict[str, Any]]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    reader = FoldedDaysReader(ask, "weir", worth=0)
    with pytest.raises(ValueError, match="away"):
        await reader.find("shop", month())
    assert await reader.find("shop", month()) is None
    assert answers == []


async def test_what_the_tables_have_is_asked_where_days_are_folded() -> None:
    midnights = month().midnights()
    folded = [
        row(round(day.timestamp()), 7, end=round(following.timestamp()), events=5)
        for day, following in pairwise(midnights)
    ]
    asked: list[str] = []
    now: list[Exception | list[dict[str, Any]]] = []

    async def ask(query: Query) -> list[dict[str, Any]]:
        is_of_tables = "mergeTreeProjection" in query.sql
        asked.append("tables" if is_of_tables else "folded")
        answer = now.pop(0) if is_of_tables else folded
        if isinstance(answer, Exception):
            raise answer
        return answer

    reader = FoldedDaysReader(ask, "weir", worth=0, kept_seconds=0)
    now += [
        [*folded, *(row(round(day.timestamp()), events=5) for day in midnights[:-1])],
        folded,
        QueryFailedError("The store could not answer this query."),
    ]
    assert await reader.find("shop", month()) is not None
    assert asked == ["folded", "tables"]
    assert await reader.find("shop", month()) is None
    # Nothing stood the last time.
    assert asked == ["folded", "tables", "tables"]
    assert await reader.find("shop", month()) is None
    assert asked == ["folded", "tables", "tables", "folded", "tables"]


@pytest.mark.parametrize(
    "period",
    [
        month(ZoneInfo("Asia/Kathmandu")),
        Period(month().start, month().end - timedelta(hours=1), Interval.DAY),
        Period(month().end - timedelta(days=1), month().end, Interval.DAY),
        Period(month().start - timedelta(days=1_000), month().end, Interval.DAY),
    ],
    ids=["quarter", "hours", "short", "long"],
)
async def test_what_has_no_such_days_is_not_asked_about(period: Period) -> None:
    async def ask(query: Query) -> list[dict[str, Any]]:
        raise AssertionError(query)

    assert await FoldedDaysReader(ask, "weir", worth=0).find("shop", period) is None
