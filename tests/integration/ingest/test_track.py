"""POST /track against a real gateway and broker: what is stored, what is refused, and what browsers need."""

from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from schemas.control import ClientRecord, ClientType
from schemas.raw_event import RawEvent
from schemas.topics import FORMAT_VERSION, HEADER_FORMAT, HEADER_GATEWAY, HEADER_KIND, HEADER_SEQUENCE
from tests.integration.ingest.gateway_process import GatewayProcess, Tenant, Topics, hash_secret, poll_until

pytestmark = pytest.mark.integration

EVENT = {"type": "track", "payload": {"name": "clicked", "properties": {"button": "buy"}}}


def test_an_accepted_event_is_on_the_raw_topic(gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant) -> None:
    answer = gateway.post(EVENT, tenant.headers(openpanel_sdk_name="web", accept_language="de"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    (stored,) = gateway_topics.raw_events(tenant.project_id)
    event = RawEvent.model_validate(stored)
    assert answer.json() == {"deviceId": event.device_id, "sessionId": event.session_id}
    assert len(event.device_id) == 32
    assert len(event.session_id) == 22
    assert event.payload == {"name": "clicked", "properties": {"button": "buy"}, "groups": []}
    assert (event.sdk_name, event.hints["accept-language"]) == ("web", "de")
    # Rule 2: who closed the envelope, and its number in the partition.
    last: dict[tuple[int, str], int] = {}
    for partition, headers, _ in gateway_topics.raw_messages():
        assert (headers[HEADER_FORMAT], headers[HEADER_KIND]) == (FORMAT_VERSION, "envelope")
        sender = partition, str(UUID(headers[HEADER_GATEWAY]))
        assert int(headers[HEADER_SEQUENCE]) > last.get(sender, 0)
        last[sender] = int(headers[HEADER_SEQUENCE])


def test_events_of_every_kind_have_an_id_of_their_own(
    gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant
) -> None:
    """Rule 3."""
    person = {"profileId": "ann", "email": "ann@example.com"}
    bodies: list[dict[str, Any]] = [
        EVENT,
        EVENT,
        {"type": "identify", "payload": person},
        {"type": "track", "payload": {"name": "signed up", "properties": {"__identify": person}}},
    ]
    for body in bodies:
        for agent in (tenant.headers(), tenant.headers(user_agent="node")):
            assert gateway.post(body, agent).status_code == 200
    events = gateway_topics.raw_events(tenant.project_id)
    assert len(events) == 2 * 5
    assert len({UUID(event["event_id"]) for event in events}) == len(events)


def test_a_page_of_an_allowed_origin_needs_no_secret(gateway: GatewayProcess, tenant: Tenant) -> None:
    headers = {"openpanel-client-id": tenant.client_id, "origin": "https://shop.example", "user-agent": "a (b) c"}
    assert gateway.post(EVENT, headers).status_code == 200
    other = gateway.post(EVENT, {**headers, "origin": "https://shop.example.evil.test"})
    assert (other.status_code, other.headers["x-weir-reason"]) == (401, "origin_not_allowed")
    revenue = {"type": "track", "payload": {"name": "revenue", "properties": {"__revenue": 100}}}
    refused = gateway.post(revenue, headers)
    assert (refused.status_code, refused.headers["x-weir-reason"]) == (401, "revenue_needs_secret")
    assert gateway.post(revenue, {**headers, "openpanel-client-secret": tenant.secret}).status_code == 200


def test_credentials_may_stand_in_the_body(gateway: GatewayProcess, tenant: Tenant) -> None:
    body = {**EVENT, "clientId": tenant.client_id, "clientSecret": tenant.secret}
    assert gateway.post(body, {"user-agent": "a (b) c"}).status_code == 200


def test_a_server_without_a_device_is_told_none(
    gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant
) -> None:
    answer = gateway.post(EVENT, tenant.headers(user_agent="python-requests/2.31"))
    assert answer.json() == {"deviceId": "", "sessionId": ""}
    given = gateway.track(tenant, properties={"__deviceId": "till-7"}, user_agent="node")
    assert given.json()["deviceId"] == "till-7"
    assert len(given.json()["sessionId"]) == 22
    assert {event["device_id"] for event in gateway_topics.raw_events(tenant.project_id)} == {"", "till-7"}


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"not json", 400, "not_json"),
        (b"", 400, "not_json"),
        (b"7", 400, "not_an_object"),
        (b"{" + b'"a":' * 300 + b"1", 400, "not_json"),
        ({"payload": {"name": "a"}}, 400, "missing_type"),
        ({"type": "nonsense", "payload": {}}, 400, "unknown_type"),
        ({"type": "alias", "payload": {}}, 400, "alias_not_supported"),
        ({"type": "increment", "payload": {}}, 400, "missing_profile_id"),
        ({"type": "track", "payload": {"properties": {}}}, 400, "missing_name"),
        ({"type": "track", "payload": {"name": "a", "properties": {"a": "x" * 2_000_000}}}, 413, "too_large"),
        (
            {"type": "track", "payload": {"name": "a", "properties": {"__timestamp": "0001-01-01T00:00:00Z"}}},
            400,
            "event_too_old",
        ),
        (
            b'{"type":"track","payload":{"name":"a","properties":{"a":' + b"[" * 300 + b"]" * 300 + b"}}}",
            400,
            "too_deep",
        ),
    ],
)
def test_bad_bodies_are_told_why(
    gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant, body: Any, status: int, reason: str
) -> None:
    answer = gateway.post(body, tenant.headers())
    assert (answer.status_code, answer.headers["x-weir-reason"]) == (status, reason)
    assert answer.json()["reason"] == reason
    assert answer.json()["status"] == status
    assert answer.headers["access-control-allow-origin"] == "*"
    assert gateway.metric("weir_gateway_refusals_total", reason=reason, status=str(status)) >= 1
    assert gateway.post(EVENT, tenant.headers()).status_code == 200
    assert len(gateway_topics.raw_events(tenant.project_id)) == 1


def test_a_body_of_unknown_length_is_bounded_too(gateway: GatewayProcess, tenant: Tenant) -> None:
    answer = gateway.http.post("/track", content=(b"x" * 65_536 for _ in range(64)), headers=tenant.headers())
    assert (answer.status_code, answer.headers["x-weir-reason"]) == (413, "too_large")


def test_a_body_of_just_under_a_megabyte_is_taken(
    gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant
) -> None:
    body = orjson.dumps({"type": "track", "payload": {"name": "a", "properties": {"a": "x" * 999_900}}})
    assert 999_000 < len(body) <= 1_000_000
    assert gateway.post(body, tenant.headers()).status_code == 200
    (event,) = gateway_topics.raw_events(tenant.project_id)
    assert len(event["payload"]["properties"]["a"]) == 999_900


def test_half_a_surrogate_pair_costs_nobody_an_event(
    gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant
) -> None:
    body = b'{"type":"track","payload":{"name":"a","properties":{"title":"cut \\ud83d","n":NaN}}}'
    assert gateway.post(body, tenant.headers()).status_code == 200
    (event,) = gateway_topics.raw_events(tenant.project_id)
    assert event["payload"]["properties"] == {"title": "cut �", "n": None}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"openpanel-client-id": ""}, "missing_client_id"),
        ({"openpanel-client-id": "me"}, "malformed_client_id"),
        ({"openpanel-client-id": str(uuid4())}, "unknown_client"),
        ({"openpanel-client-secret": "sec_wrong"}, "invalid_secret"),
        ({"openpanel-client-secret": ""}, "missing_secret"),
    ],
)
def test_strangers_are_told_once_and_for_all(
    gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant, changes: dict[str, str], reason: str
) -> None:
    answer = gateway.post(EVENT, {**tenant.headers(), **changes})
    assert (answer.status_code, answer.headers["x-weir-reason"]) == (401, reason)
    assert answer.text.startswith("Ingestion: ")
    assert "retry-after" not in answer.headers
    assert gateway_topics.raw_events(tenant.project_id) == []


def test_a_read_client_may_not_write(gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant) -> None:
    reader = ClientRecord(
        id=str(uuid4()),
        organization_id="acme",
        project_id=tenant.project_id,
        type=ClientType.READ,
        secret_hash=hash_secret(tenant.secret),
    )
    gateway_topics.publish([reader])
    headers = {**tenant.headers(origin="https://shop.example"), "openpanel-client-id": reader.id}

    def reason() -> str:
        answer = gateway.post(EVENT, headers)
        assert answer.status_code == 401
        return answer.headers["x-weir-reason"]

    poll_until("the read client is known", lambda: reason() == "client_may_not_write")


def test_browsers_may_ask_from_anywhere(gateway: GatewayProcess, tenant: Tenant) -> None:
    for path in ("/track", "/healthz", "/nowhere"):
        asked = {
            "origin": "https://shop.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,openpanel-client-id,x-anything",
        }
        answer = gateway.http.options(path, headers=asked)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-allow-headers"] == "content-type,openpanel-client-id,x-anything"
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-max-age"] == "604800"
        assert "access-control-allow-credentials" not in answer.headers


def test_the_callers_request_id_comes_back(gateway: GatewayProcess, tenant: Tenant) -> None:
    assert gateway.post(EVENT, tenant.headers(request_id="abc")).headers["request-id"] == "abc"


def test_other_paths_and_methods_are_answered_in_json(gateway: GatewayProcess) -> None:
    missing = gateway.http.get("/nowhere")
    assert (missing.status_code, missing.json()["reason"]) == (404, "no_such_route")
    wrong = gateway.http.get("/track")
    assert (wrong.status_code, wrong.json()["reason"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST, OPTIONS"
    wrong = gateway.http.post("/healthz")
    assert (wrong.status_code, wrong.json()["reason"]) == (405, "method_not_allowed")


def test_the_address_of_a_proxys_client_makes_the_device(gateway: GatewayProcess, tenant: Tenant) -> None:
    # The test's own connection comes from loopback, which is a trusted proxy by default.
    devices = {
        gateway.post(EVENT, tenant.headers(x_forwarded_for=address)).json()["deviceId"]
        for address in ("81.2.69.142", "81.2.69.143", "6.6.6.6, 81.2.69.143")
    }
    assert len(devices) == 2


def test_numbers_are_counted(gateway: GatewayProcess, tenant: Tenant) -> None:
    before = gateway.metric("weir_gateway_events_total", kind="track", protocol="openpanel")
    gateway.post(EVENT, tenant.headers())
    assert gateway.metric("weir_gateway_events_total", kind="track", protocol="openpanel") == before + 1
    assert gateway.metric("weir_gateway_in_flight_bytes") == 0
