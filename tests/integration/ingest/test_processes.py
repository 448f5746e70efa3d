"""Several gateway processes on one port."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from schemas.topics import HEADER_GATEWAY
from tests.integration.ingest.gateway_process import GatewayProcess, Tenant, Topics, poll_until, running_gateway

pytestmark = pytest.mark.integration


def children(gateway: GatewayProcess) -> list[int]:
    assert gateway.process is not None
    pid = gateway.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def send_over_connections(gateway: GatewayProcess, tenant: Tenant, connections: int) -> int:
    """One event over each of so many new connections; how many were answered 200."""
    accepted = 0
    for _ in range(connections):
        body = {"type": "track", "payload": {"name": "clicked"}}
        try:
            answer = httpx.post(f"{gateway.url}/track", json=body, headers=tenant.headers(), timeout=30)
        except httpx.TransportError:
            continue
        accepted += answer.status_code == 200
    return accepted


def test_two_processes_share_the_work_and_count_as_one(
    gateway_topics: Topics, gateway: GatewayProcess, tenant: Tenant, tmp_path: Path
) -> None:
    with running_gateway(gateway_topics.broker.bootstrap, tmp_path, WEIR_GATEWAY_PROCESSES="2") as both:
        poll_until("both processes take events", lambda: _senders(gateway_topics, both, tenant) == 2)
        accepted = send_over_connections(both, tenant, 20)
        stored = len(gateway_topics.raw_events(tenant.project_id))
        assert accepted == 20
        # Whichever process is asked, it answers for both.
        for _ in range(6):
            answer = httpx.get(f"{both.url}/metrics").text
            lines = [
                line
                for line in answer.splitlines()
                if line.startswith("weir_gateway_events_total{") and 'kind="track"' in line
            ]
            assert sum(float(line.rpartition(" ")[2]) for line in lines) == stored


def _senders(topics: Topics, gateway: GatewayProcess, tenant: Tenant) -> int:
    send_over_connections(gateway, tenant, 4)
    found = topics.raw_messages()
    return len({headers[HEADER_GATEWAY] for _, headers, lines in found if lines[0]["project_id"] == tenant.project_id})


def test_a_process_that_dies_is_replaced(
    gateway_topics: Topics, gateway: GatewayProcess, tenant: Tenant, tmp_path: Path
) -> None:
    with running_gateway(gateway_topics.broker.bootstrap, tmp_path, WEIR_GATEWAY_PROCESSES="2") as both:
        first, second = children(both)
        os.kill(first, signal.SIGKILL)
        poll_until(
            "there are two again", lambda: len([pid for pid in children(both) if pid != first and alive(pid)]) == 2
        )
        assert second in children(both)
        poll_until("all is taken again", lambda: send_over_connections(both, tenant, 8) == 8)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_gateway(
    gateway_topics: Topics, gateway: GatewayProcess, tmp_path: Path, how: signal.Signals
) -> None:
    with running_gateway(gateway_topics.broker.bootstrap, tmp_path, WEIR_GATEWAY_PROCESSES="2") as both:
        pids = children(both)
        assert both.process is not None
        both.process.send_signal(how)
        assert both.process.wait(30) == (0 if how is not signal.SIGKILL else -signal.SIGKILL)
        poll_until("its processes are gone", lambda: not any(alive(pid) for pid in pids))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_one_process_stops_when_told(gateway_topics: Topics, tmp_path: Path, how: signal.Signals) -> None:
    with running_gateway(gateway_topics.broker.bootstrap, tmp_path) as single:
        assert single.process is not None
        single.process.send_signal(how)
        assert single.process.wait(30) == 0


def test_two_gateways_do_not_share_a_port(gateway: GatewayProcess, tmp_path: Path) -> None:
    second = GatewayProcess("127.0.0.1:1", tmp_path, {"WEIR_GATEWAY_PORT": str(gateway.port)})
    second.start()
    assert second.process is not None
    assert second.process.wait(30) == 1
    (line,) = second.log().splitlines()
    assert f"cannot listen on 127.0.0.1 port {gateway.port}" in line
