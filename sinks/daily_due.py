"""Which days are to be folded: those that are over, and of which the rollups of half hours are known to be right."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client

from sinks.daily import Progress, fold, settled_signatures
from sinks.daily_days import QUIET, Day, DaySignature, calendar, read_day_signatures
from sinks.daily_manifest import merge_months, read_folded
from sinks.retained import Retained, read_retained
from sinks.rollup_pieces import NOTHING, piece_of, read_checked, read_signatures
from sinks.rollups import FOLDED
from sinks.settings import SinkSettings

_HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Standing:
    """How the days of all projects stand."""

    folded: int = 0
    """How many are folded, and the tables have what they had then."""
    waiting: int = 0
    """How many are not, those that are due too."""
    due: list[tuple[str, Day, DaySignature]] = field(default_factory=list)
    """What can be folded, newest first, with what the tables have in it."""
    strange: dict[str, list[Day]] = field(default_factory=dict)
    """Per project what was folded, but is no day of its calendar, as after its time zone was changed."""


def find_standing(client: Client, zones: Mapping[str, str], now: datetime) -> Standing:
    """How the days of these projects stand (``zones``: the time zone of each). Reads only.

    What the tables have in a day is looked at before it is asked whether the half hours have it all: what comes in
    later changes the tables again, so a day that is folded out of these half hours is never used with less in it.
    """
    standing = Standing()
    changed: list[tuple[str, Day, DaySignature]] = []
    for project_id, first in _beginnings(client).items():
        if project_id not in zones:
            continue
        days = calendar(ZoneInfo(zones[project_id]), first, now)
        folded = read_folded(client, project_id)
        standing.strange[project_id] = sorted(folded.keys() - set(days))
        for day, signature in read_day_signatures(client, project_id, days).items():
            if day in folded and folded[day].signature == signature:
                standing.folded += 1
            else:
                changed.append((project_id, day, signature))
    standing.waiting = len(changed)
    if changed:
        kept = read_retained(client)
        unsettled = _unsettled(client, [day for _, day, _ in changed])
        standing.due = sorted(
            (each for each in changed if _is_settled(*each, kept, unsettled)),
            key=lambda each: (each[1].ended, each[0]),
            reverse=True,
        )
    return standing


def _beginnings(client: Client) -> dict[str, datetime]:
    """When each project's first half hour with anything in it was."""
    rows = client.query(
        "select project_id, toUnixTimestamp(min(half_hour)) from (select project_id, half_hour from visitors "
        "union all select project_id, half_hour from visits) group by project_id order by project_id"
    ).result_rows
    return {str(project): datetime.fromtimestamp(first, UTC) for project, first in rows}


def _is_settled(
    project_id: str, day: Day, signature: DaySignature, kept: Retained, unsettled: frozenset[datetime]
) -> bool:
    """Whether the half hours have all that the tables have. Where retention takes rows nothing is compared: nothing may
    be left of such a day, so that nothing can be on its way.
    """
    if _hour(day.started) < kept.kept_from(project_id):
        return signature == DaySignature()
    return unsettled.isdisjoint(_hours(day))


def _unsettled(client: Client, days: Iterable[Day]) -> frozenset[datetime]:
    """The hours around these days in which any of the rollups that days are folded out of was not found equal to its
    table, as the table is now.
    """
    ends = [moment for day in days for moment in (day.started, day.ended)]
    since, until = _hour(min(ends)), max(ends) + _HOUR
    tables = {}
    found: set[datetime] = set()
    for rollup in FOLDED:
        if rollup.source not in tables:
            tables[rollup.source] = read_signatures(client, rollup, since, until)
        now, checked = tables[rollup.source], read_checked(client, rollup)
        for hour in {*now, *(piece for piece in checked if since <= piece < until)}:
            if hour not in checked or checked[hour].digest != now.get(hour, NOTHING).digest:
                found.add(hour)
    return frozenset(found)


def _hours(day: Day) -> Iterable[datetime]:
    hour = _hour(day.started)
    while hour < day.ended:
        yield hour
        hour += _HOUR


def _hour(moment: datetime) -> datetime:
    return piece_of(FOLDED[0], moment)


def fold_between(
    client: Client,
    settings: SinkSettings,
    zones: Mapping[str, str],
    since: datetime,
    until: datetime,
    progress: Progress | None = None,
) -> int:
    """Fold all days of these projects that lie in [``since``, ``until``) and are over, folded or not; how many. What
    holds for `fold` holds here. In a cluster nothing is folded.

    :raises DailyError: a statement failed.
    """
    if settings.clickhouse_cluster is not None:
        return 0
    end = min(datetime.now(UTC), until + QUIET)
    wanted = {
        project_id: [
            day for day in calendar(ZoneInfo(zones[project_id]), max(first, since), end) if day.started >= since
        ]
        for project_id, first in _beginnings(client).items()
        if project_id in zones
    }
    signatures = settled_signatures(client, settings, wanted)
    folded = sum(
        fold(client, settings, project_id, days, progress, signatures[project_id])
        for project_id, days in wanted.items()
    )
    merge_months(client)
    return folded
