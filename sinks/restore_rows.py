"""Rows that come from a backup's copy of Kafka in its place: by the same way, so that the views drop what is there."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from schemas.envelope import split_lines
from sinks.sql_text import identifier
from sinks.tables import TABLES

_PORTION_BYTES = 4 * 1024 * 1024
_PORTION_MESSAGES = 2_000
_AS_READ = {
    "date_time_input_format": "best_effort",
    "input_format_try_infer_dates": 0,
    "input_format_try_infer_datetimes": 0,
    # All rows of a message must be in one block: the next would be taken for a repeat.
    "input_format_parallel_parsing": 0,
    "max_insert_block_size": 10_000_000,
}


class Arrival(NamedTuple):
    """A message as a Kafka table would hand it on. ``stamp``: milliseconds."""

    partition: int
    offset: int
    stamp: int
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes


def insert_arrivals(client: Client, table: str, arrivals: Iterable[Arrival]) -> int:
    """Let messages of the table's topic arrive, in the order of their offsets; how many there were. Safe to repeat.

    :raises ClickHouseError: ClickHouse refuses.
    """
    count, size, portion = 0, 0, list[Arrival]()
    for arrival in arrivals:
        portion.append(arrival)
        count, size = count + 1, size + len(arrival.value)
        if size >= _PORTION_BYTES or len(portion) >= _PORTION_MESSAGES:
            _insert(client, table, portion)
            size, portion = 0, []
    _insert(client, table, portion)
    return count


def _insert(client: Client, table: str, portion: list[Arrival]) -> None:
    if not portion:
        return
    if table == "dead_letters":
        _insert_letters(client, portion)
        return
    try:
        _insert_rows(client, table, [line for arrival in portion for line in _rows(table, arrival)])
    except (DatabaseError, ValueError):
        for arrival in portion:
            _insert_one(client, table, arrival)


def _insert_one(client: Client, table: str, arrival: Arrival) -> None:
    try:
        _insert_rows(client, table, list(_rows(table, arrival)))
    except (DatabaseError, ValueError) as error:
        text = arrival.value.decode(errors="replace")
        row = {"error": str(error)[:1000], "raw_message": text, **_place(table, arrival)}
        _insert_rows(client, table, [orjson.dumps(row)])


def _insert_rows(client: Client, table: str, rows: list[bytes]) -> None:
    if rows:
        name = identifier(f"{table}_arrivals")
        client.raw_insert(name, insert_block=b"\n".join(rows), fmt="JSONEachRow", settings=_AS_READ)


def _rows(table: str, arrival: Arrival) -> Iterable[bytes]:
    place = _place(table, arrival)
    for line in split_lines(arrival.value):
        row = orjson.loads(line)
        if not isinstance(row, dict):
            raise ValueError("not an object")
        yield orjson.dumps({**row, **place})


def _insert_letters(client: Client, portion: list[Arrival]) -> None:
    rows: list[list[Any]] = []
    for arrival in portion:
        names = [name for name, _ in arrival.headers]
        texts = [(value or b"").decode(errors="replace") for _, value in arrival.headers]
        stamp = datetime.fromtimestamp(arrival.stamp / 1000, UTC)
        rows.append([arrival.value, names, texts, stamp, TABLES["dead_letters"], arrival.partition, arrival.offset])
    columns = ["value", "names", "texts", "log_stamp", "log_topic", "log_partition", "log_offset"]
    client.insert("dead_letters_arrivals", rows, column_names=columns)


def _place(table: str, arrival: Arrival) -> dict[str, Any]:
    stamp = datetime.fromtimestamp(arrival.stamp / 1000, UTC)
    return {
        "log_topic": TABLES[table],
        "log_partition": arrival.partition,
        "log_offset": arrival.offset,
        "log_stamp": f"{stamp:%Y-%m-%d %H:%M:%S}.{stamp.microsecond // 1000:03}",
    }
