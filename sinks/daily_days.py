"""The days that daily rollups are of, and what the tables have in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client

from schemas import day_signature
from schemas.calendar import is_of_half_hours, midnight
from sinks.rollup_pieces import at

QUIET = timedelta(hours=1)
"""How long a day has been over before it is folded: until then sessions of its last minutes go on, and are closed."""
MOST_DAYS = 4_000
"""How far back days are folded; a period that is asked for has no more."""


@dataclass(frozen=True, slots=True, order=True)
class Day:
    """A day of a project's calendar, as the moments (UTC) between which it lies. Its zone is in these."""

    started: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class DaySignature:
    """What the tables have in a day: rows, and sums over them that each row which comes or goes changes."""

    events: int = 0
    events_digest: int = 0
    sessions: int = 0
    sessions_digest: int = 0


def calendar(zone: ZoneInfo, first: datetime, now: datetime) -> list[Day]:
    """The days from the one that ``first`` lies in to the last that is over for `QUIET`; none that does not consist of
    half hours of UTC.
    """
    last = (now - QUIET).astimezone(zone).date() - timedelta(days=1)
    day = max(first.astimezone(zone).date(), last - timedelta(days=MOST_DAYS - 1))
    found = []
    while day <= last:
        one = Day(midnight(day, zone), midnight(day + timedelta(days=1), zone))
        if is_of_half_hours(one.started, one.ended):
            found.append(one)
        day += timedelta(days=1)
    return found


def runs_of(days: Iterable[Day], sizes: Mapping[Day, int], most_rows: int, most_days: int) -> Iterator[list[Day]]:
    """The days in runs without a gap, the newest run first, none with more than so many rows (a day's ``sizes``; but at
    least a day) or days.
    """
    run: list[Day] = []
    rows = 0
    for day in sorted(set(days), reverse=True):
        rows += sizes.get(day, 0)
        if run and (day.ended != run[0].started or rows > most_rows or len(run) == most_days):
            yield run
            run, rows = [], sizes.get(day, 0)
        run.insert(0, day)
    if run:
        yield run


def read_day_signatures(client: Client, project_id: str, days: Sequence[Day]) -> dict[Day, DaySignature]:
    """What both tables have in each of these days, which do not overlap. Reads the projections only."""
    if not days:
        return {}
    events = _sums(client, project_id, days, "events", day_signature.EVENTS_HALF_HOUR, day_signature.EVENTS)
    sessions = _sums(client, project_id, days, "sessions", day_signature.SESSIONS_HALF_HOUR, day_signature.SESSIONS)
    return {day: DaySignature(*events.get(day, (0, 0)), *sessions.get(day, (0, 0))) for day in days}


def _sums(
    client: Client, project_id: str, days: Sequence[Day], table: str, half: str, measures: Sequence[str]
) -> dict[Day, tuple[int, int]]:
    first, last = min(day.started for day in days), max(day.ended for day in days)
    # The ends too, so that what lies between two days counts for neither.
    bounds = sorted({int(moment.timestamp()) for day in days for moment in (day.started, day.ended)})
    rows = client.query(
        f"select roundDown(toUnixTimestamp({half}), [{', '.join(map(str, bounds))}]) as day, {', '.join(measures)} "
        f"from {table} where project_id = {{project:String}} and {half} >= {at(first)} and {half} < {at(last)} "
        "group by day",
        {"project": project_id},
    ).result_rows
    found = {int(start): (int(number), int(digest)) for start, number, digest in rows}
    return {day: found[start] for day in days if (start := int(day.started.timestamp())) in found}
