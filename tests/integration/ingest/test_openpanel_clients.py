"""OpenPanel's own libraries against the whole stack: what they send is stored as they mean it, and they understand."""

from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from tests.clients.node import run
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def select(stack: Stack, sql: str) -> list[dict[str, Any]]:
    answer = httpx.post(stack.store_url, content=f"{sql} format JSONEachRow", timeout=30)
    assert answer.status_code == 200, answer.text
    return [orjson.loads(line) for line in answer.text.splitlines()]


def test_openpanels_libraries(stack: Stack) -> None:
    mark = uuid4().hex[:12]
    demo = stack.demo.write
    environment = {"WEIR_URL": stack.gateway_url, "CLIENT_ID": demo.client_id, "CLIENT_SECRET": demo.client_secret}
    said = orjson.loads(run("openpanel", {**environment, "RUN": mark}))
    sql = (
        "select name, device_id, session_id, profile_id, groups, revenue, path, os, sdk_name, sdk_version, city,"
        f" toString(properties.order) as ordered from weir.events where properties.run = '{mark}' and synthesized = 0"
    )
    stack.wait_for(lambda: len(select(stack, sql)) >= 5, "the libraries' events are stored")
    events = {row["name"]: row for row in select(stack, sql)}
    assert set(events) == {"ordered", "revenue", "opened", "screen_view", "proxied"}

    ordered = events["ordered"]
    assert said["ordered"] == {"deviceId": "", "sessionId": ""}
    assert (ordered["profile_id"], ordered["groups"]) == (f"ann-{mark}", [f"acme-{mark}"])
    assert (ordered["sdk_name"], ordered["sdk_version"], ordered["ordered"]) == ("node", "1.3.1", "7")
    assert (events["revenue"]["revenue"], events["revenue"]["device_id"]) == (4990, f"till-{mark}")

    # The app's two events, one of them from its queue, are one device's visit, and it knows which.
    opened, shown = events["opened"], events["screen_view"]
    assert said["shown"] == {"deviceId": shown["device_id"], "sessionId": shown["session_id"]}
    assert opened["session_id"] == shown["session_id"] == said["session"] != ""
    assert (shown["path"], shown["sdk_name"]) == ("Basket", "react-native")

    assert (said["refused"], said["tries"]) == (None, 1)

    proxied = events["proxied"]
    assert said["proxied"]["status"] == 200
    assert said["proxied"]["body"] == {"deviceId": proxied["device_id"], "sessionId": proxied["session_id"]}
    assert (proxied["path"], proxied["os"]) == ("/shoes", "Windows")

    profile = (
        "select first_name, toString(properties.logins) as logins, toString(properties.plan) as plan"
        f" from weir.profiles final where profile_id = 'ann-{mark}'"
    )
    expected = {"first_name": "Ann", "logins": "3", "plan": "pro"}
    stack.wait_for(lambda: select(stack, profile) == [expected], "the person is what was said of her")
