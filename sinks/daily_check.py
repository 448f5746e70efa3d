"""Folded days against the half hours that they were made of."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from sinks.audit_report import Finding, Kind
from sinks.daily import ROWS_AT_ONCE
from sinks.daily_days import Day, read_day_signatures, runs_of
from sinks.daily_manifest import Folded, read_folded
from sinks.daily_sql import Run
from sinks.sql_text import identifier

_LOOKS = 3
_DAYS_AT_ONCE = 7
_EXAMPLES = 5
_SETTINGS = {"max_bytes_before_external_group_by": 1_000_000_000}
_VISITORS = "arraySort(bitmapToArray(visitors))"
_TABLES = {
    "folded_values": (
        ("dimension", "value"),
        ("events", "screen_views", "sessions", "bounces", "lasting", "session_ms", "session_views", _VISITORS),
    ),
    "folded_pages": (
        ("page",),
        (
            *("origin", "path", "finalizeAggregation(title)", "screen_views"),
            *("sessions", "arraySort(sessions_across)", _VISITORS),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class DayDifference:
    """Rows of a folded day that are not what its half hours come to: how many, and which one for example."""

    table: str
    project_id: str
    day: Day
    rows: int
    example: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.table} {self.project_id} from {self.day.started:%Y-%m-%d %H:%M}: {self.rows} rows, "
            f"for example {' '.join(self.example)}"
        )


def folded_in_use(client: Client, project_id: str) -> dict[Day, Folded]:
    """The project's folded days of which the tables have now what they had then."""
    folded = read_folded(client, project_id)
    now = read_day_signatures(client, project_id, _apart(folded))
    return {day: each for day, each in folded.items() if now.get(day) == each.signature}


def compare_folded(
    client: Client, project_id: str, days: Iterable[Day], *, settle_seconds: float = 1.0
) -> list[DayDifference]:
    """What differs in these days, of those that are in use. What is being written differs for a moment, so what differs
    is looked at again, and stays only if it does so each time and the day is in use still.
    """
    found: list[DayDifference] = []
    left = set(days)
    for look in range(_LOOKS):
        if look:
            time.sleep(settle_seconds)
        in_use = {day: each for day, each in folded_in_use(client, project_id).items() if day in left}
        found = _look(client, project_id, in_use)
        still = folded_in_use(client, project_id)
        found = [each for each in found if still.get(each.day) == in_use[each.day]]
        left = {each.day for each in found}
        if not left:
            return []
    return found


def daily_findings(differences: Iterable[DayDifference]) -> list[Finding]:
    """What is to be said of days that differ."""
    told = list(differences)
    return [
        Finding(
            kind=Kind.ROLLUP,
            table=table,
            count=sum(each.rows for each in differing),
            summary=f"{sum(each.rows for each in differing)} rows of {len(differing)} folded days are not what the "
            "half hours come to (weir rebuild --rollup daily mends them).",
            examples=tuple(str(each) for each in differing[:_EXAMPLES]),
        )
        for table in _TABLES
        if (differing := [each for each in told if each.table == table])
    ]


def _look(client: Client, project_id: str, folded: Mapping[Day, Folded]) -> list[DayDifference]:
    found = []
    sizes = {day: each.signature.events for day, each in folded.items()}
    for days in runs_of(_apart(folded), sizes, ROWS_AT_ONCE, _DAYS_AT_ONCE):
        revisions = [folded[day].revision for day in days]
        run = Run(project_id, days, revisions)
        by_start = {int(day.started.timestamp()): day for day in days}
        for table, rows in (("folded_values", run.values()), ("folded_pages", run.pages())):
            keys, measures = _TABLES[table]
            named = ", ".join(f"toString({key})" for key in keys)
            told = f"{', '.join(keys)}, started, cityHash64({', '.join(measures)}) as digest"
            sql = f"""
                select toUnixTimestamp(started) as start, count(), any([{named}])
                from
                (
                    select {", ".join(keys)}, started
                    from
                    (
                        select {told}, 0 as side from {identifier(table)}
                        where project_id = {{project:String}} and revision in ({", ".join(map(str, revisions))})
                        union all
                        select {told}, 1 as side from ({rows})
                    )
                    group by {", ".join(keys)}, started
                    having count() != 2 or uniqExact(side) != 2 or min(digest) != max(digest)
                )
                group by start order by start
            """
            differing = client.query(sql, {"project": project_id}, settings=_SETTINGS).result_rows
            found += [
                DayDifference(table, project_id, by_start[start], int(number), tuple(map(str, example)))
                for start, number, example in differing
            ]
    return found


def _apart(days: Iterable[Day]) -> list[Day]:
    """The days without those that overlap one before them, as days of another time zone do."""
    found: list[Day] = []
    for day in sorted(days):
        if not found or day.started >= found[-1].ended:
            found.append(day)
    return found
