"""Backups made under load; restored where the store's directory is lost, and into an empty installation beside."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.broker import REPOSITORY
from tests.integration.weir.test_erasure import Shop
from tests.stack import Stack
from tests.traffic import Traffic

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(1500)]

NUMBERS = """
select (select count() from weir.events), (select uniqExact(event_id, name) from weir.events),
    (select sum(sign) from weir.sessions), (select sum(events) from weir.events_hourly),
    (select count() from weir.profiles final where is_deleted = 0)
"""


class Installation:
    """A stack whose backups lie outside of its home."""

    def __init__(self, home: Path, backups: Path) -> None:
        self.stack = Stack(home, {"WEIR_BACKUP_LOCATION": str(backups)})

    def numbers(self) -> list[int]:
        """Events, different events, sessions, events of the rollup, profiles."""
        answer = httpx.post(self.stack.store_url, content=NUMBERS, timeout=60)
        assert answer.status_code == 200, answer.text
        return [int(text) for text in answer.text.split()]

    def traffic(self, rate: float, keys: dict[str, str]) -> Traffic:
        """Events over HTTP."""
        return Traffic(self.stack.gateway_url, {"content-type": "application/json", **keys}, rate)

    def backup(self, *options: str) -> str:
        """The name of a new backup."""
        return self.stack.weir("backup", *options).stdout.split()[0]

    def lose_the_store(self) -> None:
        """Everything of ClickHouse is gone; Kafka and the control database are not."""
        self.stack.stop()
        shutil.rmtree(self.stack.home / "store")
        self.stack.start()

    def assert_clean(self) -> None:
        """The audit has no finding."""
        findings = self.stack.audit()["findings"]
        assert findings == [], f"{json.dumps(findings, indent=1)}\n{self.stack.log_ends()}"

    def kill_a_restore(self, name: str) -> None:
        """Begin one, and kill it when the tables are there in part."""
        restore = subprocess.Popen(
            [sys.executable, "-m", "weir", "restore", name, "--replace", "--no-verify"],
            env=self.stack.environment,
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert restore.stderr is not None
        for line in restore.stderr:
            if line.startswith("setting the consumers of profiles"):
                os.kill(restore.pid, signal.SIGKILL)
                break
        restore.wait(60)
        restore.stderr.close()


@pytest.fixture
def lost(tmp_path: Path) -> Iterator[Installation]:
    """An installation that will lose its store."""
    made = Installation(tmp_path / "lost", tmp_path / "backups")
    try:
        made.stack.start()
        yield made
    finally:
        made.stack.weir("down", check=False)


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Installation]:
    """Another one, with a broker of its own. Not started."""
    made = Installation(tmp_path / "beside", tmp_path / "backups")
    try:
        yield made
    finally:
        made.stack.weir("down", check=False)


def test_a_backup_made_under_load_is_restored(
    lost: Installation, beside: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in lost.stack.environment.items():
        if name.startswith("WEIR_"):
            monkeypatch.setenv(name, value)
    shop = Shop(lost.stack)
    shop.ada()
    shop.wait_all()
    demo = lost.stack.demo
    keys = {"openpanel-client-id": demo.write.client_id, "openpanel-client-secret": demo.write.client_secret}
    with lost.traffic(100, keys) as traffic:
        time.sleep(2)
        whole = lost.backup()
        time.sleep(1)
        newest = lost.backup("--incremental")
        time.sleep(1)
    listed = lost.stack.weir("backup", "list").stdout
    assert f"based on {whole}" in listed.splitlines()[1]
    assert "is whole" in lost.stack.weir("backup", "verify", newest).stdout

    # After the backup she goes, and comes back.
    lost.stack.weir("profile", "erase", shop.id, "ada", "--yes")
    shop.visit("ada-phone", "ada", "returned")
    shop.producer.flush(30)
    shop.wait("events", 1, "name = 'returned'")
    lost.assert_clean()
    before = lost.numbers()
    assert not traffic.refused

    lost.lose_the_store()
    lost.kill_a_restore(newest)
    refused = lost.stack.weir("migrate", check=False)
    assert (refused.returncode, "run weir restore again" in refused.stderr) == (3, True), refused.stderr
    # It starts all the same, or it could not be run again.
    lost.stack.stop()
    lost.stack.start()
    lost.stack.weir("restore", newest, "--replace")
    assert lost.numbers() == before
    again = shop.export("ada")
    assert [row["name"] for row in again if row["type"] == "event" and not row["synthesized"]] == ["returned"]
    assert shop.rows("dead_letters") == 0

    _beside(beside, newest, keys, shop.id)
    _damage(lost, newest)


def _beside(beside: Installation, name: str, keys: dict[str, str], project_id: str) -> None:
    """An empty installation has nothing but the backup: it is whole by itself, and goes on."""
    beside.stack.start()
    beside.stack.weir("restore", name)
    events, different, *_ = beside.numbers()
    assert events == different > 0
    assert project_id in beside.stack.weir("project", "list").stdout
    # Keys of the backup are good, and so are those that this machine's owner was shown before.
    shown = beside.stack.demo.write
    own = {"openpanel-client-id": shown.client_id, "openpanel-client-secret": shown.client_secret}
    hello = {"type": "track", "payload": {"name": "hello"}}

    def taken() -> bool:
        url = f"{beside.stack.gateway_url}/track"
        return all(httpx.post(url, json=hello, headers=each, timeout=30).is_success for each in (keys, own))

    beside.stack.wait_for(taken, "both keys are good")
    profile = f"from weir.profiles where project_id = '{project_id}' and profile_id = 'bob'"
    bob = httpx.post(beside.stack.store_url, content=f"select max(version) {profile}", timeout=30).text
    # A profile goes on from where it was: a version of before would never be seen.
    line = {"kind": "identify", "project_id": project_id, "profile_id": "bob", "payload": {"first_name": "Bob"}}
    from confluent_kafka import Producer

    from schemas.topics import RAW

    producer = Producer({"bootstrap.servers": beside.stack.bootstrap, "log_level": 0})
    producer.produce(RAW, json.dumps(line), partition=0)
    assert producer.flush(30) == 0
    newest = f"select max(version) {profile} and first_name = 'Bob'"

    def seen() -> bool:
        return int(httpx.post(beside.stack.store_url, content=newest, timeout=30).text) == int(bob) + 1

    beside.stack.wait_for(seen, "bob's profile goes on")
    with beside.traffic(50, keys) as traffic:
        time.sleep(2)
    assert not traffic.refused
    beside.assert_clean()


def _damage(lost: Installation, name: str) -> None:
    """A backup that is not as it was written is not restored."""
    folder = Path(lost.stack.environment["WEIR_BACKUP_LOCATION"])
    data = max((folder / name / "store").rglob("data.bin"), key=lambda path: path.stat().st_size)
    data.write_bytes(data.read_bytes()[:-1] + b"\x00\x01")
    verified = lost.stack.weir("backup", "verify", name, check=False)
    assert (verified.returncode, "is damaged" in verified.stderr) == (1, True)
    before = lost.numbers()
    refused = lost.stack.weir("restore", name, "--replace", check=False)
    assert (refused.returncode, "Nothing was changed" in refused.stderr) == (1, True)
    assert lost.numbers() == before
    there = lost.stack.weir("restore", "2020-01-01T000000Z", check=False)
    assert "There is no backup" in there.stderr
