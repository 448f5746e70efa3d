"""What the gateway writes is what the workers were promised."""

import asyncio
import hashlib
import json
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ingest.access import Admission, Project
from ingest.answers import Refusal
from ingest.bundle import Bundle
from ingest.gateway import Gateway
from ingest.protocols.openpanel import TRACK as OPENPANEL
from ingest.protocols.protocol import SentEvent
from ingest.settings import GatewaySettings
from schemas.control import ProjectRecord, SaltRecord
from schemas.partition import partition_of
from schemas.raw_event import IdentifyPayload, RawEvent, RawKind, TrackPayload
from tests.unit.ingest.requests import submission

NOW = 1_795_246_036_417
PAYLOADS: dict[RawKind, type[BaseModel]] = {RawKind.TRACK: TrackPayload, RawKind.IDENTIFY: IdentifyPayload}

TEXT = st.text(max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PERSON = st.fixed_dictionaries(
    {"profileId": st.text(min_size=1, max_size=256) | st.integers(-(2**63), 2**63)},
    optional={"firstName": TEXT, "lastName": TEXT, "properties": st.dictionaries(TEXT, JSON, max_size=3)},
)
SPECIAL = {
    "__path": TEXT,
    "__timestamp": TEXT | st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    "__deviceId": st.text(max_size=70),
    "__ip": TEXT | st.ip_addresses().map(str),
    "__identify": PERSON | JSON,
}
TRACK = st.fixed_dictionaries(
    {"name": st.text(min_size=1, max_size=80)},
    optional={
        "properties": st.fixed_dictionaries({}, optional=SPECIAL),
        "profileId": st.text(min_size=1, max_size=256) | st.integers(-(2**63), 2**63),
        "groups": st.none() | st.lists(st.text(min_size=1, max_size=128), max_size=3),
    },
)
BODY = st.fixed_dictionaries({"type": st.just("track"), "payload": TRACK}) | st.fixed_dictionaries(
    {"type": st.just("identify"), "payload": PERSON}
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        b"user-agent": st.binary(max_size=3_000),
        b"openpanel-sdk-name": st.binary(max_size=100),
        b"openpanel-sdk-version": st.binary(max_size=100),
        b"accept-language": st.binary(max_size=700),
        b"origin": st.binary(max_size=100),
        b"sec-ch-ua": st.binary(max_size=100),
        b"x-client-ip": st.binary(max_size=100) | st.ip_addresses().map(lambda address: str(address).encode()),
    },
)


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    """A gateway that is connected to nothing and knows one day's salt."""
    return asyncio.run(_make_gateway())


async def _make_gateway() -> Gateway:
    gateway = Gateway(GatewaySettings(kafka_bootstrap="127.0.0.1:1"))
    gateway.producer.partitions = 8
    gateway.access.apply_salt("2026-11-21", SaltRecord(day="2026-11-21", salt="5a" * 32))
    return gateway


def settle(gateway: Gateway, body: dict[str, Any], headers: dict[bytes, bytes]) -> list[tuple[int, RawEvent]]:
    """The raw events of a body, by partition."""
    admission = Admission(
        Project(ProjectRecord(id="shop", organization_id="acme", name="Shop")),
        "6f0c7e5a-3b1d-4c2e-9f8a-1d2c3b4a5e6f",
        verified=True,
    )
    bundle = Bundle(gateway, "openpanel", headers, gateway.client_ip(headers, "127.0.0.1"), admission, NOW)
    for event in submission(OPENPANEL, json.dumps(body).encode(), headers).events:
        assert isinstance(event, SentEvent)
        bundle.add(event)
    return [
        (partition, RawEvent.model_validate_json(line)) for partition, lines in bundle.lines.items() for line in lines
    ]


@given(body=BODY, headers=HEADERS)
def test_every_line_is_a_raw_event(gateway: Gateway, body: dict[str, Any], headers: dict[bytes, bytes]) -> None:
    try:
        found = settle(gateway, orjson.loads(orjson.dumps(body)), headers)
    except Refusal as refusal:
        # Times long ago and names of scanners are refused; nothing else of this is.
        assert refusal.reason in {"event_too_old", "name_blocked", "name_reserved"}  # noqa: PT017
        return
    assert found
    for partition, event in found:
        PAYLOADS[event.kind].model_validate(event.payload)
        assert UUID(event.event_id).version == 7
        assert event.received_at == NOW
        assert bool(event.device_id) == bool(event.session_id)
        owner = event.device_id or (event.event_id if event.kind is RawKind.TRACK else event.profile_id)
        assert partition == partition_of("shop", owner, 8)


def test_every_field_of_a_browsers_event(gateway: Gateway) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
    headers = {
        b"user-agent": agent.encode(),
        b"openpanel-sdk-name": b"web",
        b"openpanel-sdk-version": b"1.4.1",
        b"accept-language": b"de",
        b"origin": b"https://shop.example",
        b"cookie": b"secret",
    }
    body = {"type": "track", "payload": {"name": "screen_view", "properties": {"__path": "/"}, "profileId": 9}}
    ((_, event),) = settle(gateway, body, headers)
    salted = hashlib.blake2b(digest_size=16, key=b"\x5a" * 32)
    for part in (b"shop", b"127.0.0.1", agent.encode()):
        salted.update(len(part).to_bytes(4, "big") + part)
    assert event.device_id == salted.hexdigest()
    assert event.model_dump(exclude={"event_id", "device_id", "session_id"}) == {
        "version": 1,
        "kind": RawKind.TRACK,
        "project_id": "shop",
        "profile_id": "9",
        "time": NOW,
        "received_at": NOW,
        "sent_at": None,
        "ip": "127.0.0.1",
        "user_agent": agent,
        "hints": {"accept-language": "de", "origin": "https://shop.example"},
        "protocol": "openpanel",
        "client_id": "6f0c7e5a-3b1d-4c2e-9f8a-1d2c3b4a5e6f",
        "sdk_name": "web",
        "sdk_version": "1.4.1",
        "payload": {"name": "screen_view", "properties": {"__path": "/"}, "groups": []},
    }


@pytest.mark.parametrize(
    ("timestamp", "offset"),
    [("2026-11-21T07:27:16.417+00:00", 0), ("2026-11-21T06:27:16.417Z", -3_600_000), ("2026-11-21T08:27:16Z", 0)],
)
def test_the_senders_time_counts_unless_it_is_to_come(gateway: Gateway, timestamp: str, offset: int) -> None:
    body = {"type": "track", "payload": {"name": "a", "properties": {"__timestamp": timestamp}}}
    ((_, event),) = settle(gateway, body, {})
    assert event.time == NOW + offset


@pytest.mark.parametrize("timestamp", ["0001-01-01T00:00:00Z", "2025-10-01T00:00:00Z", "0001-01-01"])
def test_a_time_long_ago_is_refused(gateway: Gateway, timestamp: str) -> None:
    body = {"type": "track", "payload": {"name": "a", "properties": {"__timestamp": timestamp}}}
    with pytest.raises(Refusal) as refused:
        settle(gateway, body, {})
    assert (refused.value.status, refused.value.reason) == (400, "event_too_old")


def test_nesting_beyond_what_can_be_written_is_refused(gateway: Gateway) -> None:
    nested: Any = "core"
    for _ in range(400):
        nested = [nested]
    with pytest.raises(Refusal) as refused:
        settle(gateway, {"type": "track", "payload": {"name": "a", "properties": {"a": nested}}}, {})
    assert refused.value.reason == "too_deep"


def test_an_event_that_grows_beyond_a_message_is_refused(gateway: Gateway) -> None:
    body = {"type": "track", "payload": {"name": "a", "properties": {"a": "x" * (1024 * 1024)}}}
    with pytest.raises(Refusal) as refused:
        settle(gateway, body, {})
    assert (refused.value.status, refused.value.reason) == (413, "too_large")
