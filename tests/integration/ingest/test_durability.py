"""Rule 1: 200 only when Kafka has it. The broker is killed, stopped and started under a running gateway.

There is no spool here, so nothing else could have it; with one it is `test_spool`.
"""

import signal
import threading
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.broker import Broker
from tests.integration.ingest.gateway_process import (
    GatewayProcess,
    Tenant,
    Topics,
    now,
    poll_until,
    running_gateway,
    salts_around,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def topics(own_broker: Broker) -> Topics:
    made = Topics(own_broker)
    made.create()
    return made


@pytest.fixture
def tenant(topics: Topics) -> Tenant:
    made = Tenant()
    topics.publish([*made.records(), *salts_around(now())])
    return made


def names(topics: Topics, tenant: Tenant) -> Counter[str]:
    """How often workers take an event of each name."""
    return Counter(event["payload"]["name"] for event in topics.taken_events(tenant.project_id))


def send(gateway: GatewayProcess, tenant: Tenant, name: str) -> int:
    """Status of the answer to an event of that name; 0 if there was none."""
    try:
        return gateway.track(tenant, name).status_code
    except httpx.TransportError:
        return 0


def test_no_event_is_answered_200_before_kafka_has_it(topics: Topics, tenant: Tenant, tmp_path: Path) -> None:
    environment = {"WEIR_GATEWAY_DELIVERY_TIMEOUT_MS": "1500", "WEIR_GATEWAY_SPOOL_BYTES": "0"}
    with running_gateway(topics.broker.bootstrap, tmp_path, **environment) as gateway:
        assert send(gateway, tenant, "before") == 200
        topics.broker.kill()
        answer = gateway.track(tenant, "meanwhile")
        assert (answer.status_code, answer.headers["x-weir-reason"]) == (503, "kafka_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["status"] == 503
        # What was read of the control data stays in force.
        assert gateway.post({"type": "track", "payload": {"name": "a"}}, {}).status_code == 401
        assert gateway.status("/healthz") == 200
        assert gateway.status("/readyz") == 503
        topics.broker.start()
        poll_until("events are taken again", lambda: send(gateway, tenant, "after") == 200)
        poll_until("the gateway is ready again", lambda: gateway.status("/readyz") == 200)
        stored = names(topics, tenant)
        assert stored["before"] == 1
        assert stored["after"] >= 1


def test_a_full_house_is_told_to_come_again(topics: Topics, tenant: Tenant, tmp_path: Path) -> None:
    with running_gateway(
        topics.broker.bootstrap,
        tmp_path,
        WEIR_GATEWAY_DELIVERY_TIMEOUT_MS="20000",
        WEIR_GATEWAY_IN_FLIGHT_BYTES=str(2 * 1024 * 1024),
    ) as gateway:
        topics.broker.signal(signal.SIGSTOP)
        reasons: list[str] = []

        def fill() -> None:
            answer = gateway.track(tenant, "big", {"a": "x" * 900_000})
            reasons.append(answer.headers.get("x-weir-reason", "200"))

        threads = [threading.Thread(target=fill) for _ in range(4)]
        try:
            for thread in threads:
                thread.start()
            poll_until("two are refused at once", lambda: reasons == ["overloaded", "overloaded"])
        finally:
            topics.broker.signal(signal.SIGCONT)
            for thread in threads:
                thread.join(60)
        assert sorted(reasons) == ["200", "200", "overloaded", "overloaded"]
        assert names(topics, tenant)["big"] == 2
