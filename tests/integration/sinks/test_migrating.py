"""Migrating a store that is in use: what an old version stored is there afterwards, and what comes in meanwhile too."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas import topics
from sinks.client import connect
from sinks.migrate import migrate, plan
from sinks.migration_files import newest_pipes, read_migrations
from sinks.rollup_compare import compare
from sinks.rollups import ROLLUPS
from tests.broker import REPOSITORY, Broker
from tests.integration.sinks import rows
from tests.integration.sinks.store import Pipeline, Store, lines, running_store, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

FIRST_RELEASE = 7
"""So many files the first version had."""
PER_MESSAGE = 25
# A rollup's view is replaced by one that counts more, and everything is counted again.
REPLACED = """
-- paused: events
truncate table if exists {{database}}.events_hourly;
drop view if exists {{database}}.events_hourly_view {{on_cluster}};
alter table {{database}}.events_hourly {{on_cluster}}
    add column if not exists bought SimpleAggregateFunction(sum, UInt64);
create materialized view if not exists {{database}}.events_hourly_view {{on_cluster}} to {{database}}.events_hourly as
select
    project_id,
    toStartOfHour(created_at) as hour,
    name,
    currency,
    count() as events,
    countIf(name = 'screen_view') as screen_views,
    sum(revenue) as revenue,
    uniqStateIf(device_id, device_id != '') as devices,
    countIf(name = 'purchase') as bought
from {{database}}.events
where bot = ''
group by project_id, hour, name, currency;
insert into {{database}}.events_hourly
select
    project_id, toStartOfHour(created_at) as hour, name, currency, count(), countIf(name = 'screen_view'), sum(revenue),
    uniqStateIf(device_id, device_id != ''), countIf(name = 'purchase')
from {{database}}.events
where bot = ''
group by project_id, hour, name, currency;
-- resumed
"""


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with running_store(tmp_path_factory.mktemp("migrated")) as running:
        yield running


@pytest.fixture
def pipeline(sinks_broker: Broker, store: Store) -> Pipeline:
    """Kafka and a store without a table."""
    return Pipeline(sinks_broker, store, store.settings(sinks_broker.bootstrap))


def connected(pipeline: Pipeline) -> Client:
    """A client of the database, which is not there yet."""
    client = connect(pipeline.settings)
    client.command("create database weir")
    client.database = "weir"
    return client


def files(folder: Path, count: int | None = None) -> Path:
    """The first ``count`` migrations, in a folder of their own."""
    folder.mkdir()
    for path in sorted((REPOSITORY / "sinks" / "migrations").glob("*.sql"))[:count]:
        shutil.copy(path, folder)
    return folder


def message(project: str, at: int) -> bytes:
    names = ("screen_view", "purchase", "click")
    return lines(
        [
            rows.event(
                project_id=project,
                name=names[line % 3],
                device_id=f"device-{(at + line) % 50}",
                raw_offset=at,
                raw_line=line,
                created_at=f"2026-0{1 + at % 3}-05 0{line % 10}:00:00.000",
                revenue=line if line % 3 == 1 else 0,
                currency="EUR" if line % 3 == 1 else "",
                properties={"n": line, "deep.path": "x"},
            )
            for line in range(PER_MESSAGE)
        ]
    )


def fill(pipeline: Pipeline, project: str, start: int, messages: int) -> None:
    """Something for every table of the first version, by way of Kafka."""
    for partition in (0, 1):
        numbers = range(start + partition, start + messages, 2)
        pipeline.send(topics.EVENTS, [message(project, at) for at in numbers], partition=partition)
    sessions = [rows.session(project_id=project, session_id=f"s{start + at}") for at in range(messages)]
    pipeline.send(topics.SESSIONS, [lines(sessions)])
    pipeline.send(topics.PROFILES, [lines([rows.profile(project_id=project, profile_id=f"p{start}")])], key="p")
    pipeline.send(topics.IDENTITIES, [lines([rows.identity(project_id=project, source_id=f"d{start}")])])
    ledger = [rows.ledger(start + at, raw_epoch=7, lines=PER_MESSAGE, stored=PER_MESSAGE) for at in range(messages)]
    pipeline.send(topics.LEDGER, [lines(ledger)])
    pipeline.send(topics.EVENTS, [f"not a row of {project} {start}".encode()])


def stored(client: Client, project: str) -> dict[str, Any]:
    """What the tables of the first version say, row by row as one number for each."""
    where = f"where project_id = '{project}'"
    found = {
        "events": f"""
            select count(), groupBitXor(cityHash64(project_id, event_id, name, device_id, created_at, revenue, currency,
                toJSONString(properties), log_topic, log_partition, log_offset))
            from events {where}
        """,
        "sessions": f"select sum(sign), groupBitXor(cityHash64(session_id, started_at, version)) from sessions {where}",
        "profiles": f"select count(), groupBitXor(cityHash64(profile_id, version)) from profiles final {where}",
        "identities": f"select count(), groupBitXor(cityHash64(source_id, profile_id)) from identities final {where}",
        "ledger": "select count(), groupBitXor(cityHash64(from_offset, lines)) from ledger where raw_epoch = 7",
        "dead_letters": f"select count(), groupBitXor(cityHash64(value)) from dead_letters "
        f"where position(value, '{project}') > 0",
        "events_hourly": f"""
            select sum(events), groupBitXor(cityHash64(hour, name, e, s, r, d)) from
            (
                select hour, name, sum(events) as e, sum(screen_views) as s, sum(revenue) as r, uniqMerge(devices) as d
                from events_hourly {where} group by hour, name
            )
        """.replace("sum(events), group", "sum(e), group"),
    }
    return {table: client.query(sql).result_rows[0] for table, sql in found.items()}


def counts(client: Client, project: str) -> dict[str, int]:
    return {table: int(row[0]) for table, row in stored(client, project).items()}


def expected(messages: int, fills: int) -> dict[str, int]:
    events = messages * PER_MESSAGE
    of_messages = dict.fromkeys(("sessions", "ledger"), messages)
    return (
        of_messages
        | dict.fromkeys(("profiles", "identities", "dead_letters"), fills)
        | {
            "events": events,
            "events_hourly": events,
        }
    )


def test_a_store_of_the_first_version_has_every_row_today(pipeline: Pipeline, tmp_path: Path) -> None:
    client = connected(pipeline)
    migrate(client, pipeline.settings, folder=files(tmp_path / "first", FIRST_RELEASE))
    fill(pipeline, "old", 0, 60)
    until(lambda: counts(client, "old") == expected(60, 1), 60, "the first version has everything")
    before = stored(client, "old")
    planned = plan(client, pipeline.settings)
    done = migrate(client, pipeline.settings)
    assert {step.file for step in done} == {step.file for step in planned if step.file}
    assert stored(client, "old") == before
    assert plan(client, pipeline.settings) == []
    fill(pipeline, "old", 60, 20)
    until(lambda: counts(client, "old") == expected(80, 2), 60, "today's version goes on")
    for rollup in ROLLUPS:
        assert not compare(client, rollup, settle_seconds=0.2), rollup.table
    client.close()


def test_a_view_is_replaced_and_nothing_is_lost_or_doubled(pipeline: Pipeline, tmp_path: Path) -> None:
    """Under load: a rollup's view that counts more, what lets rows in, and the Kafka table itself, all made anew."""
    client = connected(pipeline)
    migrate(client, pipeline.settings)
    folder = files(tmp_path / "next")
    number = len(read_migrations(folder)) + 1
    (ingest,) = client.query("select as_select from system.tables where name = 'events_ingest'").result_rows[0]
    again = f"alter table {{{{database}}}}.events_ingest {{{{on_cluster}}}} modify query\n{ingest};\n"
    _, queue, feed = newest_pipes(read_migrations())["events"]
    pipe = (
        f"-- pipe\n{queue.replace('kafka_max_block_size = 20000', 'kafka_max_block_size = 10000')};\n-- pipe\n{feed};\n"
    )
    assert "10000" in pipe
    (folder / f"{number:04d}_replaced.sql").write_text(again + REPLACED + pipe)
    assert [step.pauses.split(":")[0] for step in plan(client, pipeline.settings, folder=folder)] == [
        *("", "events", "events", "events", "events", "events", "events")
    ]
    with under_load(pipeline, "loaded") as sent:
        until(lambda: counts(client, "loaded")["events"] > 0, 60, "rows come in")
        migrate(client, pipeline.settings, folder=folder)
        reached = sent()
        until(lambda: counts(client, "loaded")["events"] > reached * PER_MESSAGE, 60, "rows come in again")
    total = sent() * PER_MESSAGE
    until(lambda: counts(client, "loaded")["events_hourly"] >= total, 60, "all is there")
    assert counts(client, "loaded")["events"] == total
    bought = "select sum(bought) from events_hourly where project_id = 'loaded'"
    wanted = client.query("select countIf(name = 'purchase') from events where project_id = 'loaded'").result_rows
    assert client.query(bought).result_rows == wanted
    for rollup in ROLLUPS:
        assert not compare(client, rollup, settle_seconds=0.2), rollup.table
    client.close()


@contextmanager
def under_load(pipeline: Pipeline, project: str) -> Iterator[Callable[[], int]]:
    """Events come in all the time; gives how many messages were sent."""
    stop = threading.Event()
    count = [0]

    def send() -> None:
        while not stop.is_set():
            pipeline.send(topics.EVENTS, [message(project, count[0] + at) for at in range(20)])
            count[0] += 20
            stop.wait(0.05)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield lambda: count[0]
    finally:
        stop.set()
        thread.join()
