"""The rollups: which view fills each, and what its rows must come to."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rollup:
    """A rollup, and the view that fills it. ``measures`` are expressions over its finished rows."""

    table: str
    view: str
    pipe: str
    """The Kafka table whose rows reach the rollup in the end; taken off while the rollup is mended."""
    keys: tuple[str, ...]
    """What a difference is told of. Fewer columns than tell two rows apart where rows are many: then a measure is a
    digest of the whole row, so that no row that is missing, wrong or too many can hide in a sum.
    """
    hour: str
    """The column with the beginning of the hour, or the day, in UTC, that a row is of."""
    measures: tuple[str, ...]
    source: str = "events"
    """The table that the view hangs on."""
    time: str = "created_at"
    """The column of the source that ``hour`` follows from."""
    grain: Literal["hour", "day"] = "hour"


def _digest(*columns: str) -> str:
    """Thirty-two bits of the row: their sum over a hundred million rows is still a 64-bit number."""
    return f"bitAnd(cityHash64({', '.join(columns)}), 4294967295)"


EVENTS_HOURLY = Rollup(
    table="events_hourly",
    view="events_hourly_view",
    pipe="events_queue",
    keys=("project_id", "name", "currency"),
    hour="hour",
    measures=("events", "screen_views", "revenue", "finalizeAggregation(devices)"),
)

VISITORS = Rollup(
    table="visitors",
    view="visitors_view",
    pipe="events_queue",
    keys=("project_id",),
    hour="hour",
    measures=("events", "screen_views", _digest("half_hour", "visitor", "toUInt64(events)", "toUInt64(screen_views)")),
)
"""A row per visitor and half hour: visitors of any period are counted exactly, by the rows' hash of the device."""

EVENT_VISITORS = Rollup(
    table="event_visitors",
    view="event_visitors_view",
    pipe="events_queue",
    keys=("project_id", "name"),
    hour="hour",
    measures=("events", _digest("half_hour", "visitor", "toUInt64(events)")),
)

PAGES = Rollup(
    table="pages",
    view="pages_view",
    pipe="events_queue",
    keys=("project_id",),
    hour="hour",
    measures=(
        "screen_views",
        _digest("half_hour", "page", "origin", "path", "finalizeAggregation(title)", "toUInt64(screen_views)"),
    ),
)

PAGE_VISITS = Rollup(
    table="page_visits",
    view="page_visits_view",
    pipe="events_queue",
    keys=("project_id",),
    hour="hour",
    measures=("screen_views", _digest("half_hour", "page", "visitor", "session", "toUInt64(screen_views)")),
)

SESSION_SUMS = Rollup(
    table="session_sums",
    view="session_sums_view",
    pipe="sessions_queue",
    keys=("project_id", "currency"),
    hour="hour",
    measures=("sessions", "bounces", "lasting", "session_ms", "session_views", "session_events", "revenue"),
    source="sessions",
    time="started_at",
)

_VISIT_COLUMNS = (
    "half_hour",
    *("visitor", "session", "version", "duration_ms", "screen_view_count", "is_bounce", "revenue", "currency"),
    *("referrer", "referrer_name", "referrer_type"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"),
    *("country", "region", "city"),
    *("os", "os_version", "browser", "browser_version", "device", "brand", "model"),
    *("entry_origin", "entry_path", "exit_origin", "exit_path"),
)
VISITS = Rollup(
    table="visits",
    view="visits_view",
    pipe="sessions_queue",
    keys=("project_id",),
    hour="hour",
    # Sums over `sign`: the same before and after merges take pairs of rows away, here or in the table.
    measures=("sign", "sign * duration_ms", f"sign * toInt64({_digest(*_VISIT_COLUMNS)})"),
    source="sessions",
    time="started_at",
)
"""A narrow row per session (and its pairs of rows), for lists by any of its properties."""

PROPERTY_VALUES = Rollup(
    table="property_values",
    view="property_values_view",
    pipe="events_queue",
    keys=("project_id", "key"),
    hour="day",
    # Of a key, not of its values: these are suggestions, and bounded. They come and are lost with their key's row.
    measures=(
        "if(value = '', events, 0)",
        f"if(value = '', {_digest('toUInt64(events)', 'toUnixTimestamp64Milli(last_seen)')}, 0)",
    ),
    grain="day",
)

ACTIVE_DAYS = Rollup(
    table="active_days",
    view="active_days_view",
    pipe="events_queue",
    keys=("project_id",),
    hour="day",
    measures=("bitCount(halves)", _digest("device", "profile", "toUInt64(halves)")),
    grain="day",
)
"""The half hours of each day in which a device was there, for retention, stickiness and lifecycle."""

_TOUCH_COLUMNS = (
    *("visitor", "toUnixTimestamp64Milli(started_at)", "session", "version", "referrer_name", "referrer_type"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "entry_origin", "entry_path"),
)
TOUCHES = Rollup(
    table="touches",
    view="touches_view",
    pipe="sessions_queue",
    keys=("project_id",),
    hour="day",
    measures=("sign", f"sign * toInt64({_digest(*_TOUCH_COLUMNS)})"),
    source="sessions",
    time="started_at",
    grain="day",
)
"""Where each visit came from, in the order of visitors: the first and the last touch of each, as of now."""

ROLLUPS = (
    EVENTS_HOURLY,
    VISITORS,
    EVENT_VISITORS,
    PAGES,
    PAGE_VISITS,
    SESSION_SUMS,
    VISITS,
    PROPERTY_VALUES,
    ACTIVE_DAYS,
    TOUCHES,
)

FOLDED = (VISITORS, EVENT_VISITORS, PAGES, PAGE_VISITS, VISITS)
"""Those that days are folded out of (`sinks.daily`)."""
