"""Rules and live visitors through the whole of Weir: from an HTTP request to the topic and the socket."""

import json
import re
import shlex
import time
from collections.abc import Callable
from operator import itemgetter
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from click.testing import CliRunner
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from websockets.asyncio.client import connect

from query_api.live_feed import LiveFeed
from schemas import topics
from schemas.live import visitor_hash
from schemas.notification import Notification
from tests.broker import REPOSITORY
from tests.stack import Stack
from weir.cli import cli
from weir.notifications import watch

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"


class Shop:
    """A project with a key to write and one to read."""

    def __init__(self, stack: Stack, project_id: str) -> None:
        self.stack = stack
        self.id = project_id
        made = [weir(stack, "client", "create", self.id, "--type", kind, "--json") for kind in ("write", "read")]
        self.write, self.read = map(json.loads, made)

    def send(self, device: str, name: str, path: str = "/", **properties: Any) -> int:
        headers = {
            "openpanel-client-id": self.write["client_id"],
            "openpanel-client-secret": self.write["client_secret"],
            "user-agent": BROWSER,
        }
        said = {"__path": f"https://shop.example{path}", "__deviceId": device, **properties}
        body = {"type": "track", "payload": {"name": name, "properties": said}}
        return httpx.post(f"{self.stack.gateway_url}/track", json=body, headers=headers, timeout=30).status_code

    def live(self) -> int:
        headers = {
            "openpanel-client-id": self.read["client_id"],
            "openpanel-client-secret": self.read["client_secret"],
        }
        answer = httpx.get(f"{self.stack.query_api_url}/insights/{self.id}/live", headers=headers, timeout=30)
        return int(answer.json()["visitors"])


def weir(stack: Stack, *words: str) -> str:
    """What the command `weir` prints, without a process of its own."""
    done = CliRunner().invoke(cli, words, env=stack.environment, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def notifications(stack: Stack, project_id: str) -> list[dict[str, Any]]:
    """All that a project was told, committed, as of now."""
    reader = Consumer(
        {
            "bootstrap.servers": stack.bootstrap,
            "group.id": "test-reader",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 50,
        }
    )
    found: list[dict[str, Any]] = []
    try:
        partitions = set(reader.list_topics(topics.NOTIFICATIONS, 30).topics[topics.NOTIFICATIONS].partitions)
        reader.assign([TopicPartition(topics.NOTIFICATIONS, each, OFFSET_BEGINNING) for each in partitions])
        while partitions:
            for message in reader.consume(500, 0.2):
                error = message.error()
                if error is None:
                    found += [orjson.loads(line) for line in (message.value() or b"").split(b"\n")]
                elif error.code() == KafkaError._PARTITION_EOF:
                    partitions.discard(message.partition())
    finally:
        reader.close()
    return [row for row in found if row["project_id"] == project_id]


def told(stack: Stack, project_id: str) -> list[tuple[str, str, str]]:
    return sorted((row["rule_id"], row["name"], row["device_id"]) for row in notifications(stack, project_id))


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Shop:
    """A project made by the commands of docs/rules.md, which do what the page says."""
    project = f"shop-{uuid4().hex[:8]}"
    text = (REPOSITORY / "docs" / "rules.md").read_text()
    (block,) = re.findall(r"^```shell\n(.*?)^```$", text, re.M | re.S)
    commands = [shlex.split(line)[1:] for line in block.splitlines()]
    assert len(commands) > 10
    for words in commands:
        weir(stack, *[project if word == "shop" else word for word in words])
    left = json.loads(weir(stack, "rule", "list", project, "--json"))
    assert [rule["id"] for rule in left] == ["from-docs", "large-order", "sign-up"]
    return Shop(stack, project)


def until(stack: Stack, sent: Callable[[], object], condition: Callable[[], bool], what: str) -> None:
    """Send until it is so: rules are in force soon, not at once."""

    def done() -> bool:
        sent()
        time.sleep(0.2)
        return condition()

    stack.wait_for(done, what)


def test_rules_are_in_force_soon_and_tell_once(stack: Stack, shop: Shop) -> None:
    stack.wait_for(lambda: shop.send("warm-up", "ping") == 200, "the gateway takes events")
    until(stack, lambda: shop.send("first", "sign_up"), lambda: bool(notifications(stack, shop.id)), "the rule tells")
    for name, path in (("screen_view", "/docs/start"), ("sign_in", "/"), ("screen_view", "/docs"), ("sign_in", "/")):
        assert shop.send("reader", name, path) == 200
    assert shop.send("buyer", "revenue", plan="pro", __revenue=25_000) == 200
    assert shop.send("buyer", "revenue", plan="trial", __revenue=25_000) == 200
    assert shop.send("buyer", "revenue", __revenue=9_999) == 200
    assert shop.send("last", "sign_up") == 200
    stack.wait_for(lambda: ("sign-up", "sign_up", "last") in told(stack, shop.id), "all is told")
    others = [row for row in told(stack, shop.id) if row[0] != "sign-up"]
    stack.wait_for(lambda: len([row for row in told(stack, shop.id) if row[0] != "sign-up"]) >= 2, "the others are")
    others = [row for row in told(stack, shop.id) if row[0] != "sign-up"]
    assert others == [("from-docs", "sign_in", "reader"), ("large-order", "revenue", "buyer")]
    rows = notifications(stack, shop.id)
    for row in rows:
        Notification.model_validate(row)
    assert len({row["notification_id"] for row in rows}) == len(rows)
    # The stored events say the same once they are in the store.
    expected = len([row for row in rows if row["rule_id"] == "sign-up"])

    def tried() -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(weir(stack, "rule", "test", shop.id, "sign-up", "--json"))
        return answer

    stack.wait_for(lambda: tried()["matches"] == expected, "the trial finds as many")
    assert "1 match among" in weir(stack, "rule", "test", shop.id, "from-docs")
    # What the command shows is what was told.
    words = ("rule", "watch", shop.id, "--since-minutes", "30", "--count", str(len(rows)))
    shown = [line for line in weir(stack, *words, "--json").splitlines() if line.startswith("{")]
    key = itemgetter("notification_id")
    assert sorted((json.loads(line) for line in shown), key=key) == sorted(
        (Notification.model_validate(row).model_dump(mode="json") for row in rows), key=key
    )
    assert "sign-up (Somebody signed up): sign_up" in weir(stack, *words)
    # What is told after it has begun is shown, though nothing was read of the topic yet.
    watched = watch(stack.bootstrap, shop.id)
    before = len(rows)
    assert shop.send("watched", "sign_up") == 200
    stack.wait_for(lambda: len(notifications(stack, shop.id)) > before, "it is told")
    assert next(each.device_id for each in watched if each is not None) == "watched"


def _names(feed: LiveFeed, project_id: str) -> set[str]:
    view = feed.view(project_id, round(time.time() * 1000))
    return set() if view is None else {visitor.visitor for visitor in view.visitors}


async def test_who_is_live_is_told_as_the_store_counts(stack: Stack, shop: Shop) -> None:
    devices = [f"live-{number}" for number in range(5)]
    for device in devices:
        assert shop.send(device, "screen_view", f"/{device}") == 200
    wanted = {visitor_hash(shop.id, device) for device in devices}
    shown: dict[str, Any] = {}
    async with connect(stack.query_api_url.replace("http", "ws") + f"/live/{shop.id}") as socket:
        await socket.send(json.dumps({"clientId": shop.read["client_id"], "clientSecret": shop.read["client_secret"]}))
        deadline = time.monotonic() + 60
        while not (wanted <= set(shown) and len(shown) == shop.live()):
            assert time.monotonic() < deadline, shown
            news = json.loads(await socket.recv())
            shown |= {visitor["visitor"]: visitor for visitor in news["seen"]}
            assert news["visitors"] == len(shown)
    # An API that starts later reads what was told before, and the projects of others are others'.
    feed = LiveFeed(stack.bootstrap)
    feed.start()
    try:
        stack.wait_for(lambda: _names(feed, shop.id) == set(shown), "a new feed knows the same visitors")
        assert _names(feed, stack.demo.project_id).isdisjoint(shown)
    finally:
        feed.stop()
    one = shown[visitor_hash(shop.id, "live-3")]
    assert (one["path"], one["browser"], one["device"], one["name"]) == ("/live-3", "Chrome", "desktop", "screen_view")
    assert one["session_id"]
    assert "device_id" not in one
