"""The numbers of the overview; docs/definitions.md says what each means."""

from typing import Any

from query_api.periods import Period
from query_api.sql.builder import Query, Select, build
from query_api.sql.tables import EVENTS, RECENT_VISITORS, SESSION_SUMS, SESSIONS
from query_api.sql.tables import VISITORS as VISITOR_ROWS
from query_api.sql.time import SETS, bounds, compared_columns, consists_of_half_hours, milliseconds, within

VISITORS = "uniqExactIf(device_id, device_id != '')"
ROLLED_VISITORS = "uniqExactIf(visitor, visitor != 0)"
"""The same of rollups, by 64 bits of hash: two of a million devices have the same with a chance of 1 to 40 million."""
SCREEN_VIEWS = "countIf(name = 'screen_view')"

_EVENTS = Select(
    columns={**compared_columns("created_at"), "visitors": VISITORS, "screen_views": SCREEN_VIEWS},
    source=EVENTS,
    where=(within("created_at"),),
    group_by=SETS,
)

_ROLLED_EVENTS = Select(
    columns={
        **compared_columns("half_hour"),
        "visitors": ROLLED_VISITORS,
        "screen_views": "sum(screen_views)",
    },
    source=VISITOR_ROWS,
    where=(within("half_hour"),),
    group_by=SETS,
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
    group_by=SETS,
)

_ROLLED_SESSIONS = Select(
    columns={**compared_columns("half_hour"), **{name: f"sum({name})" for name in OVER_SESSIONS}},
    source=SESSION_SUMS,
    where=(within("half_hour"),),
    group_by=SETS,
)

_SINCE, _UNTIL = (f"fromUnixTimestamp64Milli({{now:Int64}} {by}, 'UTC')" for by in ("- 300000", "+ 60000"))
_LIVE = Select(
    columns={"visitors": VISITORS},
    source=EVENTS,
    where=(
        f"created_at > {_SINCE}",
        f"created_at <= {_UNTIL}",
    ),
)

# A row is of five minutes, the window is longer: no row has both of its ends. So in the row with the window's beginning
# the device's last event tells whether it has one in the window, and in the row with its end the first.
_ROLLED_LIVE = Select(
    columns={"visitors": ROLLED_VISITORS},
    source=RECENT_VISITORS,
    where=(
        f"five_minutes >= toStartOfFiveMinutes({_SINCE})",
        f"five_minutes <= {_UNTIL}",
        f"last_seen > {_SINCE}",
        f"first_seen <= {_UNTIL}",
    ),
)


def overview(database: str, project_id: str, period: Period, *, rolled: bool | None = None) -> tuple[Query, Query]:
    """Events and sessions of the period and the one before. Rows: ``current`` (0 or 1), ``bucket`` (its start in
    seconds, 0: the whole period) and the sums.

    ``rolled``: whether rollups are read instead of events and sessions; the numbers are the same. None: if they can be.
    """
    parameters = compared_parameters(period)
    if rolled is None:
        rolled = consists_of_half_hours(period, parts=True)
    selects = (_ROLLED_EVENTS, _ROLLED_SESSIONS) if rolled else (_EVENTS, _SESSIONS)
    events, sessions = (build(database, project_id, select, **parameters) for select in selects)
    return events, sessions


def compared_parameters(period: Period) -> dict[str, Any]:
    """The parameters of a period and the one before, for `compared_columns` and `within`."""
    both = Period(period.previous().start, period.end, period.interval)
    return {**bounds(both), **column_parameters(period)}


def column_parameters(period: Period) -> dict[str, Any]:
    """Those for `compared_columns` alone."""
    previous = period.previous()
    return {
        "current_start": milliseconds(period.start.timestamp()),
        "buckets": [int(moment.timestamp()) for moment in [*previous.buckets(), *period.buckets()]],
    }


def live(database: str, project_id: str, now_seconds: float, *, rolled: bool) -> Query:
    """Devices seen in the five minutes before ``now`` (clocks of senders may be a minute ahead). ``rolled``: from a
    rollup, which has the last hour by the store's clock; the number is the same.
    """
    return build(database, project_id, _ROLLED_LIVE if rolled else _LIVE, now=milliseconds(now_seconds))
