"""What `weir project`, `client` and `filter` set is in force soon, from the gateway to the store."""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.broker import REPOSITORY
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


class Shop:
    """A project made by the command."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.id = f"shop-{uuid4().hex[:8]}"
        stack.weir("project", "create", self.id, "--origin", "https://shop.example", "--bot-policy", "flag")
        self.client: dict[str, str] = json.loads(stack.weir("client", "create", self.id, "--json").stdout)

    def send(self, name: str, path: str = "/", *, user_agent: str = BROWSER, secret: str | None = None) -> int:
        """The status of an event's answer."""
        headers = {
            "openpanel-client-id": self.client["client_id"],
            "openpanel-client-secret": self.client["client_secret"] if secret is None else secret,
            "user-agent": user_agent,
        }
        properties = {"__path": f"https://shop.example{path}"}
        body = {"type": "track", "payload": {"name": name, "properties": properties}}
        return httpx.post(f"{self.stack.gateway_url}/track", json=body, headers=headers, timeout=30).status_code

    def wait_for_status(self, status: int, **event: Any) -> None:
        self.stack.wait_for(lambda: self.send("asked", **event) == status, f"the gateway answers {status}")

    def stored(self, columns: str, condition: str = "1") -> list[list[Any]]:
        query = (
            f"select distinct {columns} from weir.events where project_id = '{self.id}' and {condition} order by all"
        )
        answer = httpx.post(self.stack.store_url, content=f"{query} format JSONCompact", timeout=30)
        rows: list[list[Any]] = answer.json()["data"]
        return rows

    def wait_for_name(self, name: str) -> None:
        self.stack.wait_for(lambda: bool(self.stored("name", f"name = '{name}'")), f"{name} is stored")


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Shop:
    made = Shop(stack)
    made.wait_for_status(200)
    return made


def ledger(stack: Stack, column: str) -> int:
    answer = httpx.post(stack.store_url, content=f"select sum({column}) from weir.ledger format TSV", timeout=30)
    return int(answer.text)


@contextmanager
def without_database(stack: Stack) -> Iterator[None]:
    """Nobody can open the control database meanwhile. Those who have it open find it again where it was."""
    database = stack.home / "control.db"
    hidden = database.with_name("control.hidden")
    database.rename(hidden)
    database.mkdir()
    try:
        yield
    finally:
        database.rmdir()
        hidden.rename(database)


def test_filters_and_bot_policy_reach_the_worker_and_the_audit_is_clean(stack: Stack, shop: Shop) -> None:
    filtered = ledger(stack, "filtered")
    stack.weir("filter", "add", shop.id, "path", "/admin/*")
    stack.weir("filter", "add", shop.id, "user_agent", "Uptime")
    assert json.loads(stack.weir("filter", "list", shop.id, "--json").stdout) == [
        {"kind": "path", "value": "/admin/*"},
        {"kind": "user_agent", "value": "Uptime"},
    ]

    def dropped() -> bool:
        assert shop.send("hidden", "/admin/users") == 200
        assert shop.send("hidden", user_agent=f"{BROWSER} Uptime") == 200
        return ledger(stack, "filtered") >= filtered + 2

    stack.wait_for(dropped, "events are filtered")
    assert shop.send("crawled", user_agent=CRAWLER) == 200
    shop.wait_for_name("crawled")
    assert shop.stored("bot", "name = 'crawled'") == [["Googlebot"]]
    before = shop.stored("event_id", "name = 'hidden'")
    assert shop.send("hidden", "/admin/users") == 200
    stack.weir("filter", "remove", shop.id, "path", "/admin/*")
    # Once its path is stored again, everything before it was processed.
    stack.wait_for(
        lambda: shop.send("shown", "/admin/users") == 200 and bool(shop.stored("path", "name = 'shown'")),
        "the path is stored again",
    )
    assert shop.stored("event_id", "name = 'hidden'") == before
    assert stack.audit()["findings"] == []


def test_keys_and_limits_change_soon_and_without_the_database_everything_goes_on(stack: Stack, shop: Shop) -> None:
    old = shop.client
    shop.client = json.loads(stack.weir("client", "secret", old["client_id"], "--json").stdout)
    shop.wait_for_status(401, secret=old["client_secret"])
    shop.wait_for_status(200)
    stack.weir("client", "limit", old["client_id"], "--rate", "0.01", "--burst", "3")
    shop.wait_for_status(429)
    with without_database(stack):
        failed = stack.weir("client", "list", check=False)
        assert failed.returncode == 1
        assert "control database" in failed.stderr
        assert shop.send("limited") == 429
    stack.weir("client", "limit", old["client_id"], "--as-project")
    shop.wait_for_status(200)
    with without_database(stack):
        assert shop.send("in the dark") == 200
        shop.wait_for_name("in the dark")
    other = json.loads(stack.weir("client", "create", shop.id, "--json").stdout)
    stack.weir("client", "delete", other["client_id"])
    listed = json.loads(stack.weir("client", "list", shop.id, "--json").stdout)
    assert [(each["id"], "secret_hash" in each) for each in listed] == [(old["client_id"], False)]


def test_every_command_of_the_documentation_runs(stack: Stack) -> None:
    text = Path(REPOSITORY / "docs" / "ingest" / "rules.md").read_text()
    project = f"docs-{uuid4().hex[:8]}"
    commands = [
        line for block in re.findall(r"^```shell\n(.*?)^```$", text, re.M | re.S) for line in block.splitlines()
    ]
    weir = [line.replace("blog", project) for line in commands if line.startswith("weir ")]
    assert len(weir) > 10
    client_id = ""
    for line in weir:
        words = shlex.split(line.replace("$CLIENT_ID", client_id))[1:]
        said = stack.weir(*words).stdout
        found = re.search(r"^client id +(\S+)$", said, re.MULTILINE)
        client_id = found[1] if found else client_id
