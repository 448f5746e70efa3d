"""What can be exported: each table in the form in which its rows mean something, or a query of one's own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.errors import SinkError
from sinks.sql_text import identifier, statements, tokens

_PLACE = frozenset({"log_topic", "log_epoch", "log_partition", "log_offset", "log_stamp"})
_OWN = _PLACE | {"sign", "is_deleted", "ops_epoch", "ops_partition", "ops_offset"}
"""Columns by which tables keep themselves exact; they say nothing of what is stored."""
_TIMES = {
    "events": "created_at",
    "sessions": "started_at",
    "replay_chunks": "started_at",
    "ledger": "stamp",
    "dead_letters": "stamp",
    "profiles": "updated_at",
    "groups": "updated_at",
    "identities": "created_at",
}
_TABLES = r"""
select name, engine from system.tables
where database = currentDatabase() and (engine like '%MergeTree%' or engine = 'Distributed')
    and name not in ('schema_migrations', 'reprocess_lock')
    and not match(name, '_(shadow|beside)(_|$)')
order by name
"""
_COLUMNS = """
select name, type, is_in_sorting_key from system.columns
where database = currentDatabase() and table = {table:String} order by position
"""
_READS = {"SELECT", "WITH"}
QUERY = "query"
"""The name of a source that is a query of one's own."""


class ExportError(SinkError):
    """What was asked for cannot be exported; the message says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows of a table. Empty and None mean all; ``until`` is exclusive."""

    project_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Queries whose rows follow each other in one export; all have the same columns. ``parameters`` are bound."""

    name: str
    queries: Iterator[str]
    shape: str
    """A query with the same columns, to be described only."""
    parameters: dict[str, Any] = field(default_factory=dict)


def tables(client: Client) -> dict[str, str]:
    """The names of the tables that can be exported, with their engines."""
    return {str(name): str(engine) for name, engine in client.query(_TABLES).result_rows}


def from_table(client: Client, table: str, asked: Asked) -> Source:
    """The rows of a table as they are to be read: sessions and whatever is replaced as it is now, rollups summed up.

    Events come in the order of their time; other tables in the order in which they are stored.

    :raises ExportError: there is no such table, or it has no projects or times to choose by.
    :raises ClickHouseError: ClickHouse refuses.
    """
    found = tables(client)
    if table not in found:
        raise ExportError(f"There is no table {table} to export; there are: {', '.join(found)}.")
    columns = [
        (str(name), str(kind), bool(key)) for name, kind, key in client.query(_COLUMNS, {"table": table}).result_rows
    ]
    names = {name for name, *_ in columns}
    conditions, parameters = _conditions(table, columns, asked)
    is_merged = any(kind in found[table] for kind in ("Replacing", "Collapsing", "Aggregating", "Summing"))
    if found[table] == "Distributed":
        # What it reads says by its columns whether rows replace each other or add up.
        sums = any("AggregateFunction(" in kind for _, kind, _ in columns)
        is_merged = sums or not names.isdisjoint({"sign", "version", "is_deleted"})
    if "sign" in names:
        conditions.append("sign = 1")
    if "is_deleted" in names:
        conditions.append("is_deleted = 0")
    told = [(name, kind) for name, kind, _ in columns if name not in _OWN] or [
        (name, kind) for name, kind, _ in columns
    ]
    shown = ", ".join(_shown(table, name, kind) for name, kind in told)
    # A column that is shown otherwise than it is stored has its own name; conditions mean what is stored.
    base = f"select {shown} from {identifier(table)} as stored{' final' if is_merged else ''}"
    select = f"{base} where {' and '.join(conditions or ['1'])}"
    if table != "events":
        return Source(table, iter([select]), select, parameters)
    return Source(table, _by_day(client, select, conditions, parameters), select, parameters)


def from_query(sql: str) -> Source:
    """A query of one's own, which must only read. Raises ExportError for any other."""
    parts = statements(sql)
    words = [token for token in tokens(sql.encode()) if token.kind == "word"]
    if len(parts) != 1 or not words or words[0].text.decode() not in _READS:
        raise ExportError("A query to export is one SELECT, or WITH … SELECT.")
    if any(word.text in (b"OUTFILE", b"FORMAT") and word.depth == 0 for word in words):
        raise ExportError("A query to export names neither a FORMAT nor a file: say --format and --output.")
    return Source(QUERY, iter(parts), parts[0])


def _conditions(table: str, columns: list[tuple[str, str, bool]], asked: Asked) -> tuple[list[str], dict[str, Any]]:
    conditions, parameters = [], dict[str, Any]()
    if asked.project_id:
        if "project_id" not in {name for name, *_ in columns}:
            raise ExportError(f"Rows of {table} belong to no project: leave --project out.")
        conditions.append("stored.project_id = {project:String}")
        parameters["project"] = asked.project_id
    time = _TIMES.get(table) or next(
        (name for name, kind, is_key in columns if is_key and re.match(r"Date(Time|32)?\b|DateTime64", kind)), None
    )
    for bound, sign, name in ((asked.since, ">=", "since"), (asked.until, "<", "until")):
        if bound is not None:
            if time is None:
                raise ExportError(f"Rows of {table} have no time: leave --from and --to out.")
            column = identifier(time)
            conditions.append(f"stored.{column} {sign} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')")
            parameters[name] = round(bound.timestamp() * 1000)
    return conditions, parameters


def _shown(table: str, name: str, kind: str) -> str:
    column = identifier(name)
    if kind.startswith("AggregateFunction("):
        return f"finalizeAggregation(stored.{column}) as {column}"
    if (table, name) == ("dead_letters", "value"):
        # Bytes as they came, and no text will hold them all.
        whole = f"if(isValidUTF8(stored.{column}), '', base64Encode(stored.{column}))"
        return f"toValidUTF8(stored.{column}) as {column}, {whole} as value_base64"
    return f"stored.{column} as {column}"


def _by_day(client: Client, select: str, conditions: list[str], parameters: dict[str, Any]) -> Iterator[str]:
    """A query for each day that has events, so that no more than a day has to be put in order at once."""
    day = "toDate(stored.created_at)"
    sql = f"select distinct {day} as day from events as stored where {' and '.join(conditions or ['1'])} order by day"
    days: list[date] = [row[0] for row in client.query(sql, parameters).result_rows]
    for each in days:
        yield (
            f"{select} and {day} = toDate('{each.isoformat()}') "
            "order by created_at, raw_epoch, raw_partition, raw_offset, raw_line, event_id"
        )
