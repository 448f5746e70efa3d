"""Every rollup is what its table comes to, whatever came in and in which order."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from sinks.rebuild import rebuild, repair
from sinks.rollup_compare import compare
from sinks.rollups import ROLLUPS, Rollup
from sinks.settings import SinkSettings
from tests.integration.sinks import rows
from tests.integration.sinks.arrivals import arrive, number
from tests.integration.sinks.store import Store

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

# Two hours before the end of a month in UTC, and two after it.
START = datetime(2026, 2, 28, 22, tzinfo=UTC)
HOURS = 4
MESSAGES = 8
PER_MESSAGE = 60
SESSIONS = 40
NAMES = ("screen_view", "screen_view", "purchase", "sign_up")
PROPERTIES: tuple[dict[str, Any], ...] = (
    {},
    {"plan": "pro", "cart": {"items": 3, "open": True}, "tags": ["a"]},
    {"plan": "free", "order": "0f8fad5b-d9cb-469f-a165-70867728950e", "total": 12345678901, "note": "é" * 300},
)

by_rollup = pytest.mark.parametrize("rollup", ROLLUPS, ids=lambda rollup: rollup.table)


@pytest.fixture(scope="module")
def settings(store: Store) -> SinkSettings:
    return store.settings("127.0.0.1:1", database="rolled_up")


@pytest.fixture(scope="module")
def filled(store: Store, settings: SinkSettings) -> Iterator[Client]:
    """Tables with random traffic of two projects in no order of time, some of it twice."""
    from sinks.client import connect
    from sinks.migrate import migrate

    client = connect(settings)
    migrate(client, settings, pipes=False)
    client.database = settings.clickhouse_database
    dice = random.Random(7)
    for offset in range(MESSAGES):
        message = [_event(dice, offset, line) for line in range(PER_MESSAGE)]
        for _ in range(1 + offset % 2):
            arrive(client, "events", offset, message)
    sessions = [_session(random.Random(at), at) for at in range(SESSIONS)]
    # What cancels a row comes in another message than the row, so that both are there until they are merged.
    for offset, parts in enumerate((slice(1), slice(1, None))):
        for _ in range(2):
            arrive(client, "sessions", offset, [row for found in sessions for row in found[parts]])
    yield client
    client.command(f"drop database {settings.clickhouse_database}")
    client.close()


def _event(dice: random.Random, offset: int, line: int) -> dict[str, Any]:
    moment = START + timedelta(milliseconds=dice.randrange(HOURS * 3_600_000))
    kind = dice.randrange(8)
    return rows.event(
        project_id=dice.choice(("shop", "blog")),
        name="session_start" if kind == 1 else dice.choice(NAMES),
        synthesized=int(kind == 1),
        bot="Googlebot" if kind == 2 else "",
        device_id="" if kind == 3 else f"device-{dice.randrange(20)}",
        session_id="" if kind == 3 else f"session-{dice.randrange(30)}",
        created_at=f"{moment:%Y-%m-%d %H:%M:%S}.{dice.randrange(3):03d}",
        origin="https://shop.example",
        path=dice.choice(("/", "/pricing", "/ä")),
        title=f"Title {dice.randrange(5)}",
        revenue=dice.randrange(1000),
        currency=dice.choice(("EUR", "USD")),
        properties=dice.choice(PROPERTIES),
        raw_offset=offset,
        raw_line=line,
    )


def _session(dice: random.Random, at: int) -> list[dict[str, Any]]:
    """The rows of a session in some versions; a late event moves its beginning back, and with it its properties."""
    began = START + timedelta(minutes=dice.randrange(60, HOURS * 60))
    found: list[dict[str, Any]] = []
    for version in range(1, dice.randrange(3, 6)):
        began -= timedelta(minutes=dice.choice((0, 0, 45)))
        ended = began + timedelta(seconds=version * 10)
        if found:
            found.append({**found[-1], "sign": -1})
        found.append(
            rows.session(
                project_id=dice.choice(("shop", "blog")) if not found else found[0]["project_id"],
                session_id=f"session-{at}",
                session_month=202602,
                device_id=f"device-{at % 9}" if at % 10 else "",
                started_at=f"{began:%Y-%m-%d %H:%M:%S}.000",
                ended_at=f"{ended:%Y-%m-%d %H:%M:%S}.000",
                duration_ms=0 if version == 1 else 10_000 * version,
                event_count=version,
                screen_view_count=version,
                is_bounce=int(version == 1),
                revenue=version,
                currency="EUR",
                country=dice.choice(("DE", "SE", "")),
                utm_term=dice.choice(("shoes", "")),
                entry_path=dice.choice(("/", "/pricing")),
                raw_offset=at,
                version=version,
            )
        )
    return found


@by_rollup
def test_it_is_what_its_table_comes_to(filled: Client, rollup: Rollup) -> None:
    assert number(filled, f"select count() from {rollup.table}") > 0
    found = compare(filled, rollup, settle_seconds=0)
    assert not found, found.examples


@by_rollup
def test_what_is_missing_wrong_or_too_much_is_found_and_made_anew(
    filled: Client, settings: SinkSettings, rollup: Rollup
) -> None:
    before = finished(filled, rollup)
    hours = [f"(select {rollup.hour} from {rollup.table} order by {rollup.hour} limit 1 offset {at})" for at in (1, 9)]
    filled.command(f"insert into {rollup.table} select * from {rollup.table} where {rollup.hour} = {hours[1]}")
    filled.command(f"delete from {rollup.table} where {rollup.hour} = {hours[0]}")
    assert repair(filled, settings, rollup)
    assert finished(filled, rollup) == before


@by_rollup
def test_hours_are_made_anew_and_come_out_the_same(filled: Client, settings: SinkSettings, rollup: Rollup) -> None:
    before = finished(filled, rollup)
    since, until = START + timedelta(hours=1), START + timedelta(hours=3)
    assert rebuild(filled, settings, rollup, since, until) > 0
    assert finished(filled, rollup) == before


def test_bots_and_what_was_made_up_are_left_out(filled: Client) -> None:
    counted = number(filled, "select count() from events where bot = '' and synthesized = 0")
    left_out = number(filled, "select countIf(bot != ''), countIf(synthesized) from events")
    assert left_out > 0
    for table in ("visitors", "event_visitors"):
        assert number(filled, f"select sum(events) from {table}") == counted
    names = filled.query("select distinct name from event_visitors order by name").result_rows
    assert names == [("purchase",), ("screen_view",), ("sign_up",)]


def test_visitors_are_counted_exactly(filled: Client) -> None:
    """Of every period of half hours, and by what they did and saw; events without a device have no visitor."""
    for since in range(2 * HOURS):
        for until in range(since + 1, 2 * HOURS + 1, 3):
            first, last = (f"toDateTime({int(START.timestamp()) + 1800 * half})" for half in (since, until))
            for table, told, raw in (
                ("visitors", "project_id", "1"),
                ("event_visitors", "project_id, name", "1"),
                ("page_visits", "project_id, page", "name = 'screen_view'"),
            ):
                page = "cityHash64(toString(origin), path) as page, " if "page" in told else ""
                exact = (
                    f"select {page} {told}, uniqExactIf(device_id, device_id != '') from events where bot = '' "
                    f"and synthesized = 0 and {raw} and created_at >= {first} and created_at < {last} "
                    f"group by {told} order by all"
                )
                rolled = (
                    f"select {'page, ' if page else ''} {told}, uniqExactIf(visitor, visitor != 0) from {table} "
                    f"where half_hour >= {first} and half_hour < {last} group by {told} order by all"
                )
                assert filled.query(rolled).result_rows == filled.query(exact).result_rows


def test_a_corrected_session_is_where_it_is_now(filled: Client) -> None:
    sums = (
        "select toStartOfHour(started_at) as hour, project_id, country, utm_term, entry_path, sum(sign) as n "
        "from sessions group by hour, project_id, country, utm_term, entry_path having n != 0 order by all"
    )
    rolled = sums.replace("toStartOfHour(started_at) as hour", "hour").replace("from sessions", "from visits")
    assert filled.query(rolled).result_rows == filled.query(sums).result_rows


def test_a_page_has_its_newest_title(filled: Client) -> None:
    raw = (
        "select project_id, origin, path, argMax(title, (created_at, event_id)) from events where bot = '' and "
        "synthesized = 0 and name = 'screen_view' group by project_id, origin, path order by all"
    )
    rolled = "select project_id, origin, path, argMaxMerge(title) from pages group by all order by all"
    assert filled.query(rolled).result_rows == filled.query(raw).result_rows


def test_properties_are_told_without_what_is_one_of_a_kind(filled: Client) -> None:
    found = filled.query("select distinct key, value from property_values order by all").result_rows
    keys = ("cart.items", "cart.open", "note", "order", "plan", "tags", "total")
    told = [("cart.items", "3"), ("cart.open", "true"), ("note", "é" * 100), ("plan", "free"), ("plan", "pro")]
    assert found == sorted([*((key, "") for key in keys), *told])
    for key, has_it in (("plan", "isNotNull(properties.plan)"), ("cart.items", "isNotNull(properties.cart.items)")):
        assert number(filled, f"select sum(events) from property_values where key = '{key}' and value = ''") == number(
            filled, f"select countIf({has_it} and bot = '' and not synthesized) from events"
        )
    plans = "countIf(properties.plan.:String = 'pro' and bot = '' and not synthesized)"
    assert number(filled, "select sum(events) from property_values where value = 'pro'") == number(
        filled, f"select {plans} from events"
    )


def finished(client: Client, rollup: Rollup) -> list[tuple[Any, ...]]:
    """What the rollup says, piece by piece."""
    sums = ", ".join(f"sum(toInt64({measure}))" for measure in rollup.measures)
    keys = ", ".join((rollup.hour, *rollup.keys))
    sql = f"select {keys}, {sums} from {rollup.table} final group by {keys} order by all"
    found: list[tuple[Any, ...]] = [tuple(row) for row in client.query(sql).result_rows]
    return [row for row in found if any(row[1 + len(rollup.keys) :])]
