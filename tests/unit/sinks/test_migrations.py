"""What migration files must be, and how they are rendered."""

import re
from pathlib import Path

import pytest

from sinks.errors import MigrationError
from sinks.migration_files import read_migrations
from sinks.rendering import EVERYWHERE, render, rendered
from sinks.settings import SinkSettings
from sinks.tables import TABLES

CLUSTER = SinkSettings.model_validate(
    {"clickhouse_cluster": "main", "clickhouse_shards": 2, "clickhouse_database": "w", "kafka_bootstrap": "k:9092"}
)
SINGLE = SinkSettings.model_validate(
    {"clickhouse_database": "w", "kafka_bootstrap": "k:9092", "store_kafka_bootstrap": "inside:9"}
)


def test_released_files_are_numbered_without_a_gap() -> None:
    files = [migration.file for migration in read_migrations()]
    assert [name[:4] for name in files] == [f"{number:04d}" for number in range(1, len(files) + 1)]


REPEATABLE = (
    *("if not exists", "if exists", "create or replace view", "modify query", "modify ttl", "modify setting"),
    *("modify column", "materialize projection"),
)
# A row that comes twice changes nothing there: bits are set, first and last times stand, what is forgotten is so.
FILLED_AGAIN = tuple(
    f"insert into {{{{database}}}}.{name}" for name in ("active_days ", "recent_visitors ", "daily_rollups\n")
)


def test_every_step_can_be_done_twice() -> None:
    for migration in read_migrations():
        for step in migration.statements:
            # A paused section is done again from its first statement on, which makes room.
            repeatable = step.section >= 0 or any(words in step.sql for words in (*REPEATABLE, *FILLED_AGAIN))
            assert repeatable, f"{migration.file}: {step.sql[:80]}"
            if step.section >= 0:
                first = migration.statements[step.section].sql
                assert first.startswith("truncate table if exists"), f"{migration.file}: {first[:80]}"


TABLE = (
    "create table if not exists {{database}}.events {{on_cluster}} (a Int8) engine = {{engine:MergeTree}} order by a"
)
SMALL = (
    "create table if not exists {{database}}.erased {{on_cluster}} (a Int8) "
    "engine = {{engine:ReplacingMergeTree(version)}} order by a"
)
QUEUE = (
    "create table if not exists {{database}}.events_queue {{on_cluster}} (a Int8) engine = Kafka settings "
    "kafka_broker_list = {{kafka}}, kafka_topic_list = {{topic:EVENTS}}, kafka_group_name = {{group:events}}"
)
RECORDS_QUEUE = QUEUE.replace("EVENTS", "PROFILES").replace("events", "profiles")


def test_rendering_for_one_node() -> None:
    assert rendered(TABLE, SINGLE) == [
        "create table if not exists `w`.events  (a Int8) engine = MergeTree() order by a"
    ]
    assert rendered(QUEUE, SINGLE) == [
        (
            "create table if not exists `w`.events_queue  (a Int8) engine = Kafka "
            "settings kafka_broker_list = 'inside:9', kafka_topic_list = 'weir.events', "
            "kafka_group_name = 'weir-store-events'"
        )
    ]


def test_a_shard_has_its_own_rows_and_everybody_reads_all() -> None:
    assert rendered(TABLE, CLUSTER) == [
        (
            "create table if not exists `w_local`.events on cluster `main` (a Int8) engine = "
            "ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}') order by a"
        ),
        (
            "create or replace table `w`.events on cluster `main` as `w_local`.events\n"
            "engine = Distributed('main', 'w_local', 'events', log_partition)"
        ),
    ]
    # A column that is added is read, too.
    added = rendered("alter table {{database}}.events {{on_cluster}}\n    add column if not exists b Int8", CLUSTER)
    assert [sql.split()[:3] for sql in added] == [["alter", "table", "`w_local`.events"], ["create", "or", "replace"]]
    target = "create materialized view if not exists {{database}}.v to {{database}}.events"
    ingest = f"{target} as select 1 from {{{{database}}}}.erased"
    assert rendered(ingest, CLUSTER) == [
        "create materialized view if not exists `w_local`.v to `w_local`.events as select 1 from `w`.erased"
    ]
    view = "create or replace view {{database}}.v {{on_cluster}} as select 1 from {{database}}.events"
    assert rendered(view, CLUSTER) == ["create or replace view `w`.v on cluster `main` as select 1 from `w`.events"]


def test_small_tables_are_the_same_on_every_node() -> None:
    assert rendered(SMALL, CLUSTER) == [
        (
            "create table if not exists `w`.erased on cluster `main` (a Int8) engine = ReplicatedReplacingMergeTree("
            "'/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}', version) order by a"
        )
    ]


def test_each_shard_consumes_its_own_topics_on_one_node() -> None:
    consumers = CLUSTER.model_copy(update={"clickhouse_consumers": "main_consumers"})
    assert rendered(QUEUE, consumers) == [
        (
            "create table if not exists `w_local`.events_queue on cluster `main_consumers` (a Int8) engine = Kafka "
            "settings kafka_broker_list = 'k:9092', kafka_topic_list = 'weir.events.{shard}', "
            "kafka_group_name = 'weir-store-events.{shard}'"
        )
    ]
    assert "'weir.profiles'" in rendered(RECORDS_QUEUE, consumers)[0]
    assert "'weir-store-profiles'" in rendered(RECORDS_QUEUE, consumers)[0]


def test_a_cluster_of_one_shard_consumes_the_topics_of_a_single_node() -> None:
    replicated = CLUSTER.model_copy(update={"clickhouse_shards": 1})
    assert "kafka_topic_list = 'weir.events', kafka_group_name = 'weir-store-events'" in rendered(QUEUE, replicated)[0]
    assert "ReplicatedMergeTree" in rendered(TABLE, replicated)[0]


def test_one_node_of_a_cluster_alone() -> None:
    assert all("on cluster" not in sql for sql in rendered(TABLE, CLUSTER, on_cluster=False))


def test_every_table_is_divided_or_everywhere_on_purpose() -> None:
    """What keeps the newest version of a row only is wrong when its versions are on different shards."""
    engines = {
        found.group(1): found.group(2)
        for migration in read_migrations()
        for step in migration.steps
        if (found := re.search(r"if not exists \{\{database\}\}\.(\w+) .*engine = \{\{engine:(\w+)", step, re.DOTALL))
    }
    assert len(engines) > 8
    replacing = {name for name, engine in engines.items() if engine.startswith("Replacing")}
    assert replacing <= EVERYWHERE
    assert set(TABLES) - EVERYWHERE == set(TABLES) - replacing


def test_marks_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "0001_one.sql").write_text(
        "create a;\n-- paused: events sessions\ntruncate b;\n-- why\ncreate c;\n-- resumed\ncreate d;\n"
    )
    (read,) = read_migrations(tmp_path)
    both = ("events", "sessions")
    assert [(step.sql, step.paused, step.section) for step in read.statements] == [
        ("create a", (), -1),
        ("truncate b", both, 1),
        ("create c", both, 1),
        ("create d", (), -1),
    ]
    (tmp_path / "0002_two.sql").write_text("-- pipe\ncreate table x;\n")
    with pytest.raises(MigrationError, match="a pipe must create"):
        read_migrations(tmp_path)


@pytest.mark.parametrize("name", ["0002_late.sql", "1_short.sql", "0001-dash.sql"])
def test_a_wrong_name_or_number_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("select 1")
    with pytest.raises(MigrationError, match=name):
        read_migrations(tmp_path)


def test_an_unknown_placeholder_is_refused() -> None:
    with pytest.raises(MigrationError, match="nonsense"):
        render("select {{nonsense}}", SINGLE)
