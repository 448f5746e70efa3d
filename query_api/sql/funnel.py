"""Funnels: how many go how far through steps, one after the other, within a time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from query_api.errors import InvalidRequestError
from query_api.periods import Period
from query_api.sql.builder import Query, Select, build
from query_api.sql.conditions import Conditions
from query_api.sql.people import LINKS, PERSON
from query_api.sql.tables import EVENTS
from query_api.sql.time import bounds, within
from schemas.rules import MAX_STEPS, RuleStep

_MAX_WINDOW = timedelta(days=366)


def funnel(
    database: str,
    project_id: str,
    period: Period,
    steps: Sequence[RuleStep],
    window: timedelta,
    *,
    people: bool = False,
) -> Query:
    """How far each device (``people``: each person, as linked today) came. Rows: ``reached``, from 1 to the number of
    steps, and ``visitors``, for how many that was the farthest; see `reached_counts`.

    Somebody reached step n if there are n events of theirs in the period, one for each step, each later than the one
    before by a millisecond or more, the last at most ``window`` after the first. Events of the same millisecond have no
    order, and an event is one step only, also where steps are the same. Other events may lie between. Of all events
    that could be the first step that counts with which they came farthest. Exact; bots and what Weir makes up itself
    are left out.

    :raises InvalidRequestError: no steps, too many, or a window shorter than a millisecond or longer than a year.
    """
    if not 1 <= len(steps) <= MAX_STEPS:
        raise InvalidRequestError(f"A funnel has from 1 to {MAX_STEPS} steps.")
    if not timedelta(milliseconds=1) <= window <= _MAX_WINDOW:
        raise InvalidRequestError("The window of a funnel is from a millisecond to 366 days.")
    asked = Conditions()
    tests = [" and ".join(_tests(step, asked)) or "true" for step in steps]
    where = [within("created_at"), " or ".join(f"({test})" for test in tests)]
    if all(step.events for step in steps):
        # Said by itself, so that the store looks at these names' events only.
        where.insert(1, asked.name_in(sorted({name for step in steps for name in step.events})))
    # `windowFunnel` by itself lets one event be two steps, and in its strict mode an event of a repeated step hides the
    # one before it. So an event stands there once for each step it can be, later steps first: what it is a step of was
    # there before it. Times are multiplied to make room for that order.
    width = len(steps)
    found = Select(
        {
            "funnel_who": PERSON if people else "cityHash64(device_id)",
            "funnel_step": _step_of(steps, tests),
            "funnel_time": f"toUInt64(toUnixTimestamp64Milli(created_at) * {width} + {width - 1} - funnel_step)",
        },
        EVENTS,
        joins=LINKS if people else (),
        where=(*where, f"{PERSON} != ''" if people else "device_id != ''"),
    )
    is_step = ", ".join(f"funnel_step = {number}" for number in range(width))
    each = Select(
        {"reached": f"windowFunnel({{window:UInt64}})(funnel_time, {is_step})"},
        found,
        group_by="funnel_who",
    )
    select = Select(
        {"reached": "reached", "visitors": "count()"},
        each,
        where=("reached > 0",),
        group_by="reached",
        order_by="reached",
    )
    milliseconds = window // timedelta(milliseconds=1)
    return build(database, project_id, select, **bounds(period), **asked.parameters, window=milliseconds * width)


def reached_counts(rows: Iterable[Mapping[str, Any]], steps: int) -> list[int]:
    """For each step how many reached it, from the rows of `funnel`: who came farther was here, too."""
    farthest = {int(row["reached"]): int(row["visitors"]) for row in rows}
    return [sum(count for reached, count in farthest.items() if reached >= step) for step in range(1, steps + 1)]


def _tests(step: RuleStep, asked: Conditions) -> list[str]:
    return [*([asked.name_in(step.events)] if step.events else []), *asked.every(step.conditions)]


def _step_of(steps: Sequence[RuleStep], tests: Sequence[str]) -> str:
    """The number of the step an event is, from 0; a row for each if it can be several."""
    if len(steps) == 1:
        return "0"
    names = [name for step in steps for name in step.events]
    if all(step.events for step in steps) and len(set(names)) == len(names):
        return f"multiIf({', '.join(f'{test}, {number}' for number, test in enumerate(tests[:-1]))}, {len(tests) - 1})"
    numbers = ", ".join(f"if({test}, {number}, -1)" for number, test in enumerate(tests))
    return f"arrayJoin(arrayFilter(number -> number >= 0, [{numbers}]))"
