"""The statements of daily rollups: what a run of days comes to, out of the rollups of half hours."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sinks.daily_days import Day
from sinks.rollup_pieces import at
from sinks.sql_text import literal

DIMENSIONS = (
    *("referrer", "referrer_name", "referrer_type"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"),
    *("country", "region", "city"),
    *("device", "brand", "model", "browser", "browser_version", "os", "os_version"),
    *("entry_origin", "entry_path", "exit_origin", "exit_path"),
)
"""The columns of ``visits`` by whose values each day is folded."""

VALUES = (
    *("dimension", "value", "started", "revision", "events", "screen_views"),
    *("sessions", "bounces", "lasting", "session_ms", "session_views", "visitors"),
)
PAGES = ("page", "started", "revision", "origin", "path", "title", "screen_views")
PAGES_SEEN = ("sessions", "sessions_across", "visitors")

_SUMS = {
    "events": "toUInt64(0)",
    "screen_views": "toUInt64(0)",
    "sessions": "toInt64(0)",
    "bounces": "toInt64(0)",
    "lasting": "toInt64(0)",
    "session_ms": "toInt64(0)",
    "session_views": "toInt64(0)",
}
_OF_SESSIONS = {
    "sessions": "toInt64(sum(sign))",
    "bounces": "toInt64(sum(sign * is_bounce))",
    "lasting": "toInt64(sum(sign * (duration_ms > 0)))",
    "session_ms": "toInt64(sum(sign * duration_ms))",
    "session_views": "toInt64(sum(sign * toInt64(screen_view_count)))",
}
_STATE = "groupBitmapStateIf(number, number != 0)"


class Run:
    """Days of a project that follow each other without a gap, and the revision that each of them gets."""

    def __init__(self, project_id: str, days: Sequence[Day], revisions: Sequence[int]) -> None:
        self._project = literal(project_id)
        self._days = days
        self._revisions = revisions
        first, last = days[0].started, days[-1].ended
        # The hour is what months are of, the half hour what rows are sorted by.
        begun = datetime.fromtimestamp(first.timestamp() // 3600 * 3600, UTC)
        self._within = (
            f"project_id = {self._project} and hour >= {at(begun)} and hour < {at(last)} "
            f"and half_hour >= {at(first)} and half_hour < {at(last)}"
        )
        starts = ", ".join(str(int(day.started.timestamp())) for day in days)
        self._start = f"roundDown(toUnixTimestamp(half_hour), [{starts}])"

    @property
    def devices(self) -> str:
        """Every device of these days, once."""
        return (
            f"select distinct visitor from (select visitor from visitors where {self._within} and visitor != 0 "
            f"union all select visitor from visits where {self._within} and visitor != 0)"
        )

    def values(self) -> str:
        """The rows of ``folded_values``, with the columns `VALUES`."""
        sums = ", ".join(f"sum({name}) as {name}" for name in _SUMS)
        pairs = ", ".join(f"({literal(name)}, toString({name}))" for name in DIMENSIONS)
        return f"""
            select dimension, value, {self._told("start")}, {sums}, groupBitmapMergeState(visitors) as visitors
            from
            (
                select '' as dimension, '' as value, {self._start} as start, {_STATE} as visitors,
                    {_sums(events="sum(events)", screen_views="sum(screen_views)")}
                from {self._numbered("visitors")} group by start
                union all
                select 'event', toString(name), {self._start} as start, {_STATE}, {_sums(events="sum(events)")}
                from {self._numbered("event_visitors")} group by name, start
                union all
                select '', '', {self._start} as start, groupBitmapStateIf(toUInt32(0), 0), {_sums(**_OF_SESSIONS)}
                from visits where {self._within} group by start
                union all
                select pair.1, pair.2, {self._start} as start, {_STATE}, {_sums(**_OF_SESSIONS)}
                from {self._numbered("visits", self._is_left)}
                array join [{pairs}] as pair
                group by pair, start
            )
            group by dimension, value, start
        """

    def pages(self) -> str:
        """The rows of ``folded_pages``, with the columns `PAGES` and `PAGES_SEEN`."""
        return f"""
            select page, {self._told("start")}, origin, path, title, screen_views, {", ".join(PAGES_SEEN)}
            from
            (
                select page, {self._start} as start, any(origin) as origin, any(path) as path,
                    argMaxMergeState(title) as title, sum(screen_views) as screen_views
                from pages where {self._within} group by page, start
            ) as shown
            left join
            (
                select page, start, uniqExactIf(session, is_inside) as sessions,
                    arraySort(groupUniqArrayIf(session, not is_inside and session != 0)) as sessions_across,
                    {_STATE} as visitors
                from
                (
                    select page, {self._start} as start, session, number,
                        session != 0 and (session, start) in ({self._inside()}) as is_inside
                    from {self._numbered("page_visits")}
                )
                group by page, start
            ) as seen using (page, start)
        """

    def _inside(self) -> str:
        """The sessions that begin and end within one of the days: none of their events can be in another one, and if
        ever they are prolonged, their rows change, and with them the signature of the day they began in.
        """
        ends = ", ".join(str(int(day.ended.timestamp())) for day in self._days)
        starts = ", ".join(str(int(day.started.timestamp())) for day in self._days)
        return f"""
            select session, {self._start} as home from visits
            where {self._within} and {self._is_left}
                and (toUnixTimestamp(half_hour) + 1800) * 1000 + duration_ms
                    <= transform({self._start}, [{starts}], [{ends}], 0) * 1000
        """

    @property
    def _is_left(self) -> str:
        """Both rows of a pair have the same version: without them sessions are left as they are now, one row each."""
        pairs = f"select cityHash64(session, version) from visits where {self._within} and sign = -1"
        return f"cityHash64(session, version) not in ({pairs})"

    def _numbered(self, table: str, condition: str = "1") -> str:
        """The table's rows of these days, each with the number of its device, or 0."""
        return f"""
            (
                select * from {table}
                left join
                (
                    select device as numbered, number from device_numbers
                    where project_id = {self._project} and device in ({self.devices})
                ) as numbers on numbers.numbered = {table}.visitor
                where {self._within} and {condition}
            )
        """

    def _told(self, start: str) -> str:
        starts = ", ".join(str(int(day.started.timestamp())) for day in self._days)
        revisions = ", ".join(map(str, self._revisions))
        return (
            f"toDateTime({start}, 'UTC') as started, "
            f"transform({start}, [{starts}], [{revisions}], toUInt64(0)) as revision"
        )


def _sums(**told: str) -> str:
    return ", ".join(f"{told.get(name, nothing)} as {name}" for name, nothing in _SUMS.items())
