"""What migration files must be, and how they are rendered."""

from pathlib import Path

import pytest

from sinks.errors import MigrationError
from sinks.migrate import read_migrations, render
from sinks.settings import SinkSettings

CLUSTER = SinkSettings.model_validate(
    {"clickhouse_cluster": "main", "clickhouse_database": "w", "kafka_bootstrap": "k:9092"}
)
SINGLE = SinkSettings.model_validate(
    {"clickhouse_database": "w", "kafka_bootstrap": "k:9092", "store_kafka_bootstrap": "inside:9"}
)


def test_released_files_are_numbered_without_a_gap() -> None:
    files = [migration.file for migration in read_migrations()]
    assert [name[:4] for name in files] == [f"{number:04d}" for number in range(1, len(files) + 1)]


REPEATABLE = ("if not exists", "create or replace view", "modify query", "modify ttl")


def test_every_step_can_be_done_twice() -> None:
    for migration in read_migrations():
        for step in migration.steps:
            assert any(words in step for words in REPEATABLE), f"{migration.file}: {step[:80]}"


def test_rendering_for_one_node_and_for_a_cluster() -> None:
    statement = (
        "create table {{database}}.t {{on_cluster}} engine = {{engine:ReplacingMergeTree(version)}} "
        "settings kafka_broker_list = {{kafka}}, t = {{topic:EVENTS}}, p = {{topic:PROFILES}}, g = {{group:events}}"
    )
    assert render(statement, SINGLE) == (
        "create table `w`.t  engine = ReplacingMergeTree(version) "
        "settings kafka_broker_list = 'inside:9', t = 'weir.events', p = 'weir.profiles', g = 'weir-store-events'"
    )
    assert render(statement, CLUSTER) == (
        "create table `w`.t on cluster `main` engine = "
        "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', version) "
        "settings kafka_broker_list = 'k:9092', t = 'weir.events.{shard}', p = 'weir.profiles', "
        "g = 'weir-store-events'"
    )


@pytest.mark.parametrize("name", ["0002_late.sql", "1_short.sql", "0001-dash.sql"])
def test_a_wrong_name_or_number_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("select 1")
    with pytest.raises(MigrationError, match=name):
        read_migrations(tmp_path)


def test_an_unknown_placeholder_is_refused() -> None:
    with pytest.raises(MigrationError, match="nonsense"):
        render("select {{nonsense}}", SINGLE)
