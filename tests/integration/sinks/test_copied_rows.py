"""Rows are copied from one table to another as `weir reprocess` does it, also where merges have made large parts."""

from clickhouse_connect.driver.client import Client

from tests.integration.sinks.arrivals import number

_ROWS = 150_000
"""Of each part: with fewer, what the engine does wrong by itself does not show."""


def test_properties_are_copied_from_merged_parts(schema: Client) -> None:
    for table in ("parts", "copy"):
        schema.command(f"create table {table} as events")
        schema.command(f"alter table {table} modify setting min_bytes_for_wide_part = 0")
    for properties in ("""concat('{"plan":"a","n":', toString(number), '}')""", "'{}'"):
        schema.command(
            "insert into parts (project_id, name, created_at, properties) select 'shop', 'x', "
            f"toDateTime64('2026-03-01 00:00:00', 3, 'UTC') + number % 1000, {properties} from numbers({_ROWS})"
        )
    schema.command("optimize table parts final")
    schema.command("insert into copy select * from parts")
    assert number(schema, "select count() from copy") == 2 * _ROWS
    assert number(schema, "select uniqExact(properties.n.:Int64) from copy") == _ROWS
