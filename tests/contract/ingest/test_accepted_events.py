"""What the gateway answers with 200 the worker can store: no such event may become a dead letter."""

import asyncio
from typing import Any

import orjson
import pytest

from ingest.access import Admission, Project
from ingest.answers import Refusal
from ingest.bundle import Bundle
from ingest.gateway import Gateway
from ingest.protocols.openpanel import TRACK
from ingest.protocols.protocol import SentEvent
from ingest.settings import GatewaySettings
from schemas.control import ProjectRecord, SaltRecord
from schemas.money import MAX_REVENUE
from streams.enrich.geo import NOWHERE, Geo
from streams.prepare import Place, Prepared, parse_line, prepare
from tests.unit.ingest.requests import submission

NOW = 1_795_246_036_417
PROJECT = ProjectRecord(id="shop", organization_id="acme", name="Shop")
NAMES = ("firstName", "lastName", "email")
HEADERS = {b"user-agent": b"Mozilla/5.0 " * 400, b"accept-language": b"\xff" * 2_000, b"origin": b"x" * 5_000}


def nowhere(ip: str) -> Geo:
    return NOWHERE


def track(name: str = "clicked", **payload: Any) -> dict[str, Any]:
    return {"type": "track", "payload": {"name": name, **payload}}


def revenue(amount: Any, **properties: Any) -> dict[str, Any]:
    return track("revenue", properties={"__revenue": amount, **properties})


def identify(**payload: Any) -> dict[str, Any]:
    return {"type": "identify", "payload": {"profileId": "ann", **payload}}


def inline(**person: Any) -> dict[str, Any]:
    return track(properties={"__identify": {"profileId": "ann", **person}})


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    """A gateway that is connected to nothing and knows one day's salt."""
    return asyncio.run(_make_gateway())


async def _make_gateway() -> Gateway:
    gateway = Gateway(GatewaySettings(kafka_bootstrap="127.0.0.1:1"))
    gateway.producer.partitions = 8
    gateway.access.apply_salt("2026-11-21", SaltRecord(day="2026-11-21", salt="5a" * 32))
    return gateway


def stored(gateway: Gateway, body: bytes) -> list[Prepared]:
    """What the worker makes of a request's events. Raises Refusal from the gateway, Rejected from the worker."""
    admission = Admission(Project(PROJECT), "6f0c7e5a-3b1d-4c2e-9f8a-1d2c3b4a5e6f", verified=True)
    bundle = Bundle(gateway, "openpanel", HEADERS, gateway.client_ip(HEADERS, "127.0.0.1"), admission, NOW)
    for event in submission(TRACK, body, HEADERS).events:
        assert isinstance(event, SentEvent)
        bundle.add(event)
    lines = [line for lines in bundle.lines.values() for line in lines]
    return [prepare(parse_line(line), Place(1, 0, 0, 0, NOW), PROJECT, nowhere) for line in lines]


@pytest.mark.parametrize(
    "body",
    [
        revenue(0),
        revenue(MAX_REVENUE),
        revenue(1, __currency=" eur "),
        revenue(1, __currency=""),
        revenue(None, __currency="nonsense"),
        track(properties={"__revenue": "much", "__currency": "nonsense"}),
        track(groups=["g" * 128] * 100),
        track("ä" * 80, profileId="😀" * 256),
        track(profileId=1e30),
        track(
            properties={"__deviceId": "d" * 64, "__ip": "1" * 5_000, "__path": "x" * 100_000, "a.b": 1, "a": {"b": 2}}
        ),
        track(properties={str(number): "x" * 100 for number in range(5_000)}),
        identify(firstName="😀" * 512, lastName="x" * 512, email="x" * 508 + "@b.c", avatar="a:" + "x" * 4_094),
        identify(properties={"a": nested(40)}),
        *(inline(**{name: "😀" * 100_000}) for name in NAMES),
        inline(avatar="x" * 100_000, firstName=7, properties=[1]),
        *(track(properties={"a": nested(depth)}) for depth in (100, 190, 199, 201, 230)),
    ],
)
def test_what_is_just_within_bounds_is_stored(gateway: Gateway, body: dict[str, Any]) -> None:
    assert stored(gateway, orjson.dumps(body))


@pytest.mark.parametrize(
    "number", [b"9" * 5_000, b"-" + b"9" * 400, b"18446744073709551616", b"1e400", b"NaN", b"-9223372036854775809"]
)
def test_numbers_without_measure_are_stored(gateway: Gateway, number: bytes) -> None:
    assert stored(gateway, b'{"type":"track","payload":{"name":"a","properties":{"a":' + number + b"}}}")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        *((revenue(amount), "invalid_revenue") for amount in (MAX_REVENUE + 1, 2**53, 2**63, -1, 0.5, True, "1")),
        (revenue(0, __currency="nonsense"), "invalid_currency"),
        (revenue(1, __currency=["EUR"]), "invalid_currency"),
        (track(groups=["g"] * 101), "too_many_groups"),
        (track(groups=["g" * 129]), "invalid_groups"),
        (track("x" * 81), "name_too_long"),
        *((identify(**{name: "x" * 513}), "profile_too_long") for name in NAMES),
        (identify(avatar="a:" + "x" * 4_095), "profile_too_long"),
    ],
)
def test_what_is_just_beyond_is_refused_by_the_gateway(gateway: Gateway, body: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        stored(gateway, orjson.dumps(body))
    assert (refused.value.status, refused.value.reason) == (400, reason)
