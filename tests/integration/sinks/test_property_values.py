"""Values of properties as one types them are bounded; how often a key came is not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from sinks.property_values import prune_values
from sinks.rebuild import rebuild
from sinks.rollup_compare import compare
from sinks.rollups import PROPERTY_VALUES
from sinks.settings import SinkSettings
from tests.integration.sinks import rows
from tests.integration.sinks.arrivals import arrive, number
from tests.integration.sinks.store import Store

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

TODAY = datetime(2026, 3, 5, tzinfo=UTC)


@pytest.fixture
def settings(store: Store, schema: Client) -> SinkSettings:
    return store.settings("127.0.0.1:1", database=str(schema.database))


def searched(offset: int, day: str, terms: list[str]) -> list[dict[str, Any]]:
    """Events of a message, each with a term that was searched for."""
    return [
        rows.event(
            created_at=f"{day} 10:00:00.{line % 1000:03d}",
            raw_offset=offset,
            raw_line=line,
            properties={"term": term, "filter": {"place": {"name": "x"}}},
        )
        for line, term in enumerate(terms)
    ]


def test_of_a_large_block_each_read_row_counts_for_those_left_out(schema: Client) -> None:
    terms = [f"often {at % 4}" if at % 2 else f"once {at}" for at in range(4500)]
    arrive(schema, "events", 0, searched(0, "2026-03-01", terms))
    for key in ("term", "filter.place.name"):
        assert number(schema, f"select sum(events) from property_values where key = '{key}' and value = ''") == 4500
    read = number(schema, "select sum(events) from property_values where key = 'term' and value != ''")
    assert 4500 <= read < 4500 + 5
    assert number(schema, "select count() from property_values") < 1000
    assert not compare(schema, PROPERTY_VALUES, settle_seconds=0)


def test_a_small_block_is_told_of_in_full(schema: Client) -> None:
    arrive(schema, "events", 0, searched(0, "2026-03-01", ["a", "", "b", "a"]))
    assert schema.query(
        "select key, value, sum(events) from property_values group by all order by all"
    ).result_rows == [
        ("filter.place.name", "", 4),
        ("term", "", 4),
        ("term", "a", 2),
        ("term", "b", 1),
    ]


def test_of_a_day_that_is_over_the_most_frequent_stay(schema: Client, settings: SinkSettings) -> None:
    days = ["2025-11-01", "2026-03-01", "2026-03-02", "2026-03-05"]
    for number_of_day, day in enumerate(days):
        for part in range(2):
            # "a" comes in every message, each of the others in one.
            offset = 2 * number_of_day + part
            arrive(schema, "events", offset, searched(offset, day, ["a", *(f"{part} {at}" for at in range(offset))]))
    counts = (
        "select toString(toDate(day)), uniqExact(value) from property_values where value != '' group by 1 order by 1"
    )
    assert schema.query(counts).result_rows == [(days[0], 2), (days[1], 6), (days[2], 10), (days[3], 14)]
    assert prune_values(schema, settings, TODAY, most=3) == 2 + 3 + 7
    assert prune_values(schema, settings, TODAY, most=3) == 0
    assert schema.query(counts).result_rows == [(days[1], 3), (days[2], 3), (days[3], 14)]
    kept = "select distinct value from property_values where value != '' and toDate(day) = '2026-03-02' order by value"
    assert schema.query(kept).result_rows == [("0 0",), ("0 1",), ("a",)]
    assert number(schema, "select sum(events) from property_values where key = 'term' and value = ''") == 36
    assert not compare(schema, PROPERTY_VALUES, settle_seconds=0)
    # A day that is made anew has its values again, until they are taken again.
    begin, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
    assert rebuild(schema, settings, PROPERTY_VALUES, begin, end) == 2
    assert schema.query(counts).result_rows[1:] == [(days[2], 10), (days[3], 14)]
