"""What the command sends to the raw log is what a worker takes; what it can't send is a sentence."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session

from control.projects import create_organization, create_project
from schemas import topics
from streams.devices import MAX_TAKEN_BYTES
from tests.unit.streams.raw_log import NOON, PROJECT, RawLog, identify, operate, process
from weir.cli import cli
from weir.errors import WeirError
from weir.operations import erase_line, unlink_line
from weir.prepare import control_database
from weir.settings import Settings


def test_a_line_takes_back_what_it_names() -> None:
    log = RawLog().send(
        NOON, identify("laptop", "ann"), operate("alias", {"alias": "a.lee"}, "ann", device="", event_id="1")
    )
    log.send(NOON + 1, unlink_line(PROJECT, "laptop", "", NOON), unlink_line(PROJECT, "", "a.lee", NOON))
    partition = process(log)
    assert partition.dead() == []
    links = partition.rows(topics.IDENTITIES)
    assert [(link["kind"], link["source_id"], link["profile_id"], link["is_deleted"]) for link in links] == [
        ("device", "laptop", "ann", 0),
        ("profile", "a.lee", "ann", 0),
        ("device", "laptop", "", 1),
        ("profile", "a.lee", "", 1),
    ]
    assert links[2]["version"] > links[0]["version"]
    assert links[3]["version"] > links[1]["version"]


def test_an_erasure_that_no_worker_would_take_is_refused() -> None:
    devices = [f"{number:036x}" for number in range(100_000)]
    assert len(erase_line(PROJECT, NOON, 8, ["ann"], devices, {})) < MAX_TAKEN_BYTES
    with pytest.raises(WeirError, match=r"^The ids of the person take 5,[0-9,]+ bytes"):
        erase_line(PROJECT, NOON, 8, ["ann"], devices, {device: [device] for device in devices[:20_000]})


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("demo",), "Say either --device or --alias."),
        (("demo", "--device", "a", "--alias", "b"), "Say either --device or --alias."),
        (("nobody", "--device", "a"), "There is no project nobody."),
    ],
    ids=["no link", "two links", "no project"],
)
def test_what_is_refused_is_refused_in_a_sentence(tmp_path: Path, command: tuple[str, ...], sentence: str) -> None:
    settings = Settings(home=tmp_path)
    with control_database(settings) as engine, Session(engine) as session:
        create_organization(session, "demo", "Demo")
        create_project(session, "demo", "demo", "Demo", origins=[])
        session.commit()
    environment = {"WEIR_HOME": str(tmp_path), "WEIR_KAFKA_BOOTSTRAP": "127.0.0.1:1", "WEIR_DATABASE_URL": None}
    result = CliRunner().invoke(cli, ("profile", "unlink", *command), env=environment)
    assert str(result.exception) == sentence
