"""A person is exported, erased while others go on, and begins anew; the audit adds up all the while."""

import json
import re
import shlex
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from schemas.partition import partition_of
from schemas.topics import RAW
from sinks.cohorts import count_members
from tests.broker import REPOSITORY
from tests.stack import Stack
from weir.cli import cli
from weir.clickhouse import clickhouse
from weir.commands.audit import unfinished_erasures
from weir.erasure import erase_person
from weir.prepare import sink_settings
from weir.settings import load

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
PARTITIONS = 8


class Died(BaseException):
    """What a killed process does not say."""


def weir(*arguments: str) -> str:
    """What a command says, run in this process: starting one takes longer than most of what is done here."""
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


class Shop:
    """A project of this test's own, whose events come straight from Kafka."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.id = f"shop-{uuid4().hex[:8]}"
        weir("project", "create", self.id)
        self.producer = Producer({"bootstrap.servers": stack.bootstrap, "linger.ms": 5, "log_level": 0})

    def send(self, kind: str, device: str, payload: dict[str, Any], profile: str = "", **more: Any) -> None:
        event = {
            "kind": kind,
            "project_id": self.id,
            "event_id": str(uuid4()),
            "device_id": device,
            "profile_id": profile,
            "user_agent": BROWSER,
            "payload": payload,
            **more,
        }
        partition = partition_of(self.id, device, PARTITIONS)
        self.producer.produce(RAW, orjson.dumps(event), partition=partition)

    def visit(self, device: str, profile: str = "", name: str = "screen_view", **more: Any) -> None:
        self.send("track", device, {"name": name, "properties": {"__path": "https://shop.example/a"}}, profile, **more)

    def ada(self) -> None:
        """Ada has a device and another id, was on Bob's device, and one of her lines is dead."""
        for _ in range(3):
            self.visit("ada-phone")
            self.visit("bob-phone")
        self.send("identify", "ada-phone", {"email": "ada@example.com"}, "ada")
        self.send("alias", "ada-phone", {"alias": "a-d-a"}, "ada")
        self.send("assign_group", "ada-phone", {"group_ids": ["acme"]}, "ada")
        self.visit("ada-phone", "a-d-a", "paid")
        self.visit("bob-tablet", "ada")
        self.send("identify", "bob-tablet", {"email": "bob@example.com"}, "bob")
        self.send("identify", "bob-phone", {}, "bob")
        # As if Bob's id were a device of hers.
        self.send("identify", "bob", {}, "ada")
        self.send("identify", "ada-phone", {"email": 5}, "ada")
        self.send(
            "replay",
            "ada-phone",
            {
                "session_id": "s",
                "chunk_index": 0,
                "events_count": 1,
                "is_full_snapshot": True,
                "started_at": 1,
                "ended_at": 2,
                "payload": "[]",
            },
        )
        self.producer.flush(30)

    def rows(self, table: str, condition: str = "1") -> int:
        count = "sum(sign)" if table == "sessions" else "count()"
        query = f"select toInt64({count}) from weir.{table} where project_id = '{self.id}' and {condition}"
        return int(httpx.post(self.stack.store_url, content=query, timeout=30).text)

    def wait(self, table: str, number: int, condition: str = "1") -> None:
        self.stack.wait_for(lambda: self.rows(table, condition) >= number, f"{number} rows in {table}")

    def wait_all(self) -> None:
        self.wait("events", 8, "synthesized = 0")
        self.wait("dead_letters", 1)
        self.wait("replay_chunks", 1)
        self.wait("profiles", 1, "profile_id = 'ada' and email != '' and notEmpty(groups)")
        self.wait("identities", 1, "kind = 'profile'")
        self.wait("identities", 1, "source_id = 'bob-phone'")
        self.wait("identities", 1, "source_id = 'bob' and kind = 'device'")
        self.wait("profiles", 1, "profile_id = 'bob' and email != ''")

    def export(self, profile: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in weir("profile", "export", self.id, profile).splitlines()]


@contextmanager
def going_on(shop: Shop) -> Iterator[None]:
    """Others send meanwhile."""
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(0.02):
            shop.visit(f"other-{time.monotonic_ns() % 50}", "carol")
        shop.producer.flush(30)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


DEATHS = ("ids and", "events:", "deleting from sessions", "making events_hourly")
"""What it was about to tell when it died: after the list, while counting, while deleting, before the rollups."""


def erase_with_deaths(shop: Shop, any_id: str) -> dict[str, Any]:
    """The receipt of an erasure that dies at each of these places; she comes by in between."""
    waiting = list(DEATHS)
    notes: list[str] = []

    def tell(doing: str) -> None:
        if waiting and waiting[0] in doing:
            waiting.pop(0)
            raise Died

    while True:
        try:
            receipt = erase_person(load(), shop.id, any_id, tell=tell)
            assert notes[-1].startswith(f"In {shop.id} an erasure is not done")
            return receipt
        except Died:
            notes.append(unfinished_erasures(load()) or "")
            shop.visit("bob-phone", "bob", "met_her")


def test_a_person_is_exported_erased_and_begins_anew(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in stack.environment.items():
        if name.startswith("WEIR_"):
            monkeypatch.setenv(name, value)
    shop, other = Shop(stack), Shop(stack)
    shop.ada()
    other.ada()
    shop.wait_all()
    other.wait_all()
    with clickhouse(load()) as client:
        everybody = "select arrayJoin(['ada', 'a-d-a', 'bob']) as id, 'profile' as kind"
        count_members(client, sink_settings(load()), shop.id, "all", "All", {}, everybody)
    kinds = {row["type"] for row in shop.export("a-d-a")}
    assert kinds == {"person", "profile", "link", "cohort", "session", "event", "dead_letter"}
    before = other.export("ada")
    assert {row["profile_id"] for row in before if row["type"] == "profile"} == {"ada", "a-d-a"}
    with going_on(shop):
        done = erase_with_deaths(shop, "a-d-a")
    assert (done["profile_id"], done["state"]) == ("ada", "done")
    assert set(done["profile_ids"]) == {"ada", "a-d-a"}
    assert done["device_ids"] == before[0]["device_ids"] == ["ada-phone"]
    assert [row["email"] for row in shop.export("bob") if row["type"] == "profile"] == ["bob@example.com"]
    # The whole of a session in which she was named goes, whoever was there too.
    assert {name: number for name, number in done["removed"].items() if name not in ("events", "identities")} == {
        "sessions": 2,
        "replay_chunks": 1,
        "dead_letters": 1,
        "cohort_members": 2,
        "profiles": 2,
    }
    for command in (
        ("export", shop.id, "ada", "--output", str(tmp_path / "nothing.jsonl")),
        ("erase", shop.id, "ada", "--yes"),
        ("erase", shop.id, "nobody-here", "--yes"),
    ):
        refused = CliRunner().invoke(cli, ("profile", *command))
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert str(refused.exception).startswith(f"Nothing is known of {command[2]} in {shop.id}.")
    assert shop.rows("events", "device_id = 'bob-phone' and name = 'screen_view'") == 3
    assert other.export("ada") == before
    assert json.loads(weir("profile", "erasures", shop.id, "--json")) == [done]
    # From a spool or sent again: received before, so it is as if it had never come.
    shop.visit("ada-phone", received_at=1, time=round(time.time() * 1000))
    shop.visit("ada-phone", "ada", "returned")
    shop.send("increment", "ada-phone", {"property": "visits"}, "ada")
    shop.producer.flush(30)
    shop.wait("profiles", 1, "profile_id = 'ada' and is_deleted = 0 and has(JSONAllPaths(properties), 'visits')")
    shop.wait("events", 1, "name = 'returned'")
    again = shop.export("ada")
    assert [row["name"] for row in again if row["type"] == "event" and not row["synthesized"]] == ["returned"]
    [profile] = [row for row in again if row["type"] == "profile"]
    assert (profile["email"], profile["groups"], profile["properties"]["visits"]) == ("", [], 1)
    assert [row["source_id"] for row in again if row["type"] == "link"] == ["ada-phone"]
    # The commands of the page, for somebody who was on fifty devices.
    page = (REPOSITORY / "docs" / "privacy.md").read_text()
    commands = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert len(commands) == 3
    for command in commands:
        command = command.replace("shop", shop.id).replace("customer-1.jsonl", str(tmp_path / "export.jsonl"))
        weir(*shlex.split(command.replace("customer-1", "carol"))[1:])
    assert len((tmp_path / "export.jsonl").read_text().splitlines()) > 3
    assert stat.filemode((tmp_path / "export.jsonl").stat().st_mode) == "-rw-------"
    assert [path.name for path in tmp_path.iterdir()] == ["export.jsonl"]
    assert shop.rows("events", "profile_id = 'carol'") == 0
    audit = stack.audit()
    assert audit["findings"] == [], audit["findings"]
    assert not any("an erasure is not done" in note for note in audit["notes"])
