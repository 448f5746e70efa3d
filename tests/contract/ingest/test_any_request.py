"""Whatever comes to any route is refused, or becomes lines that the workers were promised: never an error of ours."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ingest.access import Admission, Project
from ingest.answers import Answer, Refusal
from ingest.app import COLLECTING
from ingest.bundle import Bundle
from ingest.gateway import Gateway
from ingest.protocols.openpanel_routes import ROUTES as OPENPANEL
from ingest.protocols.protocol import Protocol, Request, SentEvent, Settled, Verdict
from ingest.settings import GatewaySettings
from schemas.control import ProjectRecord, SaltRecord
from schemas.raw_event import (
    AliasPayload,
    AssignGroupPayload,
    CounterPayload,
    GroupPayload,
    IdentifyPayload,
    RawEvent,
    RawKind,
    ReplayPayload,
    TrackPayload,
    UnlinkPayload,
)

NOW = 1_795_246_036_417
PAYLOADS: dict[RawKind, type[BaseModel]] = {
    RawKind.TRACK: TrackPayload,
    RawKind.IDENTIFY: IdentifyPayload,
    RawKind.INCREMENT: CounterPayload,
    RawKind.DECREMENT: CounterPayload,
    RawKind.ALIAS: AliasPayload,
    RawKind.GROUP: GroupPayload,
    RawKind.ASSIGN_GROUP: AssignGroupPayload,
    RawKind.REPLAY: ReplayPayload,
    RawKind.UNLINK: UnlinkPayload,
}
ADMISSION = Admission(
    Project(ProjectRecord(id="shop", organization_id="acme", name="Shop")),
    "6f0c7e5a-3b1d-4c2e-9f8a-1d2c3b4a5e6f",
    verified=True,
)
FIELDS = [
    *("name", "profileId", "properties", "groups", "groupIds", "property", "value", "id", "type", "alias", "timestamp"),
    *("firstName", "lastName", "email", "avatar", "chunk_index", "events_count", "is_full_snapshot", "started_at"),
    *("ended_at", "payload", "sessionId", "sentAt", "__identify", "__revenue", "__currency", "__timestamp", "__ip"),
    *("__deviceId", "clientId", "clientSecret"),
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["revenue", "screen_view", "EUR", "ann", "2026-11-21T07:00:00Z", "0001-01-01", "9999-12-31", "x" * 300]
    )
)
ANY: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), inner),
    max_leaves=12,
)
# Mostly of the right shape, so that what is wrong is found deep inside.
OBJECT = st.dictionaries(st.sampled_from(FIELDS), ANY, max_size=8)
PAYLOAD = st.fixed_dictionaries(
    {"name": st.just("clicked") | ANY, "profileId": st.just("ann") | ANY},
    optional={"properties": OBJECT | ANY, "groups": st.lists(st.text(max_size=5), max_size=3) | ANY, "value": ANY},
)
OPERATION = st.fixed_dictionaries(
    {"type": st.sampled_from([*RawKind]) | ANY, "payload": PAYLOAD | OBJECT | ANY},
    optional={"id": ANY, "timestamp": ANY, "sentAt": ANY, "clientId": ANY},
)
BODY = (
    OPERATION | PAYLOAD | ANY | st.fixed_dictionaries({"events": st.lists(OPERATION | ANY, max_size=5), "sentAt": ANY})
)
QUERY = st.dictionaries(
    st.sampled_from(["client_id", "name", "path", "title", "profile_id", "device_id", "__revenue", "data"])
    | st.text(max_size=5),
    st.text(max_size=300),
    max_size=6,
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        b"user-agent": st.just(b"Mozilla/5.0 (X11) Firefox/140.0") | st.binary(max_size=50),
        b"idempotency-key": st.binary(max_size=300),
        b"referer": st.binary(max_size=50),
        b"authorization": st.binary(max_size=50),
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


def check(gateway: Gateway, protocol: Protocol, request: Request) -> None:
    """Take the request as the gateway does, up to Kafka, and look at every line and at the answer."""
    try:
        submission = protocol.parse(request)
    except Refusal as refusal:
        _check_refusal(protocol, refusal)
        return
    if isinstance(submission, Answer):
        assert submission.status < 500
        return
    bundle = Bundle(gateway, protocol.name, request.headers, "127.0.0.1", ADMISSION, NOW)
    verdicts: list[Verdict] = []
    for event in submission.events:
        try:
            verdicts.append(event if isinstance(event, Refusal) else bundle.add(event))
        except Refusal as refusal:
            verdicts.append(refusal)
    if submission.asks:
        verdicts.append(bundle.asker())
    for verdict in verdicts:
        if isinstance(verdict, Refusal):
            _check_refusal(protocol, verdict)
    if protocol.partial or all(isinstance(verdict, Settled) for verdict in verdicts):
        assert protocol.accepted(request, verdicts).status < 500
    lines = [line for lines in bundle.lines.values() for line in lines]
    taken = [event for event in submission.events if isinstance(event, SentEvent)]
    assert len(lines) <= len(taken) + sum(event.also is not None for event in taken)
    for line in lines:
        raw = RawEvent.model_validate_json(line)
        PAYLOADS[raw.kind].model_validate(raw.payload)
        assert raw.kind not in (RawKind.IDENTIFY, RawKind.INCREMENT, RawKind.DECREMENT) or raw.profile_id


def _check_refusal(protocol: Protocol, refusal: Refusal) -> None:
    assert 400 <= refusal.status < 500, refusal
    assert protocol.refused(refusal).status < 500


@pytest.mark.parametrize("path", sorted(path for path in OPENPANEL if path.startswith("/openpanel")))
@given(body=BODY, headers=HEADERS, query=QUERY)
def test_every_openpanel_route(
    gateway: Gateway, path: str, body: Any, headers: dict[bytes, bytes], query: dict[str, str]
) -> None:
    content = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS) if _is_json(body) else repr(body).encode()
    _send(gateway, path, OPENPANEL[path], content, headers, query)


@given(
    path=st.sampled_from(sorted(COLLECTING)),
    content=BODY.filter(lambda body: _is_json(body)).map(orjson.dumps) | st.binary(max_size=30),
    headers=HEADERS,
    query=QUERY,
)
def test_every_route_of_every_protocol(
    gateway: Gateway, path: str, content: bytes, headers: dict[bytes, bytes], query: dict[str, str]
) -> None:
    _send(gateway, path, COLLECTING[path], content, headers, query)


def _send(
    gateway: Gateway,
    path: str,
    protocol: Protocol,
    content: bytes,
    headers: dict[bytes, bytes],
    query: dict[str, str],
) -> None:
    for method in protocol.methods:
        sent = urlencode(query).encode()
        request = Request(method, path, sent, headers, content if method == "POST" else b"", NOW)
        spoken, request = (protocol, request) if protocol.choose is None else protocol.choose(request)
        check(gateway, spoken, request)


def _is_json(body: Any) -> bool:
    try:
        orjson.dumps(body)
    except TypeError:
        return False
    return True
