"""What a request costs its sender that was let in and brought nothing that can be taken."""

import asyncio
import hashlib
from collections.abc import MutableMapping
from typing import Any

import orjson
import pytest

from ingest.access import Access
from ingest.answers import Refusal
from ingest.app import COLLECTING
from ingest.collect import Collect
from ingest.gateway import Gateway
from ingest.quotas import Quotas
from ingest.rules import Rules
from ingest.settings import GatewaySettings
from schemas.control import ClientRecord, ClientType, ProjectRecord, SaltRecord
from tests.unit.ingest.requests import submission

CLIENT, SECRET = "6f0c7e5a-3b1d-4c2e-9f8a-1d2c3b4a5e6f", "sec_right"
ORIGIN = "https://shop.example"
NAMELESS = {"type": "track", "payload": {"name": "", "properties": {}}}
LARGE = {"type": "track", "payload": {"name": "a", "properties": {"x": "y" * 1_050_000}}}


async def statuses(path: str, bodies: list[dict[str, Any]], headers: dict[str, str]) -> list[int]:
    """The answers of a gateway that lets one failure through, and then one in a hundred seconds."""
    gateway = Gateway(GatewaySettings(kafka_bootstrap="127.0.0.1:1", gateway_failed_keys_per_second=0.02))
    gateway._ready = True
    gateway.producer.partitions = 8
    gateway.access.apply_salt("2020-01-01", SaltRecord(day="2020-01-01", salt="5a" * 32))
    gateway.access.apply_project("shop", ProjectRecord(id="shop", organization_id="o", name="", origins=(ORIGIN,)))
    secret_hash = "sha256:" + hashlib.sha256(SECRET.encode()).hexdigest()
    client = ClientRecord(
        id=CLIENT, organization_id="o", project_id="shop", type=ClientType.WRITE, secret_hash=secret_hash
    )
    gateway.access.apply_client(CLIENT, client)
    collect = Collect(COLLECTING[path], gateway)
    return [await status_of(collect, path, orjson.dumps(body), headers) for body in bodies]


async def status_of(collect: Collect, path: str, body: bytes, headers: dict[str, str]) -> int:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "client": ("81.2.69.142", 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await collect(scope, receive, send)
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize("event", [NAMELESS, LARGE], ids=["read in vain", "settled in vain"])
def test_whose_events_are_all_refused_is_charged_for_the_work(event: dict[str, Any]) -> None:
    page = {"openpanel-client-id": CLIENT, "origin": ORIGIN}
    assert asyncio.run(statuses("/track/batch", [{"events": [event]}] * 3, page)) == [200, 429, 429]


@pytest.mark.parametrize("event", [NAMELESS, LARGE], ids=["read in vain", "settled in vain"])
def test_a_proven_secret_is_not(event: dict[str, Any]) -> None:
    body = {"clientId": CLIENT, "clientSecret": SECRET, "events": [event]}
    assert asyncio.run(statuses("/track/batch", [body] * 3, {})) == [200, 200, 200]


POSTED, MESSAGE = {"event": "a", "distinct_id": "d"}, {"type": "track", "event": "a", "anonymousId": "d"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/i/v0/e", {"api_key": CLIENT, "batch": [POSTED]}),
        ("/engage", {"api_key": CLIENT, "batch": [POSTED]}),
        ("/i/v1/analytics/events", {"batch": [POSTED]}),
        ("/v1/batch", {"writeKey": CLIENT, "batch": [MESSAGE]}),
        ("/rudderstack/v1/batch", {"writeKey": CLIENT, "batch": [MESSAGE]}),
        ("/track/batch", {"clientId": CLIENT, "events": [NAMELESS]}),
        ("/mp/collect", {"client_id": "d", "events": [{"name": "a"}]}),
        ("/api/send", {"payload": {"website": CLIENT, "data": 1}}),
        ("/api/batch", [{"payload": {"website": CLIENT}}]),
    ],
)
def test_a_batch_is_translated_only_for_who_has_a_key(path: str, body: Any) -> None:
    """Thousands of events are much work, and anybody may send them."""
    parsed = submission(COLLECTING[path], orjson.dumps(body), path=path)
    with pytest.raises(Refusal) as refused:
        Rules(Access(), Quotas("me"), 1.0).admit(parsed, {}, "", "", 0)
    assert refused.value.status == 401
    assert "_made" not in vars(parsed.events)
    assert len(parsed.events) == 1
    assert "_made" in vars(parsed.events)
