"""Top lists: what stands first, by sessions, page views or events."""

from enum import StrEnum

from query_api.periods import Period
from query_api.sql.builder import Query, Select, build, quoted
from query_api.sql.overview import SESSION_SUMS, VISITORS
from query_api.sql.tables import EVENTS, SESSIONS
from query_api.sql.time import bounds, within


class Dimension(StrEnum):
    """A property of sessions by which they can be listed; each is a column of that name."""

    REFERRER = "referrer"
    REFERRER_NAME = "referrer_name"
    REFERRER_TYPE = "referrer_type"
    UTM_SOURCE = "utm_source"
    UTM_MEDIUM = "utm_medium"
    UTM_CAMPAIGN = "utm_campaign"
    UTM_TERM = "utm_term"
    UTM_CONTENT = "utm_content"
    COUNTRY = "country"
    REGION = "region"
    CITY = "city"
    DEVICE = "device"
    BRAND = "brand"
    MODEL = "model"
    BROWSER = "browser"
    BROWSER_VERSION = "browser_version"
    OS = "os"
    OS_VERSION = "os_version"


_PAGES = Select(
    columns={
        "page_origin": "origin",
        "page_path": "path",
        "page_title": "argMax(title, created_at)",
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

_EVENT_NAMES = Select(
    columns={"event_name": "name", "events": "count()", "visitors": VISITORS},
    source=EVENTS,
    where=(within("created_at"),),
    group_by="event_name",
    order_by="events desc, event_name",
    limit="{limit:UInt32}",
)

_TOTALS = ("sessions", "bounces", "lasting", "session_ms", "session_views")


def _by(dimension: Dimension) -> Select:
    # Per value and device first: a device counts as a visitor of a value while a session of it is left there.
    inner = Select(
        columns={"value": quoted(dimension.value), "visitor": "device_id", **SESSION_SUMS},
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


_DIMENSIONS = {dimension: _by(dimension) for dimension in Dimension}


def pages(database: str, project_id: str, period: Period, limit: int) -> Query:
    """Pages by page views. Rows: page_origin, page_path, page_title, pageviews, visitors, page_sessions."""
    return build(database, project_id, _PAGES, **bounds(period), limit=limit)


def event_names(database: str, project_id: str, period: Period, limit: int) -> Query:
    """Event names by events. Rows: event_name, events, visitors."""
    return build(database, project_id, _EVENT_NAMES, **bounds(period), limit=limit)


def sessions_by(dimension: Dimension, database: str, project_id: str, period: Period, limit: int) -> Query:
    """Values of a property of sessions, by sessions. Rows: name, visitors and ``all_…`` of each session sum."""
    return build(database, project_id, _DIMENSIONS[dimension], **bounds(period), limit=limit)
