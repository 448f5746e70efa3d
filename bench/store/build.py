"""Builds the data set day by day. What was done is recorded in the store: a run that was killed goes on there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import clickhouse_connect
from clickhouse_connect.driver.client import Client

from bench.store.questions import last_midnight
from bench.store.traffic import DAY_MS, DAYS, ZONE, Traffic, insert_events, insert_sessions, session_ids
from sinks.daily_due import fold_between
from sinks.daily_manifest import forget
from sinks.migrate import migrate
from sinks.rebuild import remake
from sinks.rollups import ROLLUPS
from sinks.settings import SinkSettings
from tests.integration.sinks.store import Store
from weir.local.ports import free_ports

_NO_BROKER = "127.0.0.1:1"
_RECORDS = """
create table if not exists bench_days (part String, day UInt16, state String, at DateTime64(3) default now64(3))
engine = MergeTree order by (part, day)
"""
_TRAFFIC = "create table if not exists bench_traffic (events UInt64, origin_ms UInt64) engine = MergeTree order by ()"
_INSERT = {"max_insert_threads": 1, "max_execution_time": 0}
PLAIN = "plain_events"
"""What one would make without thinking: one table in the order of time, no rollups, no projections, plain texts."""


@contextmanager
def opened_store(home: Path) -> Iterator[Store]:
    """The store in this directory, running within the block."""
    home.mkdir(parents=True, exist_ok=True)
    store = Store(home / "data", free_ports(1)[0])
    store.start()
    try:
        yield store
    finally:
        if store.running:
            store.stop()


def prepared(store: Store, events: int) -> tuple[Client, Traffic]:
    """A client of the store, brought to today's schema, and the traffic that is built in it.

    :raises click.ClickException: it holds traffic of another size.
    """
    settings: SinkSettings = store.settings(_NO_BROKER)
    client = clickhouse_connect.get_client(dsn=store.url, send_receive_timeout=3600, autogenerate_session_id=False)
    migrate(client, settings, pipes=False)
    client.database = "weir"
    client.command(_RECORDS)
    client.command(_TRAFFIC)
    rows = client.query("select events, origin_ms from bench_traffic").result_rows
    if not rows:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        first = midnight - timedelta(days=DAYS)
        rows = [(events, int(first.timestamp() * 1000))]
        client.insert("bench_traffic", rows, ["events", "origin_ms"])
    if rows[0][0] != events:
        raise click.ClickException(f"This directory holds {rows[0][0]:,} events: name another with --home.")
    return client, Traffic(*rows[0])


def build(client: Client, settings: SinkSettings, traffic: Traffic, days: int, plain: bool) -> None:
    """Insert what is missing, events and sessions first, and fold their days; then (``plain``) the same events into the
    plain table.
    """
    if _build_part(client, settings, traffic, days, "weir") or not _is_folded(client):
        _fold(client, settings, traffic)
    # Nobody folds today.
    midnight = last_midnight(traffic)
    forget(client, [(midnight - timedelta(days=1), midnight)])
    if plain:
        _make_plain(client)
        _build_part(client, settings, traffic, days, "plain")


def _is_folded(client: Client) -> bool:
    """A migration may have had all days forgotten."""
    done, days = (
        client.query(f"select count() from {rows}").result_rows[0][0]
        for rows in ("bench_days where part = 'daily' and state = 'done'", "daily_rollups final where is_forgotten = 0")
    )
    return bool(done and days)


def _fold(client: Client, settings: SinkSettings, traffic: Traffic) -> None:
    projects = client.query("select distinct project_id from visitors order by project_id").result_rows
    since, until = (datetime.fromtimestamp(each / 1000, UTC) for each in (traffic.origin_ms, traffic.end_ms))
    began = time.monotonic()
    made = fold_between(client, settings, dict.fromkeys((name for (name,) in projects), ZONE.key), since, until)
    client.insert("bench_days", [["daily", 0, "done"]], ["part", "day", "state"])
    click.echo(f"{made} days folded in {time.monotonic() - began:.0f} s", err=True)


def _build_part(client: Client, settings: SinkSettings, traffic: Traffic, days: int, part: str) -> int:
    """How many days were missing."""
    states = {
        int(day): str(state)
        for day, state in client.query(
            "select day, argMax(state, at) from bench_days where part = {part:String} group by day", {"part": part}
        ).result_rows
    }
    began, built = time.monotonic(), 0
    # The last day first: a build that is not done yet can be asked about its newest month.
    for day in reversed(range(DAYS - days, DAYS)):
        if states.get(day) == "done":
            continue
        if day in states:
            _take_back(client, settings, traffic, part, day)
        client.insert("bench_days", [[part, day, "begun"]], ["part", "day", "state"])
        parameters = traffic.parameters(day)
        if part == "weir":
            client.command(insert_events("events", _columns(client, "events")), parameters, settings=_INSERT)
            client.command(insert_sessions("sessions"), parameters, settings=_INSERT)
        else:
            client.command(insert_events(PLAIN, _columns(client, PLAIN)), parameters, settings=_INSERT)
        client.insert("bench_days", [[part, day, "done"]], ["part", "day", "state"])
        built += 1
        _await_merges(client)
        seconds = (time.monotonic() - began) / built
        rate, left = traffic.events / DAYS / seconds, (day - DAYS + days) * seconds / 60
        click.echo(
            f"\r{part}: day {day} of {DAYS}, backwards, {rate:,.0f} events/s, {left:.0f} min left ", nl=False, err=True
        )
    if built:
        click.echo(err=True)
    return built


def _take_back(client: Client, settings: SinkSettings, traffic: Traffic, part: str, day: int) -> None:
    """Remove what a killed run left of a day, known by its sessions' ids, and make the rollups of its hours anew."""
    parameters = traffic.parameters(day) | {"from": traffic.origin_ms + (day - 1) * DAY_MS}
    for table, column in (
        [("events", "created_at"), ("sessions", "started_at")] if part == "weir" else [(PLAIN, "created_at")]
    ):
        client.command(
            f"delete from {table} where {column} >= fromUnixTimestamp64Milli({{from:Int64}}, 'UTC') "
            f"and session_id in ({session_ids()})",
            parameters,
        )
    if part == "weir":
        first = datetime.fromtimestamp(traffic.origin_ms / 1000, UTC) + timedelta(days=day - 1)
        hours = [first + timedelta(hours=hour) for hour in range(72)]
        for rollup in ROLLUPS:
            remake(client, settings, rollup, hours)


def _make_plain(client: Client) -> None:
    columns = client.query(
        "select name, type from system.columns where database = currentDatabase() and table = 'events' "
        "order by position"
    ).result_rows
    listed = ", ".join(f"{name} {str(type_).replace('LowCardinality(String)', 'String')}" for name, type_ in columns)
    client.command(
        f"create table if not exists {PLAIN} ({listed}) engine = MergeTree order by (project_id, created_at)"
    )


def _columns(client: Client, table: str) -> list[str]:
    rows = client.query(
        "select name from system.columns where database = currentDatabase() and table = {table:String} "
        "and default_kind = '' order by position",
        {"table": table},
    ).result_rows
    return [str(name) for (name,) in rows]


def _await_merges(client: Client) -> None:
    """Inserts wait for merges, as they would be slowed down by too many parts anyway."""
    while (
        client.query(
            "select max(parts) from (select count() as parts from system.parts where active and database = "
            "currentDatabase() group by table, partition)"
        ).result_rows[0][0]
        > 60
    ):
        time.sleep(1)
