"""The numbers of the overview; docs/definitions.md says what each means."""

from typing import Any

from query_api.periods import Period
from query_api.sql.builder import Query, Select, build
from query_api.sql.tables import EVENTS, SESSION_SUMS, SESSIONS
from query_api.sql.tables import VISITORS as VISITOR_ROWS
from query_api.sql.time import bounds, bucket, is_of_half_hours, milliseconds, within

# One scan gives the parts of both periods and, with bucket 0, the whole of each: visitors do not add up.
_SETS = "grouping sets ((current, bucket), (current))"


def compared_columns(time: str) -> dict[str, str]:
    """Into which of the two periods and which part of it a time falls; see `compared_parameters`."""
    return {
        "current": f"{time} >= fromUnixTimestamp64Milli({{current_start:Int64}}, 'UTC')",
        "bucket": bucket(time),
    }


VISITORS = "uniqExactIf(device_id, device_id != '')"
ROLLED_VISITORS = "uniqExactIf(visitor, visitor != 0)"
"""The same of rollups, by 64 bits of hash: two of a million devices have the same with a chance of 1 to 40 million."""
SCREEN_VIEWS = "countIf(name = 'screen_view')"

_EVENTS = Select(
    columns={**compared_columns("created_at"), "visitors": VISITORS, "screen_views": SCREEN_VIEWS},
    source=EVENTS,
    where=(within("created_at"),),
    group_by=_SETS,
)

_ROLLED_EVENTS = Select(
    columns={
        **compared_columns("half_hour"),
        "visitors": ROLLED_VISITORS,
        "screen_views": "sum(screen_views)",
    },
    source=VISITOR_ROWS,
    where=(within("half_hour"),),
    group_by=_SETS,
)

OVER_SESSIONS = {
    "sessions": "sum(sign)",
    "bounces": "sum(sign * is_bounce)",
    "lasting": "sum(sign * (duration_ms > 0))",
    "session_ms": "sum(sign * duration_ms)",
    "session_views": "sum(sign * toInt64(screen_view_count))",
}

_SESSIONS = Select(
    columns={**compared_columns("started_at"), **OVER_SESSIONS},
    source=SESSIONS,
    where=(within("started_at"),),
    group_by=_SETS,
)

_ROLLED_SESSIONS = Select(
    columns={**compared_columns("half_hour"), **{name: f"sum({name})" for name in OVER_SESSIONS}},
    source=SESSION_SUMS,
    where=(within("half_hour"),),
    group_by=_SETS,
)

_LIVE = Select(
    columns={"visitors": VISITORS},
    source=EVENTS,
    where=(
        "created_at > fromUnixTimestamp64Milli({now:Int64} - 300000, 'UTC')",
        "created_at <= fromUnixTimestamp64Milli({now:Int64} + 60000, 'UTC')",
    ),
)


def overview(database: str, project_id: str, period: Period, *, rolled: bool | None = None) -> tuple[Query, Query]:
    """Events and sessions of the period and the one before. Rows: ``current`` (0 or 1), ``bucket`` (its start in
    seconds, 0: the whole period) and the sums.

    ``rolled``: whether rollups are read instead of events and sessions; the numbers are the same. None: if they can be.
    """
    parameters = compared_parameters(period)
    if rolled is None:
        rolled = is_of_half_hours(period, parts=True)
    selects = (_ROLLED_EVENTS, _ROLLED_SESSIONS) if rolled else (_EVENTS, _SESSIONS)
    events, sessions = (build(database, project_id, select, **parameters) for select in selects)
    return events, sessions


def compared_parameters(period: Period) -> dict[str, Any]:
    """The parameters of a period and the one before, for `compared_columns` and `within`."""
    previous = period.previous()
    return {
        **bounds(Period(previous.start, period.end, period.interval)),
        "current_start": milliseconds(period.start.timestamp()),
        "buckets": [int(moment.timestamp()) for moment in [*previous.buckets(), *period.buckets()]],
    }


def live(database: str, project_id: str, now_seconds: float) -> Query:
    """Devices seen in the five minutes before ``now`` (clocks of senders may be a minute ahead)."""
    return build(database, project_id, _LIVE, now=milliseconds(now_seconds))
