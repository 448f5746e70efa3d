"""Migrating a real store: in order, once, resumed after a break, and refusing what was changed."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import gethostname

import pytest
from clickhouse_connect.driver.client import Client

from schemas.topics import RAW
from sinks.client import connect
from sinks.errors import MigrationError
from sinks.lock import only_one
from sinks.migrate import LOCK, Applied, every_statement, migrate, plan
from sinks.migration_files import read_migrations
from sinks.rendering import render
from sinks.settings import SinkSettings
from tests.broker import Broker
from tests.integration.sinks.databases import NO_BROKER
from tests.integration.sinks.store import Store

pytestmark = pytest.mark.integration
FILE = "create table if not exists {{database}}.t (a Int8) engine = {{engine:MergeTree}} order by a;\n"
MORE = "create table if not exists {{database}}.u (a Int8) engine = {{engine:MergeTree}} order by a;\n"
PIPE = """
-- pipe
create table if not exists {{database}}.t_queue (a Int8) engine = Kafka settings kafka_topic_list = {{topic:EVENTS}};
-- pipe
create materialized view if not exists {{database}}.t_feed to {{database}}.t as select a from {{database}}.t_queue;
"""
WRONG = "create table if not exists {{database}}.v (a Nonsense) engine = Null;\n"


@pytest.fixture
def settings(store: Store) -> SinkSettings:
    made = store.settings(NO_BROKER, database="migrated")
    client = connect(made)
    client.command("drop database if exists migrated")
    client.close()
    return made


@pytest.fixture
def client(settings: SinkSettings) -> Iterator[Client]:
    client = connect(settings)
    yield client
    client.close()


def test_each_statement_once_and_nothing_the_second_time(client: Client, settings: SinkSettings) -> None:
    told: list[Applied] = []
    done = migrate(client, settings, told.append, pipes=False)
    assert done == told
    expected = [(m.file, number) for m in read_migrations() for number in range(len(m.steps))]
    assert [(step.file, step.step) for step in done] == expected
    assert migrate(client, settings, pipes=False) == []


def test_a_run_that_broke_off_goes_on_where_it_was(client: Client, settings: SinkSettings, tmp_path: Path) -> None:
    (tmp_path / "0001_one.sql").write_text(FILE + MORE)
    assert len(migrate(client, settings, folder=tmp_path, pipes=False)) == 2
    # As after a crash between a statement and its record: it is done again, and harms nothing.
    client.command("alter table migrated.schema_migrations delete where statement = 1 settings mutations_sync = 1")
    assert [step.step for step in migrate(client, settings, folder=tmp_path, pipes=False)] == [1]
    (tmp_path / "0002_two.sql").write_text(WRONG + MORE)
    with pytest.raises(MigrationError, match=r"0002_two\.sql, statement 1 failed"):
        migrate(client, settings, folder=tmp_path, pipes=False)
    (tmp_path / "0002_two.sql").write_text(MORE)
    assert [step.file for step in migrate(client, settings, folder=tmp_path, pipes=False)] == ["0002_two.sql"]


def test_a_changed_a_vanished_and_a_late_file_are_refused(
    client: Client, settings: SinkSettings, tmp_path: Path
) -> None:
    (tmp_path / "0001_one.sql").write_text(FILE)
    (tmp_path / "0002_two.sql").write_text(MORE)
    migrate(client, settings, folder=tmp_path, pipes=False)
    (tmp_path / "0001_one.sql").write_text(FILE + "-- a word more\n")
    with pytest.raises(MigrationError, match=r"0001_one\.sql was changed"):
        migrate(client, settings, folder=tmp_path, pipes=False)
    (tmp_path / "0001_one.sql").write_text(FILE)
    (tmp_path / "0002_two.sql").rename(tmp_path / "0002_other.sql")
    with pytest.raises(MigrationError, match="newer version"):
        migrate(client, settings, folder=tmp_path, pipes=False)


def test_a_missing_topic_or_broker_gets_a_sentence(client: Client, settings: SinkSettings, own_broker: Broker) -> None:
    with pytest.raises(MigrationError, match="Kafka does not answer"):
        migrate(client, settings)
    there = settings.model_copy(update={"kafka_bootstrap": own_broker.bootstrap})
    own_broker.create_topic_named(RAW)
    with pytest.raises(MigrationError, match=r"weir\.dead-letters, weir\.events.* do not exist"):
        migrate(client, there)


def test_the_cluster_form_is_sql_too(client: Client) -> None:
    cluster = SinkSettings.model_validate({"clickhouse_cluster": "main"})
    for _, statement in every_statement(cluster):
        client.query("select formatQuery({sql:String})", {"sql": statement})


def test_a_plan_says_what_would_be_done_and_changes_nothing(
    client: Client, settings: SinkSettings, tmp_path: Path
) -> None:
    (tmp_path / "0001_one.sql").write_text(FILE)
    empty = plan(client, settings, folder=tmp_path)
    assert [(step.file, step.step) for step in empty] == [("", -1), ("0001_one.sql", 0)]
    assert "create database" in empty[0].sql[0]
    assert "`migrated`.t" in empty[1].sql[0]
    assert client.query("select count() from system.databases where name = 'migrated'").result_rows == [(0,)]
    migrate(client, settings, folder=tmp_path, pipes=False)
    assert plan(client, settings, folder=tmp_path) == []
    (tmp_path / "0002_two.sql").write_text(MORE)
    assert [(step.file, step.sql) for step in plan(client, settings, folder=tmp_path)] == [
        ("0002_two.sql", (render(MORE.strip().rstrip(";"), settings),))
    ]


def test_a_plan_says_what_pauses_and_why(client: Client, settings: SinkSettings) -> None:
    migrate(client, settings, pipes=False)
    planned = plan(client, settings)
    # None of them is there yet, so nothing stops.
    assert {step.pauses for step in planned} == {""}
    queue = next(step for step in planned if "events_queue" in step.sql[0])
    for sql in queue.sql:
        client.command(sql)
    assert "events_queue" not in str(plan(client, settings))
    elsewhere = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:2"})
    (anew,) = (step for step in plan(client, elsewhere) if step.pauses)
    assert anew.pauses.startswith("events: its table is made anew")
    assert [sql.split(" ", 2)[0] for sql in anew.sql] == ["drop", "drop", "create", "create"]


def test_a_section_that_broke_off_is_done_again_from_its_first_statement(
    client: Client, settings: SinkSettings, tmp_path: Path
) -> None:
    fill = (
        "-- paused: t\ntruncate table if exists {{database}}.t;\n"
        "insert into {{database}}.t select number from numbers(3);\n"
    )
    (tmp_path / "0001_one.sql").write_text(FILE + PIPE)
    (tmp_path / "0002_two.sql").write_text(fill + WRONG)
    for _ in range(2):
        with pytest.raises(MigrationError, match=r"0002_two\.sql, statement 3 failed"):
            migrate(client, settings, folder=tmp_path, pipes=False)
        assert client.query("select count() from migrated.t").result_rows == [(3,)]
    (tmp_path / "0002_two.sql").write_text(fill + MORE)
    done = migrate(client, settings, folder=tmp_path, pipes=False)
    assert [step.step for step in done] == [0, 1, 2]
    assert client.query("select count() from migrated.t").result_rows == [(3,)]
    assert migrate(client, settings, folder=tmp_path, pipes=False) == []


def test_two_at_once_wait_for_each_other(client: Client, settings: SinkSettings, tmp_path: Path) -> None:
    """Each statement is done by one of them, and by nobody twice."""
    slow = (
        "create table if not exists {{database}}.t%d engine = {{engine:MergeTree}} order by a as "
        "select sleep(0.2) as a;\n"
    )
    (tmp_path / "0001_one.sql").write_text("".join(slow % number for number in range(5)))

    def one(_: int) -> list[Applied]:
        own = connect(settings)
        try:
            return migrate(own, settings, folder=tmp_path, pipes=False)
        finally:
            own.close()

    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(one, range(4)))
    assert sorted(step.step for run in runs for step in run) == [0, 1, 2, 3, 4]
    assert sum(1 for run in runs if run) == 1
    left = "select name from system.tables where database = 'migrated' and name like 'migration_lock%'"
    assert client.query(left).result_rows == []


def test_a_lock_that_is_held_gets_a_sentence_and_one_left_by_the_dead_is_taken_over(
    client: Client, settings: SinkSettings
) -> None:
    client.command("create database migrated")
    with (
        only_one(client, settings, LOCK),
        pytest.raises(MigrationError, match=r"Another weir migrate \(process \d+ on"),
    ):
        migrate(client, settings, pipes=False, wait_for_others=0)
    client.command(
        f"create table migrated.{LOCK} (host String, process UInt32, beat DateTime) engine = MergeTree order by beat"
    )
    client.command(f"insert into migrated.{LOCK} values ('{gethostname()}', {_ended()}, now())")
    assert migrate(client, settings, pipes=False, wait_for_others=0)
    assert client.query(f"exists migrated.{LOCK}").result_rows == [(0,)]


def _ended() -> int:
    """The number of a process that is over."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid
