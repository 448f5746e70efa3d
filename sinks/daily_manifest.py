"""Which days are folded: written down with what the tables had in them, and forgotten before what they were made of
is changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.daily_days import Day, DaySignature
from sinks.deletion import delete_rows
from sinks.rollup_pieces import at, joined
from sinks.sql_text import identifier, literal

TABLES = ("folded_values", "folded_pages")
"""What is there of a folded day."""
_KEPT_MINUTES = 10
"""How long rows of a day that was folded anew or forgotten stay, for questions that are on their way."""
_SWEPT_AT_ONCE = 1_000
_MOST_PARTS = 3
_COLUMNS = (
    *("project_id", "started", "ended", "revision", "is_forgotten"),
    *("events", "events_digest", "sessions", "sessions_digest"),
)


@dataclass(frozen=True, slots=True)
class Folded:
    """A day that was folded: which revision of its rows counts, and what the tables had then."""

    revision: int
    signature: DaySignature


def read_folded(client: Client, project_id: str) -> dict[Day, Folded]:
    """The project's days that are folded and not forgotten, whether the tables still have the same or not."""
    rows = client.query(
        "select toUnixTimestamp(started), toUnixTimestamp(ended), revision, events, events_digest, sessions, "
        "sessions_digest from daily_rollups final where project_id = {project:String} and is_forgotten = 0",
        {"project": project_id},
    ).result_rows
    return {
        Day(datetime.fromtimestamp(started, UTC), datetime.fromtimestamp(ended, UTC)): Folded(
            int(revision), DaySignature(*map(int, signature))
        )
        for started, ended, revision, *signature in rows
    }


def write_folded(
    client: Client, project_id: str, revisions: Mapping[Day, int], signatures: Mapping[Day, DaySignature]
) -> None:
    """These days are folded, and these revisions of their rows count."""
    client.insert(
        "daily_rollups",
        [
            [
                *(project_id, day.started, day.ended, revision, 0),
                *(signatures[day].events, signatures[day].events_digest),
                *(signatures[day].sessions, signatures[day].sessions_digest),
            ]
            for day, revision in revisions.items()
        ],
        column_names=_COLUMNS,
    )


def forget(client: Client, times: Iterable[tuple[datetime, datetime]], project_id: str | None = None) -> None:
    """Days that reach into any of these times, of all projects or one, count no more until they are folded anew. To be
    called before what they were made of is changed. Nobody else may fold meanwhile.

    :raises ClickHouseError: ClickHouse refuses.
    """
    found = joined(times)
    if not found:
        return
    reach = " or ".join(f"(started < {at(until)} and ended > {at(since)})" for since, until in found)
    days = (
        f"daily_rollups final where is_forgotten = 0 and ({reach}) "
        "and ({project:String} = '' or project_id = {project:String})"
    )
    told: dict[str, Any] = {"parameters": {"project": project_id or ""}, "settings": {"max_query_size": 10_000_000}}
    if client.query(f"select count() from {days}", **told).result_rows[0][0]:
        client.command(
            f"insert into daily_rollups ({', '.join(_COLUMNS)}) "
            f"select project_id, started, ended, revision + 1, 1, 0, 0, 0, 0 from {days}",
            **told,
        )


def forget_all(client: Client) -> None:
    """Nothing is folded, and no device has a number: after a restore, whose tables are of different moments."""
    for table in ("daily_rollups", *TABLES, "device_numbers"):
        client.command(f"truncate table if exists {table}")


def sweep(client: Client) -> int:
    """Delete the rows of days that were forgotten, or folded anew, some minutes ago; how many.

    :raises DeletionError: ClickHouse says that they are gone, and they are not.
    """
    current = "select project_id, revision from daily_rollups final where is_forgotten = 0"
    recent = (
        f"select project_id, started from daily_rollups final where folded_at > now() - interval {_KEPT_MINUTES} minute"
    )
    swept = 0
    for table in TABLES:
        stale = client.query(
            f"select project_id, revision, count() from {table} where (project_id, revision) not in ({current}) "
            f"and (project_id, started) not in ({recent}) group by project_id, revision order by revision "
            f"limit {_SWEPT_AT_ONCE}"
        ).result_rows
        if stale:
            rows = ", ".join(f"({literal(str(project))}, {revision})" for project, revision, _ in stale)
            delete_rows(client, table, f"(project_id, revision) in ({rows})")
        swept += sum(int(number) for *_, number in stale)
    return swept


def merge_months(client: Client) -> int:
    """Make one part of each month that has more than a few, and say of how many: a question opens every column of each,
    which takes longer than reading what it wants. Safe to repeat, at any time.
    """
    months = client.query(
        "select table, partition_id from system.parts where active and database = currentDatabase() "
        "and table in {tables:Array(String)} group by table, partition_id having count() > {most:UInt32} order by all",
        {"tables": list(TABLES), "most": _MOST_PARTS},
    ).result_rows
    for table, month in months:
        client.command(f"optimize table {identifier(str(table))} partition id {literal(str(month))} final")
    return len(months)
