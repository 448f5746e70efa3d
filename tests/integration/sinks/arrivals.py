"""Messages as the Kafka tables hand them on, put in by hand: repeats can be made at will, without a broker."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from clickhouse_connect.driver.client import Client


def arrive(
    client: Client,
    table: str,
    offset: int,
    rows: Sequence[Mapping[str, Any]],
    *,
    partition: int = 0,
    topic: str = "",
) -> None:
    """A message with these rows at this place of the log."""
    place = {
        "log_topic": topic or f"weir.{table}",
        "log_partition": partition,
        "log_offset": offset,
        "log_stamp": "2026-03-01 10:00:02.000",
    }
    data = b"\n".join(orjson.dumps({**row, **place}) for row in rows)
    client.raw_insert(f"{table}_arrivals", insert_block=data, fmt="JSONEachRow")


def arrive_broken(client: Client, table: str, offset: int, message: str, *, partition: int = 0) -> None:
    """A message the engine could not read."""
    row = {"error": "cannot be parsed", "raw_message": message}
    arrive(client, table, offset, [row], partition=partition)


def unguarded(client: Client, view: str) -> None:
    """Make the view anew without its look at what the table has: what happens without the rule."""
    rows = client.query(
        "select create_table_query from system.tables where database = currentDatabase() and name = {view:String}",
        {"view": view},
    ).result_rows
    made = str(rows[0][0])
    guard = " AND ((progress.known = 0) OR (arrival.log_offset > progress.done))"
    assert guard in made, made
    client.command(f"drop view {view}")
    client.command(made.replace(guard, ""))


def number(client: Client, sql: str) -> int:
    """The one number a query gives."""
    return int(client.query(sql).result_rows[0][0])
