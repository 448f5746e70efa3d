"""Commands that ask ClickHouse alone, and what they say."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.orm import Session

from control.projects import create_organization, create_project
from sinks.client import connect
from sinks.migrate import migrate
from tests.integration.sinks import rows
from tests.integration.sinks.arrivals import arrive
from tests.integration.sinks.databases import NO_BROKER
from tests.integration.sinks.store import running_store
from weir.cli import cli
from weir.prepare import control_database
from weir.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Settings of a store with some events of Ann, whose phone is known, and a control database beside it."""
    home: Path = tmp_path_factory.mktemp("home")
    with control_database(Settings(home=home)) as engine, Session(engine) as session:
        create_organization(session, "demo", "Demo")
        create_project(session, "demo", "shop", "Shop")
        session.commit()
    with running_store(home) as store:
        made = store.settings(NO_BROKER)
        client = connect(made)
        migrate(client, made, pipes=False)
        client.database = made.clickhouse_database
        for offset in range(3):
            event = rows.event(raw_offset=offset, project_id="shop", device_id="phone", profile_id="ann")
            arrive(client, "events", offset, [event])
        client.close()
        yield {
            "WEIR_HOME": str(home),
            "WEIR_CLICKHOUSE_URL": made.clickhouse_url.get_secret_value(),
            "WEIR_KAFKA_BOOTSTRAP": NO_BROKER,
        }


def weir(environment: dict[str, str], *words: str) -> Result:
    return CliRunner().invoke(cli, words, env=environment)


def test_a_persons_export_is_its_owners_alone(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "ann.jsonl"
    done = weir(environment, "profile", "export", "shop", "ann", "--output", str(file))
    assert done.exit_code == 0, done.exception
    assert stat.filemode(file.stat().st_mode) == "-rw-------"
    person, *events = [json.loads(line) for line in file.read_text().splitlines()]
    assert (person["profile_ids"], person["device_ids"]) == (["ann"], [])
    assert [event["type"] for event in events] == ["event"] * 3
    refused = weir(environment, "profile", "export", "shop", "nobody", "--output", str(tmp_path / "no.jsonl"))
    assert (refused.exit_code, str(refused.exception)) == (1, "Nothing is known of nobody in shop.")
    assert [path.name for path in tmp_path.iterdir()] == ["ann.jsonl"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("export", "--query", "select * from weir.nosuch"), "ClickHouse refused the query: Unknown table"),
        (("export", "events", "--output", "z.xlsx"), "z.xlsx ends with none of .jsonl"),
        (("dead-letters", "list", "--project", "nosuch"), "There is no project nosuch."),
        (("dead-letters", "drop", "--yes", "--reason", "foo"), "No dead letter has the reason foo"),
        (("dead-letters", "drop", "--yes", "weir.raw@1/0/0/0"), "There is no dead letter weir.raw@1/0/0/0"),
    ],
    ids=["no table", "no format", "no project", "no reason", "no letter"],
)
def test_what_is_misspelled_is_told(environment: dict[str, str], words: tuple[str, ...], told: str) -> None:
    done = weir(environment, *words)
    assert done.exit_code == 1
    assert str(done.exception).startswith(told)


def test_a_plan_of_nothing_says_so_or_names_readers_of_kafka_alone(environment: dict[str, str]) -> None:
    done = weir(environment, "migrate", "--plan")
    assert done.exit_code == 0, done.exception
    assert done.stdout.startswith("--")
