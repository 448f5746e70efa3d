"""What `weir project`, `client` and `filter` say when they can't do what they are asked for."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session

from control.projects import create_organization, create_project
from weir.cli import cli
from weir.errors import WeirError
from weir.prepare import control_database
from weir.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A control database with one project, and no Kafka."""
    settings = Settings(home=tmp_path)
    with control_database(settings) as engine, Session(engine) as session:
        create_organization(session, "demo", "Demo")
        create_project(session, "demo", "demo", "Demo", origins=["https://shop.example"])
        create_organization(session, "others", "Others")
        create_project(session, "others", "theirs", "Theirs")
        session.commit()
    return tmp_path


def run(home: Path, *command: str) -> tuple[str, BaseException | None]:
    """Output and error of the command."""
    environment = {"WEIR_HOME": str(home), "WEIR_KAFKA_BOOTSTRAP": "127.0.0.1:1", "WEIR_DATABASE_URL": None}
    result = CliRunner().invoke(cli, command, env=environment)
    return result.output, result.exception


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("project", "show", "nobody"), "There is no project nobody."),
        (("project", "create", "a b"), "letters"),
        (("project", "set", "demo"), "Nothing is to be changed"),
        (("project", "set", "demo", "--timezone", "Mars"), "Mars is no time zone"),
        (("project", "set", "demo", "--retention-days", "900"), "from 1 to 400 days"),
        (
            ("project", "set", "theirs", "--origin", "*.shop.example", "--origin", "https://shop.example"),
            "shop.example",
        ),
        (("project", "create", "new", "--organization", "third", "--origin", "shop.example"), "another organisation"),
        (("client", "create"), "A root key is made with --organization"),
        (("client", "secret", "nobody"), "There is no client nobody."),
        (("filter", "add", "demo", "ip", "shop.example"), "neither an address nor a network"),
        (("filter", "remove", "demo", "country", "CH"), "has no filter country CH"),
    ],
)
def test_what_is_not_possible_is_told_in_a_sentence(home: Path, command: tuple[str, ...], sentence: str) -> None:
    _, error = run(home, *command)
    assert isinstance(error, WeirError)
    assert sentence in str(error)


def test_what_kafka_does_not_take_is_stored_all_the_same(home: Path) -> None:
    output, error = run(home, "project", "set", "demo", "--monthly-events", "1000", "--anonymize-ip")
    assert error is None
    assert "It is stored" in output
    assert "1000 events" in output
    output, error = run(home, "project", "show", "demo")
    assert error is None
    assert "1000 events" in output
    assert "shortened before anything is written" in output
    # A secret is shown once: it must not be lost with an outage.
    output, error = run(home, "client", "create", "demo")
    assert error is None
    assert "client secret  sec_" in output
    assert run(home, "project", "list")[0] == "demo  Demo (of demo)\ntheirs  Theirs (of others)\n"


def test_a_shorter_time_is_told_to_delete(home: Path) -> None:
    for kept, is_told in (("30 days", True), ("30 days", False), ("60 days", False), ("1 day", True)):
        output, error = run(home, "project", "set", "demo", "--retention-days", kept.split()[0])
        assert error is None
        assert (f"older than {kept} is deleted for good" in output) == is_told, (kept, output)


def test_the_burst_of_a_limit_is_shown(home: Path) -> None:
    output, _ = run(home, "client", "create", "demo", "--json")
    client = json.loads(output.splitlines()[-1])["client_id"]
    output, error = run(home, "client", "limit", client, "--rate", "5", "--burst", "40")
    assert error is None
    assert f"Client {client}: 5 events/s, 40 at once." in output
    assert "5 events/s, 40 at once" in run(home, "client", "list")[0]


@pytest.mark.parametrize("what", ["filter", "rule", "client"])
def test_that_there_is_none_is_told(home: Path, what: str) -> None:
    output, error = run(home, what, "list", "demo")
    assert error is None
    assert "demo has no" in output
    assert f"weir {what} " in output
    assert json.loads(run(home, what, "list", "demo", "--json")[0]) == []


def test_nobody_is_asked_about_a_project_that_is_not_there(home: Path) -> None:
    output, error = run(home, "project", "delete", "nope")
    assert isinstance(error, WeirError)
    assert str(error) == "There is no project nope."
    assert output == ""


@pytest.mark.parametrize("words", [("theirs",), ()])
def test_notifications_of_a_kafka_that_is_away_are_not_waited_for(home: Path, words: tuple[str, ...]) -> None:
    _, error = run(home, "rule", "watch", *words)
    assert isinstance(error, WeirError)
    assert "Kafka at 127.0.0.1:1 cannot be read" in str(error)
    assert "There is no project nobody." in str(run(home, "rule", "watch", "nobody")[1])
