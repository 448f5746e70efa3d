"""A project that wants no addresses: none is in what is written, whatever protocol brought it."""

import asyncio
from typing import Any

import orjson
import pytest

from ingest.access import Admission, Project
from ingest.app import COLLECTING
from ingest.bundle import Bundle
from ingest.gateway import Gateway
from ingest.protocols.protocol import Protocol, SentEvent
from ingest.settings import GatewaySettings
from schemas.control import ProjectRecord, SaltRecord
from schemas.raw_event import RawKind
from tests.unit.ingest.requests import submission

NOW = 1_795_246_036_417
FOUR, NEIGHBOUR, SIX = "81.2.69.142", "89.160.20.113", "2a00:23c8:1234:5678::9"
ANY = {
    "ip": FOUR,
    "$ip": FOUR,
    "__ip": FOUR,
    "deep": [{"addresses": [FOUR, f"{FOUR}:8080", f"::ffff:{FOUR}", "::ffff:5102:458e", SIX, f"[{SIX}]:80"]}],
    "expanded": "2A00:23C8:1234:5678:0000:0000:0000:0009",
    "neighbour": NEIGHBOUR,
    "text": f"seen from {FOUR}, then {SIX}.",
    "json": orjson.dumps({"ip": FOUR}).decode(),
    f"of {FOUR}": 1,
    "url": f"https://shop.example/?ip={FOUR}&six=2a00%3A23c8%3A1234%3A5678%3A%3A9",
    "kept": "1.2.3",
    "app_version": "4.3.2.1",
}
OPENPANEL_IDENTIFY = {"profileId": "ann", "firstName": FOUR, "avatar": f"https://a.example/{FOUR}", "properties": ANY}
PERSON = {"$set": ANY, "$set_once": ANY, "$ip": FOUR}
EVENT = {"name": "page_view", "params": ANY}
PAGE = {"url": f"https://shop.example/?ip={FOUR}", "referrer": f"https://{FOUR}/"}
MESSAGE = {
    "userId": "ann",
    "messageId": "m",
    "context": {"ip": FOUR, "traits": ANY, "page": PAGE, "network": ANY},
    "properties": ANY,
    "traits": ANY,
}


def openpanel(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "payload": payload}


def posthog(event: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"event": event, "distinct_id": "ann", "properties": {**ANY, **PERSON, **properties}}


CASES: list[tuple[str, Any]] = [
    ("/track", openpanel("track", {"name": "a", "properties": ANY})),
    ("/track", openpanel("track", {"name": "a", "properties": {"__ip": FOUR, "__identify": OPENPANEL_IDENTIFY}})),
    ("/track", openpanel("identify", OPENPANEL_IDENTIFY)),
    ("/track", openpanel("group", {"id": "g", "type": "company", "name": FOUR, "properties": ANY})),
    ("/track/batch", {"events": [openpanel("track", {"name": "a", "properties": ANY})]}),
    ("/identify", OPENPANEL_IDENTIFY),
    ("/i/v0/e", posthog("clicked", {})),
    ("/i/v0/e", posthog("$identify", {})),
    ("/i/v0/e", posthog("$groupidentify", {"$group_type": "c", "$group_key": "a", "$group_set": ANY})),
    ("/i/v1/analytics/events", {"batch": [{**posthog("clicked", {}), "uuid": "u"}]}),
    ("/api/event", {"n": "pageview", "u": PAGE["url"], "r": PAGE["referrer"], "p": {"ip": FOUR, "six": SIX}}),
    ("/api/send", {"type": "event", "payload": {"website": "w", "ip": FOUR, "data": ANY, **PAGE}}),
    ("/api/send", {"type": "identify", "payload": {"website": "w", "id": "ann", "ip": FOUR, "data": ANY}}),
    (
        "/mp/collect",
        {
            "client_id": "c",
            "user_id": "u",
            "ip_override": FOUR,
            "events": [EVENT],
            "user_properties": {"ip": {"value": FOUR}},
        },
    ),
    *(("/v1/" + kind, {**MESSAGE, "event": "a", "groupId": "g"}) for kind in ("track", "page", "identify", "group")),
]


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    """A gateway that is connected to nothing and knows one day's salt."""
    return asyncio.run(_make_gateway())


async def _make_gateway() -> Gateway:
    gateway = Gateway(GatewaySettings(kafka_bootstrap="127.0.0.1:1"))
    gateway.producer.partitions = 8
    gateway.access.apply_salt("2026-11-21", SaltRecord(day="2026-11-21", salt="5a" * 32))
    return gateway


def written(gateway: Gateway, path: str, body: Any, seen: str, *, anonymize: bool) -> bytes:
    """All that goes to the raw topic, in lower case."""
    record = ProjectRecord(id="shop", organization_id="acme", name="Shop", anonymize_ip=anonymize)
    protocol: Protocol = COLLECTING[path]
    if protocol.among:
        protocol = protocol.among[0]
    bundle = Bundle(gateway, protocol.name, {}, seen, Admission(Project(record), "", verified=True), NOW)
    for event in submission(protocol, orjson.dumps(body), path=path).events:
        assert isinstance(event, SentEvent)
        bundle.add(event)
    return b"\n".join(line for lines in bundle.lines.values() for line in lines).lower()


@pytest.mark.parametrize(("path", "body"), CASES, ids=[f"{number}-{path}" for number, (path, _) in enumerate(CASES)])
@pytest.mark.parametrize("seen", [FOUR, SIX])
def test_no_address_is_written_in_full(gateway: Gateway, path: str, body: Any, seen: str) -> None:
    kept = written(gateway, path, body, seen, anonymize=False)
    assert FOUR.encode() in kept
    shortened = written(gateway, path, body, seen, anonymize=True)
    visitors = [FOUR, "5102:458e"] if seen == FOUR else [SIX, "5678::9", "0000:0009", "5678%3a%3a9"]
    for spelling in [NEIGHBOUR, *visitors]:
        assert spelling.encode() not in shortened, spelling
    if b"neighbour" in kept:
        assert b"89.160.20.0" in shortened
        assert b'"1.2.3"' in shortened
        assert b'"4.3.2.1"' in shortened


HEADERS = {
    b"user-agent": f"Shop/1.0 (Android 13; {FOUR}) {SIX}".encode(),
    b"accept-language": f"en; ip={FOUR}".encode(),
    b"origin": f"https://{FOUR}".encode(),
    b"sec-ch-ua-model": NEIGHBOUR.encode(),
    b"openpanel-sdk-name": f"web {FOUR}".encode(),
    b"openpanel-sdk-version": FOUR.encode(),
}
TRACK = SentEvent(RawKind.TRACK, {"name": "a", "properties": {}})


def test_headers_name_no_address(gateway: Gateway) -> None:
    record = ProjectRecord(id="shop", organization_id="acme", name="Shop", anonymize_ip=True)
    admission = Admission(Project(record), "", verified=True)
    for seen, given in ((FOUR, SIX), (SIX, FOUR)):
        bundle = Bundle(gateway, "openpanel", HEADERS, seen, admission, NOW)
        for _ in range(2):
            bundle.add(TRACK._replace(ip=given))
            bundle.add(TRACK._replace(ip=given, user_agent=f"Shop {FOUR}", sdk_name=f"js {FOUR}", sdk_version=SIX))
        lines = b"\n".join(line for lines in bundle.lines.values() for line in lines)
        for address in (FOUR, SIX, NEIGHBOUR):
            assert address.encode() not in lines
        for kept in (b"Shop/1.0 (Android 13; 81.2.69.0) 2a00:23c8:1234::", b"en; ip=81.2.69.0", b"js 81.2.69.0"):
            assert lines.count(kept) == 2 + 2 * (kept[:2] == b"en")


def test_devices_are_told_apart_by_all_of_a_user_agent(gateway: Gateway) -> None:
    devices = set()
    for anonymize in (False, True):
        record = ProjectRecord(id="shop", organization_id="acme", name="Shop", anonymize_ip=anonymize)
        bundle = Bundle(gateway, "openpanel", HEADERS, FOUR, Admission(Project(record), "", verified=True), NOW)
        devices.add(bundle.add(TRACK).device_id)
    assert len(devices) == 1
