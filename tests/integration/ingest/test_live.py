"""What the gateway follows while it serves: control data and sessions."""

import hashlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from confluent_kafka import Producer

from schemas.control import SaltRecord
from schemas.event_time import clickhouse_time
from schemas.partition import partition_of
from schemas.topics import CONTROL, RAW, SESSIONS
from tests.broker import Broker
from tests.integration.ingest.gateway_process import (
    PARTITIONS,
    GatewayProcess,
    Tenant,
    Topics,
    hash_secret,
    now,
    poll_until,
    running_gateway,
    salts_around,
)

pytestmark = pytest.mark.integration


def session_row(tenant: Tenant, device_id: str, session_id: str, **changes: Any) -> bytes:
    """A row of weir.sessions; of its fields the gateway reads these."""
    moment = clickhouse_time(int(now().timestamp() * 1000))
    row = {
        "project_id": tenant.project_id,
        "device_id": device_id,
        "session_id": session_id,
        "version": 1,
        "sign": 1,
        "is_closed": 0,
        "started_at": moment,
        "ended_at": moment,
    }
    return orjson.dumps({**row, **changes})


def publish_sessions(topics: Topics, tenant: Tenant, device_id: str, rows: list[bytes], *, commit: bool = True) -> None:
    """Write one envelope of rows in a transaction, as workers do."""
    producer = Producer({"bootstrap.servers": topics.broker.bootstrap, "transactional.id": f"test-{uuid4()}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    place = partition_of(tenant.project_id, device_id, PARTITIONS)
    producer.produce(SESSIONS, b"\n".join(rows), partition=place)
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def told(gateway: GatewayProcess, tenant: Tenant, device_id: str) -> str:
    """The session id in the answer to an event of the device."""
    answer = gateway.track(tenant, properties={"__deviceId": device_id})
    assert answer.status_code == 200
    session_id: str = answer.json()["sessionId"]
    return session_id


def test_the_answer_carries_the_live_session(gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant) -> None:
    own = told(gateway, tenant, "d")
    publish_sessions(gateway_topics, tenant, "d", [session_row(tenant, "d", "aborted")], commit=False)
    retracted = session_row(tenant, "d", "retracted", sign=-1)
    publish_sessions(gateway_topics, tenant, "d", [retracted, session_row(tenant, "d", "the worker's")])
    poll_until("the worker's session is told", lambda: _is_now(told(gateway, tenant, "d"), own, "the worker's"))
    # As the worker has it, what is sent within half an hour of a session belongs to it, be it over or not.
    publish_sessions(gateway_topics, tenant, "d", [session_row(tenant, "d", "the worker's", version=2, is_closed=1)])
    longer = session_row(tenant, "e", "another device's")
    publish_sessions(gateway_topics, tenant, "e", [longer])
    poll_until("what came after was read", lambda: told(gateway, tenant, "e") == "another device's")
    assert told(gateway, tenant, "d") == "the worker's"


def _is_now(found: str, before: str, after: str) -> bool:
    assert found in (before, after)
    return found == after


def test_sessions_of_before_the_start_are_known_before_the_first_answer(
    gateway_topics: Topics, gateway: GatewayProcess, tenant: Tenant, tmp_path: Path
) -> None:
    publish_sessions(gateway_topics, tenant, "d", [session_row(tenant, "d", "begun before")])
    with running_gateway(gateway_topics.broker.bootstrap, tmp_path) as second:
        assert told(second, tenant, "d") == "begun before"


def test_a_changed_record_is_in_force_while_it_serves(
    gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant
) -> None:
    def status(**changes: str) -> int:
        return gateway.track(tenant, **changes).status_code

    assert status() == 200
    renewed = tenant.client().model_copy(update={"secret_hash": hash_secret("sec_new")})
    gateway_topics.publish([renewed])
    poll_until("the old secret is worthless", lambda: status() == 401)
    assert status(openpanel_client_secret="sec_new") == 200
    page = {"openpanel_client_secret": "", "origin": "https://new.pages.example"}
    assert status(**page) == 401
    gateway_topics.publish([tenant.project().model_copy(update={"origins": ("*.pages.example",)})])
    poll_until("the new origin is allowed", lambda: status(**page) == 200)
    gateway_topics.publish([], deleted=(f"client/{tenant.client_id}",))
    poll_until("the client is gone", lambda: status(openpanel_client_secret="sec_new") == 401)


def test_a_record_nobody_understands_changes_nothing(
    gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant
) -> None:
    producer = Producer({"bootstrap.servers": gateway_topics.broker.bootstrap})
    for value in (b"{", b'{"record":"client"}', b'{"record":"unknown","version":9}'):
        producer.produce(CONTROL, value, key=f"client/{tenant.client_id}")
    producer.produce(CONTROL, b"no key")
    producer.produce(CONTROL, b"{}", key=b"\xff\xfe")
    producer.flush(30)
    late = Tenant()
    gateway_topics.publish(late.records())
    poll_until("what came after is in force", lambda: gateway.track(late).status_code == 200)
    assert gateway.track(tenant).status_code == 200


def test_salts_make_devices_of_a_day(gateway_topics: Topics, gateway: GatewayProcess, tenant: Tenant) -> None:
    def device() -> str:
        device_id: str = gateway.track(tenant).json()["deviceId"]
        return device_id

    before = device()
    assert device() == before
    today = now().strftime("%Y-%m-%d")
    gateway_topics.publish([SaltRecord(day=today, salt=hashlib.sha256(b"another").hexdigest())])
    poll_until("the new salt makes another device", lambda: device() != before)
    gateway_topics.publish([*salts_around(now())])
    poll_until("the old salt is back", lambda: device() == before)


def test_nothing_is_taken_before_all_was_read(own_broker: Broker, tmp_path: Path) -> None:
    own_broker.create_topic_named(RAW, PARTITIONS)
    own_broker.create_topic_named(CONTROL, 1)
    topics, tenant = Topics(own_broker), Tenant()
    topics.publish([*tenant.records(), *salts_around(now())])
    gateway = GatewayProcess(own_broker.bootstrap, tmp_path, {})
    gateway.start()
    try:
        poll_until("the gateway lives", lambda: gateway.status("/healthz") == 200)
        answer = gateway.track(tenant)
        assert (answer.status_code, answer.headers["x-weir-reason"]) == (503, "starting")
        assert answer.headers["retry-after"] == "1"
        # All but the sessions can be read.
        poll_until("only sessions are missing", lambda: _missing(gateway) == ["sessions"])
        assert gateway.track(tenant).status_code == 503
        own_broker.create_topic_named(SESSIONS, PARTITIONS)
        gateway.wait_ready()
        assert gateway.track(tenant).status_code == 200
    finally:
        gateway.stop()


def _missing(gateway: GatewayProcess) -> list[str]:
    found: list[str] = gateway.http.get("/readyz").json()["missing"]
    return found


def test_it_starts_before_kafka_and_catches_up(own_broker: Broker, tmp_path: Path) -> None:
    topics, tenant = Topics(own_broker), Tenant()
    topics.create()
    topics.publish([*tenant.records(), *salts_around(now())])
    own_broker.kill()
    gateway = GatewayProcess(own_broker.bootstrap, tmp_path, {})
    gateway.start()
    try:
        poll_until("the gateway lives", lambda: gateway.status("/healthz") == 200)
        assert gateway.track(tenant).status_code == 503
        own_broker.start()
        gateway.wait_ready()
        assert gateway.track(tenant).status_code == 200
    except httpx.TransportError as error:
        raise AssertionError(gateway.log()) from error
    finally:
        gateway.stop()
