"""Every example of docs/kafka.md runs, in its order, against a broker and a worker; what they promise is looked up."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.broker import REPOSITORY
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

_MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"


def _console_producer(jars: Path, folder: Path) -> None:
    """``kafka-console-producer.sh`` as a Kafka installation has it: the broker's jars, and the tools' own."""
    (clients,) = jars.glob("kafka-clients-*.jar")
    version = clients.stem.removeprefix("kafka-clients-")
    artifact = f"-Dartifact=org.apache.kafka:kafka-tools:{version}"
    subprocess.run(["mvn", "-q", "-B", _MAVEN_COPY, artifact, f"-DoutputDirectory={folder}"], check=True, timeout=200)
    script = folder / "kafka-console-producer.sh"
    script.write_text(
        f'#!/bin/sh\nexec java -cp "{jars}/*:{folder}/*" org.apache.kafka.tools.ConsoleProducer "$@" 2>&1\n'
    )
    script.chmod(0o755)


def _select(stack: Stack, sql: str) -> list[dict[str, Any]]:
    answer = httpx.post(stack.store_url, content=f"{sql} format JSONEachRow", timeout=30)
    assert answer.status_code == 200, answer.text
    return [orjson.loads(line) for line in answer.text.splitlines()]


def _has(stack: Stack, events: str, count: int) -> bool:
    letter = "select line from weir.dead_letters where value = 'not json at all'"
    return len(_select(stack, events)) >= count and len(_select(stack, letter)) == 1


def _profile(stack: Stack) -> dict[str, Any]:
    found = _select(
        stack,
        "select first_name, email, properties, groups from weir.profiles final"
        f" where project_id = '{stack.demo.project_id}' and profile_id = 'till-ann'",
    )
    return found[0] if found else {}


def _people_are_as_they_were_told(stack: Stack) -> None:
    person = _profile(stack)
    assert (person["first_name"], person["email"], person["groups"]) == ("Ann", "ann@acme.example", ["till-acme"])
    properties = {"plan": "pro", "met": "till", "receipts": {"total": 2, "open": -1}}
    assert person["properties"] == properties
    mine = f"project_id = '{stack.demo.project_id}'"
    stack.wait_for(
        lambda: bool(_select(stack, f"select 1 from weir.groups where {mine} and group_id = 'till-acme'")),
        "the group is stored",
    )
    (group,) = _select(stack, f"select type, name, properties from weir.groups final where {mine}")
    assert group == {"type": "company", "name": "Acme", "properties": {"seats": 7}}
    (link,) = _select(stack, f"select kind, profile_id from weir.identities final where {mine} and source_id = 'a.lee'")
    assert link == {"kind": "profile", "profile_id": "till-ann"}


def test_every_example_runs_and_does_what_it_says(stack: Stack, tmp_path: Path) -> None:
    _console_producer(Path(stack.environment["WEIR_KAFKA_JARS"]), tmp_path)
    project = stack.demo.project_id
    environment = {
        **stack.environment,
        "PATH": f"{tmp_path}:{stack.environment['PATH']}",
        "KAFKA": stack.bootstrap,
        "CLICKHOUSE": stack.store_url,
        "PROJECT_ID": project,
    }
    events = (
        "select name, event_id, device_id, session_id, raw_partition, raw_offset, raw_line from weir.events"
        f" where project_id = '{project}' and device_id in ('till-7', 'door-1') and not synthesized"
        " order by raw_offset, raw_line"
    )
    printed: list[str] = []
    blocks = re.findall(r"^```(python|sh)\n(.*?)^```$", (REPOSITORY / "docs" / "kafka.md").read_text(), re.M | re.S)
    assert len(blocks) == 8
    for language, code in blocks:
        if "weir.profiles" in code:
            stack.wait_for(lambda: _profile(stack).get("groups") == ["till-acme"], "the person is stored")
        elif "$CLICKHOUSE" in code:
            stack.wait_for(lambda: _has(stack, events, 3), "what the examples sent is stored")
        runner = [sys.executable, "-c"] if language == "python" else ["bash", "-euo", "pipefail", "-c"]
        code = code.replace(".venv/bin/weir", f"{sys.executable} -m weir")
        code = code.replace("producer-schemas", str(tmp_path / "schemas"))
        done = subprocess.run(
            [*runner, code],
            env=environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
        printed.append(done.stdout)
    assert (tmp_path / "schemas" / "raw_event.schema.json").is_file()

    partition, offset = map(int, printed[4].split())
    stack.wait_for(lambda: _has(stack, events, 4), "what the console producer sent is stored")
    stored = _select(stack, events)
    paid = [row for row in stored if row["name"] == "receipt_paid"]
    assert [(row["raw_partition"], int(row["raw_offset"]), row["raw_line"]) for row in paid] == [
        (partition, offset, 0),
        (partition, offset, 2),
    ]
    # One key, one partition, one session: as if a gateway had written them.
    till = [row for row in stored if row["device_id"] == "till-7"]
    assert {(row["raw_partition"], row["session_id"]) for row in till} == {(partition, till[0]["session_id"])}
    assert sorted(row["name"] for row in stored) == ["door_opened", "receipt_paid", "receipt_paid", "receipt_printed"]
    place = f"topic = 'weir.raw' and partition = {partition} and offset = {offset}"
    (letter,) = _select(stack, f"select reason, line, value from weir.dead_letters where {place}")
    assert letter == {"reason": "not_json", "line": 1, "value": "not json at all"}
    ledger = f"raw_partition = {partition} and from_offset = {offset}"
    (account,) = _select(stack, f"select lines, stored, repeated, dead from weir.ledger where {ledger}")
    assert {name: int(value) for name, value in account.items()} == {"lines": 4, "stored": 2, "repeated": 1, "dead": 1}
    assert "not_json" in printed[5]
    assert "receipt_paid" in printed[6]
    assert "till-acme" in printed[3]
    _people_are_as_they_were_told(stack)
