"""Segment's and RudderStack's own node libraries against the whole stack: what they send is stored, once."""

from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from tests.clients.node import run
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

_COLUMNS = (
    "name, device_id, path, origin, title, utm_source, utm_campaign, language, browser, groups, revenue, currency,"
    " sdk_name, toJSONString(properties) as properties"
)


def _select(stack: Stack, sql: str) -> list[dict[str, Any]]:
    answer = httpx.post(stack.store_url, content=f"{sql} format JSONEachRow", timeout=30)
    assert answer.status_code == 200, answer.text
    return [orjson.loads(line) for line in answer.text.splitlines()]


def _events(stack: Stack, profile_id: str, expected: int) -> dict[str, dict[str, Any]]:
    """A person's events by their name, once there are that many; each name is there once."""
    sql = f"select {_COLUMNS} from weir.events where profile_id = '{profile_id}' and synthesized = 0 order by name"
    stack.wait_for(lambda: len(_select(stack, sql)) >= expected, f"{expected} events of {profile_id} are stored")
    # Kafka keeps the order of a device, so what would be stored twice would be there by now.
    found = _select(stack, sql)
    assert len(found) == expected
    assert len({row["name"] for row in found}) == expected
    return {row["name"]: row for row in found}


def _person(stack: Stack, profile_id: str) -> dict[str, Any]:
    columns = "first_name, last_name, email, toJSONString(properties) as properties"
    sql = f"select {columns} from weir.profiles final where profile_id = '{profile_id}' and email != ''"
    stack.wait_for(lambda: bool(_select(stack, sql)), f"{profile_id} is a profile")
    return _select(stack, sql)[0]


def _links(stack: Stack, profile_id: str, expected: int) -> set[tuple[str, str]]:
    """What belongs to a person, once that is so much."""
    sql = f"select distinct kind, source_id from weir.identities where profile_id = '{profile_id}'"
    stack.wait_for(lambda: len(_select(stack, sql)) >= expected, f"{profile_id} has {expected} links")
    return {(row["kind"], row["source_id"]) for row in _select(stack, sql)}


def _group(stack: Stack, group_id: str) -> dict[str, Any]:
    sql = f"select name, toJSONString(properties) as properties from weir.groups final where group_id = '{group_id}'"
    stack.wait_for(lambda: bool(_select(stack, sql)), f"{group_id} is a group")
    return _select(stack, sql)[0]


def test_segments_library(stack: Stack) -> None:
    mark = uuid4().hex[:12]
    environment = {"WEIR_URL": stack.gateway_url, "WEIR_KEY": stack.demo.write.client_id, "RUN": mark}
    printed = orjson.loads(run("segment", environment))
    assert set(printed["statuses"]) == {200, 401}
    assert printed["failures"] == ["Error: [401] Unauthorized"]

    person = f"ann-{mark}"
    found = _events(stack, person, 5)
    assert sorted(found) == ["Order Completed", "Product Added", "Repeated", "revenue", "screen_view"]
    page = found["screen_view"]
    assert (page["path"], page["origin"], page["title"]) == ("/cart", "https://shop.example", "Cart")
    assert (page["utm_source"], page["utm_campaign"], page["language"]) == ("newsletter", "spring", "de-DE")
    assert (page["browser"], page["sdk_name"], page["groups"]) == (
        "Chrome",
        "@segment/analytics-node",
        [f"acme-{mark}"],
    )
    assert {row["device_id"] for row in found.values()} == {f"device-{mark}"}
    assert (int(found["revenue"]["revenue"]), found["revenue"]["currency"]) == (2999, "EUR")
    assert orjson.loads(found["Order Completed"]["properties"])["revenue"] == 29.99
    assert orjson.loads(found["Product Added"]["properties"])["tags"] == ["a", "b"]

    known = _person(stack, person)
    assert (known["first_name"], known["last_name"], known["email"]) == ("Ann", "Lee", "ann@example.com")
    told = orjson.loads(known["properties"])
    assert {name: value for name, value in told.items() if name not in ("__first", "__last")} == {"plan": "pro"}
    assert _links(stack, person, 2) == {("device", f"device-{mark}"), ("profile", f"former-{mark}")}
    group = _group(stack, f"acme-{mark}")
    assert (group["name"], orjson.loads(group["properties"])["employees"]) == ("Acme", 7)


def test_rudderstacks_library(stack: Stack) -> None:
    mark = uuid4().hex[:12]
    environment = {"WEIR_URL": stack.gateway_url, "WEIR_KEY": stack.demo.write.client_id, "RUN": mark}
    calls = ["identify", "page", "screen", "track", "group", "alias", "track", "track"]
    assert orjson.loads(run("rudderstack", environment)) == [*calls, "track: 401"]

    person = f"bob-{mark}"
    sql = f"select {_COLUMNS} from weir.events where profile_id = '{person}' and synthesized = 0 order by name, path"
    stack.wait_for(lambda: len(_select(stack, sql)) >= 5, f"the events of {person} are stored")
    found = [(row["name"], row["path"], int(row["revenue"])) for row in _select(stack, sql)]
    assert found == [
        ("Repeated", "", 0),
        ("Sold", "", 0),
        ("revenue", "", 1250),
        ("screen_view", "/home", 0),
        ("screen_view", "Till", 0),
    ]
    known = _person(stack, person)
    assert (known["first_name"], known["last_name"], orjson.loads(known["properties"])["seats"]) == ("Bob", "Ray", 3)
    assert ("device", f"till-{mark}") in _links(stack, person, 2)
    assert _group(stack, f"shop-{mark}")["name"] == "Shop"
