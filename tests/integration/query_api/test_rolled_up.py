"""Numbers are the same whether they come from rollups or from events and sessions."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from query_api.periods import Interval, Period
from query_api.sql import lists, overview
from query_api.sql.builder import Query
from query_api.sql.dimensions import Dimension
from tests.integration.query_api.conftest import NOW, OpenApi, World

pytestmark = pytest.mark.integration

DATABASE = "weir"


def days(zone: str, first: date, count: int, interval: Interval = Interval.DAY) -> Period:
    name = ZoneInfo(zone)
    start, end = (datetime(day.year, day.month, day.day, tzinfo=name) for day in (first, first + timedelta(days=count)))
    return Period(start, end, interval)


PERIODS = {
    "berlin-30-days": days("Europe/Berlin", date(2026, 2, 28), 31),
    "berlin-hours-of-the-clock-change": days("Europe/Berlin", date(2026, 3, 28), 3, Interval.HOUR),
    "kolkata-10-days": days("Asia/Kolkata", date(2026, 3, 5), 10),
    "new-york-weeks": days("America/New_York", date(2026, 1, 5), 70, Interval.WEEK),
}


@pytest.fixture(scope="module")
def client(world: World, store_url: str) -> Iterator[Client]:
    client = clickhouse_connect.get_client(dsn=store_url, autogenerate_session_id=False)
    yield client
    client.close()


def answer(client: Client, query: Query) -> list[dict[str, Any]]:
    result = client.query(query.sql, parameters=query.parameters)
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def same(client: Client, rolled: Query, raw: Query) -> None:
    """In any order, as an overview has none; a list has the same rows at its places by their sums and names."""
    assert rolled.sql != raw.sql
    found, expected = (sorted(map(repr, answer(client, query))) for query in (rolled, raw))
    assert found == expected
    assert expected


@pytest.mark.parametrize("project", ["shop", "blog"])
@pytest.mark.parametrize("period", PERIODS.values(), ids=PERIODS)
def test_overview(client: Client, project: str, period: Period) -> None:
    by_default = overview.overview(DATABASE, project, period)
    rolled = overview.overview(DATABASE, project, period, rolled=True)
    assert by_default == rolled
    for of_rollup, raw in zip(rolled, overview.overview(DATABASE, project, period, rolled=False), strict=True):
        same(client, of_rollup, raw)


@pytest.mark.parametrize("period", PERIODS.values(), ids=PERIODS)
def test_lists(client: Client, period: Period) -> None:
    for limit in (1, 2, 50):
        for asked in (lists.pages, lists.event_names):
            rolled, raw = (asked(DATABASE, "shop", period, limit, rolled=rolled) for rolled in (True, False))
            assert answer(client, rolled) == answer(client, raw)
            same(client, rolled, raw)


@pytest.mark.parametrize("dimension", Dimension)
def test_lists_of_sessions(client: Client, dimension: Dimension) -> None:
    for period in PERIODS.values():
        rolled, raw = (
            lists.sessions_by(dimension, DATABASE, "blog", period, 50, rolled=rolled) for rolled in (True, False)
        )
        assert answer(client, rolled) == answer(client, raw)
        same(client, rolled, raw)


@pytest.mark.parametrize(
    "period",
    [
        days("Asia/Kathmandu", date(2026, 3, 5), 10),
        Period(NOW.astimezone(ZoneInfo("UTC")), (NOW + timedelta(hours=1)).astimezone(ZoneInfo("UTC")), Interval.HOUR),
    ],
    ids=["a quarter of an hour", "any second"],
)
def test_what_is_not_of_half_hours_is_read_from_events(client: Client, period: Period) -> None:
    assert overview.overview(DATABASE, "shop", period) == overview.overview(DATABASE, "shop", period, rolled=False)
    assert lists.pages(DATABASE, "shop", period, 50) == lists.pages(DATABASE, "shop", period, 50, rolled=False)


async def test_properties_are_completed(open_api: OpenApi, world: World) -> None:
    hits = [hit for visit in world.visits["shop"] for hit in visit.hits]
    plans = Counter(hit.properties["plan"] for hit in hits)
    newest = max(hit.time_ms for hit in hits if hit.properties["plan"] == "pro")
    async with open_api() as http:
        keys = (await http.get("/insights/shop/properties")).json()
        assert {row["key"]: row["events"] for row in keys} == {"plan": len(hits), "cart.items": len(hits)}
        assert [row["key"] for row in (await http.get("/insights/shop/properties?search=ITEM")).json()] == [
            "cart.items"
        ]
        values = (await http.get("/insights/shop/properties/values", params={"key": "plan"})).json()
        # Of large blocks every n-th event is looked at for values.
        assert {row["value"]: row["events"] for row in values} == pytest.approx(plans, rel=0.2)
        (pro,) = (await http.get("/insights/shop/properties/values?key=plan&search=pr")).json()
        assert newest / 1000 - 86_400 < datetime.fromisoformat(pro["last_seen"]).timestamp() <= newest / 1000
        assert (await http.get("/insights/shop/properties/values?key=nobody-has-it")).json() == []
        assert (await http.get("/insights/rival/properties")).status_code == 404
