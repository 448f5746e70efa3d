"""Rule 1: 200 only when Kafka has it. The broker is killed, stopped and started under a running gateway.

Where it says ``NO_SPOOL`` there is nothing else that could have it; with a spool it is `test_spool`.
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
NO_SPOOL = {"WEIR_GATEWAY_SPOOL_BYTES": "0"}


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
    environment = {"WEIR_GATEWAY_DELIVERY_TIMEOUT_MS": "1500", **NO_SPOOL}
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


def test_a_broker_that_hangs_is_no_broker(topics: Topics, tenant: Tenant, tmp_path: Path) -> None:
    environment = {"WEIR_GATEWAY_DELIVERY_TIMEOUT_MS": "1500", **NO_SPOOL}
    with running_gateway(topics.broker.bootstrap, tmp_path, **environment) as gateway:
        assert send(gateway, tenant, "before") == 200
        topics.broker.signal(signal.SIGSTOP)
        try:
            assert send(gateway, tenant, "meanwhile") == 503
        finally:
            topics.broker.signal(signal.SIGCONT)
        poll_until("events are taken again", lambda: send(gateway, tenant, "after") == 200)


def test_what_was_answered_200_is_stored_whatever_dies(topics: Topics, tenant: Tenant, tmp_path: Path) -> None:
    """Broker and gateway are killed while events flow; each event answered 200 is there exactly once."""
    gateway = GatewayProcess(topics.broker.bootstrap, tmp_path, {"WEIR_GATEWAY_DELIVERY_TIMEOUT_MS": "3000"})
    gateway.start()
    gateway.wait_ready()
    accepted: list[str] = []
    done = threading.Event()

    def flow(sender: int) -> None:
        for number in range(1_000_000):
            if done.is_set():
                return
            name = f"{sender}-{number}"
            if send(gateway, tenant, name) == 200:
                accepted.append(name)

    def more_accepted() -> None:
        goal = len(accepted) + 200
        poll_until("events are accepted", lambda: len(accepted) > goal)

    threads = [threading.Thread(target=flow, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    try:
        more_accepted()
        topics.broker.kill()
        topics.broker.start()
        more_accepted()
        gateway.kill()
        gateway.start()
        more_accepted()
        # In order this time.
        assert gateway.stop() == 0
        gateway.start()
        more_accepted()
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
        gateway.stop()
    stored = names(topics, tenant)
    assert [name for name in accepted if stored[name] != 1] == []


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
