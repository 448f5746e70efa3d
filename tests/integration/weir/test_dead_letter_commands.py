"""`weir dead-letters` on a running stack."""

import json
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from schemas.topics import RAW
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_letters_are_listed_shown_sent_again_and_dropped(stack: Stack) -> None:
    project = f"nobody-{uuid4().hex[:8]}"
    event = {"a": "\x9b2J\u202e", "kind": "track", "project_id": project, "event_id": "1", "payload": {"name": "x"}}
    line = json.dumps(event, ensure_ascii=False)
    producer = Producer({"bootstrap.servers": stack.bootstrap})
    producer.produce(RAW, line.encode(), partition=0)
    producer.flush(30)

    def letters() -> list[dict[str, str]]:
        told = stack.weir("dead-letters", "list", "--project", project, "--json", check=False)
        # Until the letter is there nothing is known of such a project, which is refused.
        found: list[dict[str, str]] = [] if told.returncode else json.loads(told.stdout)["letters"]
        return found

    stack.wait_for(lambda: len(letters()) == 1, "the letter is listed")
    (letter,) = letters()
    assert letter["reason"] == "unknown_project"
    assert line in stack.weir("dead-letters", "show", letter["name"]).stdout
    # Nobody steers the terminal of who looks at letters.
    assert r'{"a": "\x9b2J\u202e"' in stack.weir("dead-letters", "list", "--project", project).stdout
    assert "1 letter was sent again" in stack.weir("dead-letters", "replay", letter["name"]).stdout
    # It died again, as another letter.
    stack.wait_for(lambda: [each["name"] for each in letters()] not in ([], [letter["name"]]), "it dies again")
    assert "1 dead letter is off" in stack.weir("dead-letters", "drop", "--project", project, "--yes").stdout
    assert "No dead letters." in stack.weir("dead-letters", "list", "--project", project).stdout
    other = f"{letter['name'].rpartition('/')[0]}/999"
    for command, told in (
        (("replay", "--project", f"no-{project}"), f"There is no project no-{project}."),
        (("drop", "--yes", "--reason", "foo"), "No dead letter has the reason foo; there are letters with: "),
        (("list", "--reason", "foo"), "No dead letter has the reason foo"),
        (("replay", other), f"There is no dead letter {other}"),
    ):
        refused = stack.weir("dead-letters", *command, check=False)
        assert (refused.returncode, told in refused.stderr) == (1, True), refused.stderr
    assert "no dead letter's name" in stack.weir("dead-letters", "show", "nonsense", check=False).stderr
