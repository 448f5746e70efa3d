"""Rollups are compared piece by piece with their tables, and made anew while rows come in."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from sinks.client import connect
from sinks.migrate import migrate
from sinks.rebuild import rebuild, remake, repair
from sinks.rollup_compare import compare
from sinks.rollup_pieces import NOTHING, read_checked, read_signatures, write_checked
from sinks.rollups import ACTIVE_DAYS, EVENTS_HOURLY, ROLLUPS, Rollup
from sinks.settings import SinkSettings
from tests.integration.sinks import rows
from tests.integration.sinks.arrivals import arrive, number
from tests.integration.sinks.store import Store

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = (NOON - timedelta(days=40), NOON, NOON + timedelta(days=1))
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings(store: Store) -> SinkSettings:
    return store.settings("127.0.0.1:1", database="rebuilding")


@pytest.fixture(scope="module")
def filled(settings: SinkSettings) -> Iterator[Client]:
    """All tables with some rows, of three days in two months; without pipes from Kafka."""
    client = connect(settings)
    migrate(client, settings, pipes=False)
    client.database = settings.clickhouse_database
    offset = 0
    for day in DAYS:
        for hour in (0, 1):
            for project in ("shop", "blog"):
                offset += 1
                arrive(client, "events", offset, _events(offset, day + timedelta(hours=hour), project))
                arrive(client, "sessions", offset, _session(offset, day + timedelta(hours=hour), project))
    yield client
    client.command(f"drop database {settings.clickhouse_database}")
    client.close()


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}.000"


def _events(offset: int, at: datetime, project: str, **values: Any) -> list[dict[str, Any]]:
    place = {"raw_offset": offset, "project_id": project, "device_id": f"device-{offset}", "session_id": f"s-{offset}"}
    plan = {"plan": f"plan-{offset % 2}"}
    seen = [
        rows.event(**place, raw_line=line, created_at=_text(at), path=f"/{line}", properties=plan, **values)
        for line in range(3)
    ]
    bought = rows.event(
        **place, raw_line=3, name="revenue", created_at=_text(at), revenue=250, currency="EUR", **values
    )
    return [*seen, bought]


def _session(offset: int, at: datetime, project: str) -> list[dict[str, Any]]:
    times = {"started_at": _text(at), "ended_at": _text(at + timedelta(minutes=5)), "session_month": int(f"{at:%Y%m}")}
    place = {"raw_offset": offset, "project_id": project, "device_id": f"device-{offset}", "session_id": f"s-{offset}"}
    first = rows.session(**place, **times)
    return [first, {**first, "sign": -1}, rows.session(**place, **times, event_count=4, screen_view_count=3, version=2)]


def _all(client: Client, rollup: Rollup) -> list[tuple[Any, ...]]:
    """What the rollup says, as people read it."""
    names = ", ".join((rollup.hour, *rollup.keys, *(f"toInt64({measure})" for measure in rollup.measures)))
    measured = " or ".join(f"toInt64({measure}) != 0" for measure in rollup.measures)
    return [
        tuple(row)
        for row in client.query(f"select {names} from {rollup.table} final where {measured} order by all").result_rows
    ]


@pytest.mark.parametrize("rollup", ROLLUPS, ids=lambda rollup: rollup.table)
def test_what_is_damaged_is_found_and_mended(filled: Client, settings: SinkSettings, rollup: Rollup) -> None:
    assert not compare(filled, rollup, settle_seconds=0)
    right = _all(filled, rollup)
    assert right
    lost = f"toDate({rollup.hour}) = toDate('{NOON:%Y-%m-%d}')"
    filled.command(f"delete from {rollup.table} where {lost}")
    found = compare(filled, rollup, settle_seconds=0)
    assert {piece.date() for piece in found.pieces} == {NOON.date()}
    assert found.examples[0].rollup == rollup.table
    # Compared alone, and beside others.
    assert compare(filled, rollup, list(found.pieces), settle_seconds=0).rows == found.rows
    assert not compare(filled, rollup, [piece + timedelta(days=1) for piece in found.pieces], settle_seconds=0)
    told: list[str] = []
    assert repair(filled, settings, rollup, progress=told.append).rows == found.rows
    assert told
    assert _all(filled, rollup) == right
    filled.command(f"insert into {rollup.table} select * from {rollup.table} where {lost}")
    # A bit that is set twice is set.
    assert bool(compare(filled, rollup, settle_seconds=0)) == (rollup != ACTIVE_DAYS)
    days = rebuild(filled, settings, rollup, BEGIN, END)
    assert days == (3 if rollup.grain == "day" else 6)
    assert _all(filled, rollup) == right
    assert not filled.query("select name from system.tables where match(name, '_(beside|fresh)')").result_rows


def test_a_statement_of_a_run_that_died_does_not_reach_the_next(filled: Client, settings: SinkSettings) -> None:
    of_runs = "select name from system.tables where match(name, '_(beside|fresh)')"
    seen: list[set[str]] = []

    def dies(said: str) -> None:
        if "computed" in said:
            seen.append({name for (name,) in filled.query(of_runs).result_rows})
            raise KeyboardInterrupt

    def goes_on(said: str) -> None:
        if "computed" in said:
            seen.append({name for (name,) in filled.query(of_runs).result_rows})
            # What the other had sent off last.
            with suppress(DatabaseError):
                filled.command(f"insert into {seen[0].copy().pop()} select * from {EVENTS_HOURLY.table}")

    with pytest.raises(KeyboardInterrupt):
        remake(filled, settings, EVENTS_HOURLY, [NOON], dies)
    remake(filled, settings, EVENTS_HOURLY, [NOON], goes_on)
    assert seen[0].isdisjoint(seen[1])
    assert not compare(filled, EVENTS_HOURLY, settle_seconds=0)
    assert not filled.query(of_runs).result_rows


def test_rows_that_come_meanwhile_are_in_it(filled: Client, settings: SinkSettings) -> None:
    def another(said: str) -> None:
        if "computed" in said:
            offset = number(filled, "select max(log_offset) + 1 from events")
            arrive(filled, "events", offset, _events(offset, NOON, "shop"))
            arrive(filled, "events", offset + 1, _events(offset + 1, NOON + timedelta(hours=9), "shop"))

    before = number(filled, "select sum(events) from events_hourly")
    remake(filled, settings, EVENTS_HOURLY, [NOON], another)
    assert number(filled, "select sum(events) from events_hourly") == before + 8
    assert not compare(filled, EVENTS_HOURLY, settle_seconds=0)


def test_a_piece_is_looked_at_again_when_rows_come_or_go(filled: Client) -> None:
    """However the view fared: the projection is part of the table."""
    before = read_signatures(filled, EVENTS_HOURLY)
    write_checked(filled, EVENTS_HOURLY, {piece: seen.digest for piece, seen in before.items()})
    checked = read_checked(filled, EVENTS_HOURLY)
    assert {piece: seen.digest for piece, seen in checked.items()} == {
        piece: seen.digest for piece, seen in before.items()
    }
    filled.command("optimize table events final")
    assert read_signatures(filled, EVENTS_HOURLY) == before
    late = NOON - timedelta(days=40)
    offset = number(filled, "select max(log_offset) + 1 from events")
    arrive(filled, "events", offset, _events(offset, late, "shop"))
    after = read_signatures(filled, EVENTS_HOURLY)
    assert {piece for piece, seen in after.items() if seen != before.get(piece)} == {late}
    filled.command(f"delete from events where raw_offset = {offset} and raw_line = 1")
    again = read_signatures(filled, EVENTS_HOURLY)
    assert {piece for piece, seen in again.items() if seen != after.get(piece)} == {late}
    assert again[late].rows == after[late].rows - 1
    assert read_signatures(filled, EVENTS_HOURLY, NOON, NOON + timedelta(hours=1)).keys() == {NOON}
    plan = filled.query(
        "explain projections = 1 select toStartOfHour(created_at) as start, raw_epoch, raw_partition, "
        "count() as number, max(raw_offset) as reached from events group by start, raw_epoch, raw_partition"
    ).result_rows
    assert any("(hours)" in str(row[0]) for row in plan), plan
    remake(filled, SinkSettings.model_validate({"clickhouse_database": filled.database}), EVENTS_HOURLY, [late])


def test_what_retention_took_is_neither_compared_nor_made_anew(filled: Client, settings: SinkSettings) -> None:
    kept = NOON.replace(hour=0) + timedelta(days=1)
    told = "select sum(events) from events_hourly where project_id = 'blog'"
    before = number(filled, told)
    filled.command(f"insert into retained (project_id, kept_from, run) values ('blog', '{kept:%Y-%m-%d %H:%M:%S}', 1)")
    filled.command(f"delete from events where project_id = 'blog' and created_at < '{kept:%Y-%m-%d %H:%M:%S}'")
    assert not compare(filled, EVENTS_HOURLY, settle_seconds=0)
    filled.command(
        "insert into events_hourly (project_id, hour, name, events) values "
        f"('shop', '{NOON:%Y-%m-%d %H:%M:%S}', 'ghost', 1)"
    )
    assert {row.key[0] for row in repair(filled, settings, EVENTS_HOURLY).examples} == {"shop"}
    rebuild(filled, settings, EVENTS_HOURLY, BEGIN, END)
    assert number(filled, told) == before
    assert not compare(filled, EVENTS_HOURLY, settle_seconds=0)
    assert NOTHING.rows == 0
