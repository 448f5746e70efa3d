"""The tables beside the tables: made new for each run, filled by it, dropped when it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from clickhouse_connect.driver.client import Client

from schemas import topics
from sinks.shadow.plan import ReprocessError, Stage, read_plan, settled, within

TOUCHED = "sessions_shadow_touched"
"""Sessions of which anything lies in the range, and what became of them."""
_TOUCHED_TABLE = f"""
create table {TOUCHED}
(
    project_id String,
    session_id String,
    session_month UInt32,
    raw_partition UInt16,
    begun_at UInt64,
    was_there UInt8,
    was_closed UInt8,
    event_count UInt32,
    screen_view_count UInt32,
    revenue Int64,
    started_at DateTime64(3, 'UTC'),
    ended_at DateTime64(3, 'UTC'),
    whole UInt8 comment 'none of its events lies outside the range'
)
engine = MergeTree
order by (project_id, session_id)
"""

STRAYS = "events_shadow_strays"
"""Events outside the range that Weir made up for a session which lies within it (its end is told later): they come and
go with it. ``change`` is 1 or -1.
"""
_STRAYS_TABLE = f"""
create table {STRAYS}
(
    project_id String,
    event_id UUID,
    raw_partition UInt16,
    raw_offset UInt64,
    month UInt32,
    change Int8
)
engine = MergeTree
order by (raw_partition, raw_offset)
"""
_STRAY = f"""(raw_epoch = {{epoch:UInt32}}
    and (project_id, event_id, raw_partition, raw_offset) in
        (select project_id, event_id, raw_partition, raw_offset from {STRAYS}))"""
STRAY_MESSAGE = f"""(raw_epoch = {{epoch:UInt32}} and kind != 'erasure'
    and (raw_partition, from_offset) in (select raw_partition, raw_offset from {STRAYS}))"""
"""The condition that a ledger row tells of a stray."""


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A table that is reprocessed. ``month``: what it is partitioned by; ``partition``: the column with the raw
    partition; ``old``: the condition for the rows that new ones replace; ``key``: what makes a row the same row.
    """

    table: str
    topic: str
    month: str
    partition: str
    old: str
    key: tuple[str, ...]

    @property
    def shadow(self) -> str:
        """The finished new rows."""
        return f"{self.table}_shadow"

    @property
    def made(self) -> str:
        """What processing gave, without the places in the table's topic."""
        return f"{self.table}_shadow_made"

    @property
    def next(self) -> str:
        """The months to come."""
        return f"{self.table}_shadow_next"


EVENTS = Shadowed(
    "events",
    topics.EVENTS,
    "toYYYYMM(created_at)",
    "raw_partition",
    f"({within()} or {_STRAY})",
    ("raw_partition", "raw_offset", "raw_line", "event_id"),
)
SESSIONS = Shadowed(
    "sessions",
    topics.SESSIONS,
    "session_month",
    "raw_partition",
    f"({settled()} and (project_id, session_id) in (select project_id, session_id from {TOUCHED}))",
    ("project_id", "session_id"),
)
LEDGER = Shadowed(
    "ledger",
    topics.LEDGER,
    "toYYYYMM(stamp)",
    "raw_partition",
    f"({within(offset='from_offset')} or {STRAY_MESSAGE})",
    ("raw_partition", "from_offset", "kind"),
)
DEAD_LETTERS = Shadowed(
    "dead_letters",
    topics.DEAD_LETTERS,
    "toYYYYMM(log_stamp)",
    "partition",
    f"(topic = {{raw_topic:String}} and {within('epoch', 'partition', 'offset')})",
    ("partition", "offset", "line"),
)
SHADOWED = (EVENTS, SESSIONS, LEDGER, DEAD_LETTERS)
"""Profiles, groups, identities and recordings are not: they are made of operations that went on from here, in order."""


def make_tables(client: Client) -> None:
    """Empty tables for a run; what an earlier one left is gone."""
    drop_tables(client)
    for each in SHADOWED:
        client.command(f"create table {each.made} as {each.table}")
        client.command(f"create table {each.shadow} as {each.table}")
    client.command(_TOUCHED_TABLE)
    client.command(_STRAYS_TABLE)


def drop_tables(client: Client) -> None:
    """Nothing is left of a run."""
    for each in SHADOWED:
        for name in (each.made, each.shadow, each.next):
            client.command(f"drop table if exists {name}")
    client.command(f"drop table if exists {TOUCHED}")
    client.command(f"drop table if exists {STRAYS}")


def forget_run(client: Client) -> None:
    """Drop a run that is not being applied, if there is one.

    :raises ReprocessError: it is being applied.
    """
    plan = read_plan(client)
    if plan is not None and plan.stage == Stage.APPLYING:
        raise ReprocessError(
            "Months of a run of weir reprocess are in place already: complete it with weir reprocess apply."
        )
    drop_tables(client)


def insert_rows(client: Client, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as workers write them; columns that a row lacks are empty."""
    if rows:
        client.raw_insert(
            table,
            insert_block=b"\n".join(orjson.dumps(row) for row in rows),
            fmt="JSONEachRow",
            settings={
                "date_time_input_format": "best_effort",
                "input_format_try_infer_dates": 0,
                "input_format_try_infer_datetimes": 0,
            },
        )


def columns(client: Client, table: str) -> list[str]:
    """The columns of a table, in order."""
    rows = client.query(
        "select name from system.columns where database = currentDatabase() and table = {table:String} "
        "order by position",
        {"table": table},
    ).result_rows
    return [str(name) for (name,) in rows]
