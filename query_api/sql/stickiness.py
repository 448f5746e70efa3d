"""Stickiness: how many are active in a day, in the week and in the thirty days that end with it."""

from datetime import datetime

from query_api.errors import InvalidRequestError
from query_api.periods import Interval, Period
from query_api.sql.active_days import MAX_PARTS, activity
from query_api.sql.builder import Query, Select, build

WEEK, MONTH = 7, 30
"""Days that the wider counts look at, the day itself among them."""
_DAYS = MAX_PARTS - MONTH + 1


def stickiness(database: str, project_id: str, period: Period, *, people: bool = False) -> tuple[Query, ...]:
    """A query for each 34 days of the period, in order. Rows: ``day``, counted from 0 in the order of
    ``period.buckets()``, and how many devices (``people``: persons, as linked today) were active

    - ``daily``: on that day,
    - ``weekly``: on it or one of the 6 days before,
    - ``monthly``: on it or one of the 29 days before.

    Stickiness is daily / monthly. Exact; bots and what Weir makes up itself are left out.

    :raises InvalidRequestError: the parts of the period are not days.
    """
    if period.interval is not Interval.DAY:
        raise InvalidRequestError("Stickiness is counted by the day.")
    days = [*period.buckets(), period.end]
    queries = []
    for first in range(0, len(days) - 1, _DAYS):
        some = days[first : first + _DAYS + 1]
        part = Period(some[0], some[-1], Interval.DAY, period.week_start)
        queries.append(_stickiness(database, project_id, part, first, len(some) - 1, people=people))
    return tuple(queries)


def _stickiness(database: str, project_id: str, period: Period, first: int, days: int, *, people: bool) -> Query:
    found = activity(period, people=people, before=_days_before(period, MONTH - 1), ever=False)
    # Bit n + 1 is a day; moved up by one, it is that day and the one after, and so on.
    wide = {
        "daily": "active",
        "weekly": _spread(WEEK),
        "monthly": _spread(MONTH),
    }
    counts = {
        name: f"[{', '.join(f'countIf(bitTest(spread_{name}, {MONTH + day}))' for day in range(days))}]"
        for name in wide
    }
    spread = Select({f"spread_{name}": expression for name, expression in wide.items()}, found.select)
    arrays = Select({f"all_{name}": expression for name, expression in counts.items()}, spread)
    rows = Select(
        {
            "place": "arrayJoin(range(toUInt32({days:UInt32})))",
            "day": "place + {first:UInt32}",
            **{name: f"all_{name}[place + 1]" for name in counts},
        },
        arrays,
        order_by="day",
    )
    return build(database, project_id, rows, **found.parameters, days=days, first=first)


def _spread(days: int) -> str:
    """The bits of ``active``, each set on so many days from its own on. What is before the first day is cut off."""
    expression, reached = "bitAnd(active, bitNot(toUInt64(1)))", 1
    while reached < days:
        step = min(reached, days - reached)
        expression = f"bitOr({expression}, bitShiftLeft({expression}, {step}))"
        reached += step
    return expression


def _days_before(period: Period, days: int) -> list[datetime]:
    found: list[datetime] = []
    start, end = period.start, period.buckets()[1:2] or [period.end]
    following = end[0]
    for _ in range(days):
        before = Period(start, following, Interval.DAY).previous().start
        found.insert(0, before)
        start, following = before, start
    return found
