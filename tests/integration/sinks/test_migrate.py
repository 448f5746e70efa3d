"""Migrating a real store: in order, once, resumed after a break, and refusing what was changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from schemas.topics import RAW
from sinks.client import connect
from sinks.errors import MigrationError
from sinks.migrate import Applied, migrate, read_migrations, render
from sinks.settings import SinkSettings
from tests.broker import Broker
from tests.integration.sinks.conftest import NO_BROKER
from tests.integration.sinks.store import Store

pytestmark = pytest.mark.integration
FILE = "create table if not exists {{database}}.t (a Int8) engine = {{engine:MergeTree}} order by a;\n"
MORE = "create table if not exists {{database}}.u (a Int8) engine = {{engine:MergeTree}} order by a;\n"
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
    for migration in read_migrations():
        for statement in (*migration.steps, *migration.pipes.values()):
            client.query("select formatQuery({sql:String})", {"sql": render(statement, cluster)})
