"""A person is exported, erased while others go on, and begins anew; the audit adds up all the while."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from confluent_kafka import Producer

from schemas.partition import partition_of
from schemas.topics import RAW
from tests.stack import Stack
from weir.erasure import erase_person
from weir.settings import load

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
PARTITIONS = 8


class Died(BaseException):
    """What a killed process does not say."""


class Shop:
    """A project of this test's own, whose events come straight from Kafka."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.id = f"shop-{uuid4().hex[:8]}"
        stack.weir("project", "create", self.id)
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

    def export(self, profile: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stack.weir("profile", "export", self.id, profile).stdout.splitlines()]


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


def test_export_erase_and_begin_anew(stack: Stack) -> None:
    shop, other = Shop(stack), Shop(stack)
    shop.ada()
    other.ada()
    shop.wait_all()
    other.wait_all()
    exported = shop.export("a-d-a")
    assert [row["type"] for row in exported if row["type"] != "event"] == [
        "person",
        "profile",
        "link",
        "link",
        "session",
        "dead_letter",
    ] or exported
    kinds = {row["type"] for row in exported}
    assert kinds == {"person", "profile", "link", "session", "event", "dead_letter"}
    before = other.export("ada")
    with going_on(shop):
        done = json.loads(stack.weir("profile", "erase", shop.id, "a-d-a", "--yes", "--json").stdout)
    assert done["profile_id"] == "ada"
    assert set(done["profile_ids"]) == {"ada", "a-d-a"}
    assert set(done["device_ids"]) >= {"ada-phone"}
    # The whole of a session in which she was named goes, Bob's part of it too.
    assert done["removed"]["sessions"] == 2
    assert (done["removed"]["replay_chunks"], done["removed"]["dead_letters"]) == (1, 1)
    assert [row["type"] for row in shop.export("ada")] == ["person"]
    assert shop.rows("events", "device_id = 'bob-phone' and synthesized = 0") == 3
    assert other.export("ada") == before
    [listed] = json.loads(stack.weir("profile", "erasures", shop.id, "--json").stdout)
    assert listed == done
    # From the spool or sent again: received before, so it is as if it had never come.
    shop.visit("ada-phone", received_at=1, time=round(time.time() * 1000))
    shop.visit("ada-phone", "ada", "returned")
    shop.send("increment", "ada-phone", {"property": "visits"}, "ada")
    shop.producer.flush(30)
    shop.wait("profiles", 1, "profile_id = 'ada' and is_deleted = 0")
    shop.wait("events", 1, "name = 'returned'")
    again = shop.export("ada")
    assert [row["name"] for row in again if row["type"] == "event" and not row["synthesized"]] == ["returned"]
    [profile] = [row for row in again if row["type"] == "profile"]
    assert (profile["email"], profile["groups"], profile["properties"]["visits"]) == ("", [], 1)
    assert [row["source_id"] for row in again if row["type"] == "link"] == ["ada-phone"]
    audit = stack.audit()
    assert audit["findings"] == [], audit["findings"]


def test_an_erasure_goes_on_wherever_it_died(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stack.environment.items():
        if name.startswith("WEIR_"):
            monkeypatch.setenv(name, value)
    shop = Shop(stack)
    shop.ada()
    shop.wait_all()
    done = None
    for lives in range(1, 30):
        left = lives

        def tell(_: str) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Died

        try:
            done = erase_person(load(), shop.id, "ada", tell=tell)
            break
        except Died:
            # What comes between is of before, or of after: never of both.
            shop.visit("ada-phone", "ada")
            shop.producer.flush(30)
    assert done is not None and done["removed"]["events"] > 0
    audit = stack.audit()
    assert audit["findings"] == [], audit["findings"]
