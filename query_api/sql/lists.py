"""Top lists: what stands first, by sessions, page views or events."""

from query_api.periods import Period
from query_api.sql.builder import In, Join, Query, Select, build, quoted
from query_api.sql.dimensions import Dimension, not_of_pairs
from query_api.sql.overview import OVER_SESSIONS, ROLLED_VISITORS, VISITORS
from query_api.sql.tables import EVENT_VISITORS, EVENTS, PAGE_VISITS, PAGES, SESSIONS, VISITS
from query_api.sql.time import bounds, consists_of_half_hours, within

_PAGES = Select(
    columns={
        "page_origin": "origin",
        "page_path": "path",
        "page_title": "argMax(title, (created_at, event_id))",
        "pageviews": "count()",
        "visitors": VISITORS,
        "page_sessions": "uniqExactIf(session_id, session_id != '')",
    },
    source=EVENTS,
    where=(within("created_at"), "name = 'screen_view'"),
    group_by="page_origin, page_path",
    order_by="pageviews desc, page_origin, page_path",
    limit="{limit:UInt32}",
)

# Those that come first are found by their sums alone; by whom they were seen is counted of these only.
_TOP_PAGES = Select(
    columns={"top_page": "page"},
    source=PAGES,
    where=(within("half_hour"),),
    group_by="page",
    order_by="sum(screen_views) desc",
    limit="{limit:UInt32} with ties",
)
# A page's newest title is one of its last half hour: the states of all others need not be looked at.
_LAST_SEEN = Select(
    columns={"last_page": "page", "last_half_hour": "max(half_hour)"},
    source=PAGES,
    where=(within("half_hour"), In("page", _TOP_PAGES)),
    group_by="last_page",
)
_ROLLED_PAGES = Select(
    columns={
        **{name: name for name in ("page_origin", "page_path", "page_title", "pageviews", "visitors", "page_sessions")},
    },
    source=Select(
        columns={
            "of_page": "page",
            "page_origin": "any(origin)",
            "page_path": "any(path)",
            "pageviews": "sum(screen_views)",
        },
        source=PAGES,
        where=(within("half_hour"), In("page", _TOP_PAGES)),
        group_by="of_page",
    ),
    joins=(
        Join(
            Select(
                columns={
                    "seen_page": "page",
                    "visitors": ROLLED_VISITORS,
                    "page_sessions": "uniqExactIf(session, session != 0)",
                },
                source=PAGE_VISITS,
                where=(within("half_hour"), In("page", _TOP_PAGES)),
                group_by="seen_page",
            ),
            "seen",
            "seen.seen_page = source.of_page",
        ),
        Join(
            Select(
                columns={"titled_page": "page", "page_title": "argMaxMerge(title)"},
                source=PAGES,
                where=(In("(page, half_hour)", _LAST_SEEN),),
                group_by="titled_page",
            ),
            "titles",
            "titles.titled_page = source.of_page",
        ),
    ),
    order_by="pageviews desc, page_origin, page_path",
    limit="{limit:UInt32}",
)

_EVENT_NAMES = Select(
    columns={"event_name": "name", "happened": "count()", "visitors": VISITORS},
    source=EVENTS,
    where=(within("created_at"),),
    group_by="event_name",
    order_by="happened desc, event_name",
    limit="{limit:UInt32}",
)

_ROLLED_EVENT_NAMES = Select(
    columns={"event_name": "name", "happened": "sum(events)", "visitors": ROLLED_VISITORS},
    source=EVENT_VISITORS,
    where=(within("half_hour"),),
    group_by="event_name",
    order_by="happened desc, event_name",
    limit="{limit:UInt32}",
)

_TOTALS = ("sessions", "bounces", "lasting", "session_ms", "session_views")


def _by(dimension: Dimension) -> Select:
    # Per value and device first: a device counts as a visitor of a value while a session of it is left there.
    inner = Select(
        columns={"value": quoted(dimension.value), "visitor": "device_id", **OVER_SESSIONS},
        source=SESSIONS,
        where=(within("started_at"),),
        group_by="value, visitor",
    )
    sums = {f"all_{name}": f"sum({name})" for name in _TOTALS}
    return Select(
        columns={"name": "value", "visitors": "countIf(sessions > 0 and visitor != '')", **sums},
        source=inner,
        group_by="name",
        having="all_sessions > 0",
        order_by="all_sessions desc, name",
        limit="{limit:UInt32}",
    )


def _rolled_by(dimension: Dimension) -> Select:
    return Select(
        columns={
            "name": quoted(dimension.value),
            "visitors": ROLLED_VISITORS,
            **{f"all_{name}": sums for name, sums in OVER_SESSIONS.items()},
        },
        source=VISITS,
        where=(within("half_hour"), not_of_pairs(within("half_hour"))),
        group_by="name",
        having="all_sessions > 0",
        order_by="all_sessions desc, name",
        limit="{limit:UInt32}",
    )


_DIMENSIONS = {dimension: {False: _by(dimension), True: _rolled_by(dimension)} for dimension in Dimension}


# ``rolled``: whether rollups are read instead of events and sessions; the numbers are the same. None: if they can be.


def pages(database: str, project_id: str, period: Period, limit: int, *, rolled: bool | None = None) -> Query:
    """Pages by page views. Rows: page_origin, page_path, page_title, pageviews, visitors, page_sessions."""
    select = _ROLLED_PAGES if _is_rolled(period, rolled) else _PAGES
    return build(database, project_id, select, **bounds(period), limit=limit)


def event_names(database: str, project_id: str, period: Period, limit: int, *, rolled: bool | None = None) -> Query:
    """Event names by events. Rows: event_name, happened (how often), visitors."""
    select = _ROLLED_EVENT_NAMES if _is_rolled(period, rolled) else _EVENT_NAMES
    return build(database, project_id, select, **bounds(period), limit=limit)


def sessions_by(
    dimension: Dimension, database: str, project_id: str, period: Period, limit: int, *, rolled: bool | None = None
) -> Query:
    """Values of a property of sessions, by sessions. Rows: name, visitors and ``all_…`` of each session sum."""
    select = _DIMENSIONS[dimension][_is_rolled(period, rolled)]
    return build(database, project_id, select, **bounds(period), limit=limit)


def _is_rolled(period: Period, asked: bool | None) -> bool:
    return consists_of_half_hours(period) if asked is None else asked
