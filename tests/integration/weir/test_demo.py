"""The demo's traffic through a real gateway into a real broker."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.broker import running_broker
from tests.integration.ingest.gateway_process import GatewayProcess, Tenant, Topics, now, running_gateway, salts_around
from weir.demo import DemoSettings, Phase, run
from weir.demo.run import run_async
from weir.demo.sending import Tally
from weir.errors import WeirError
from weir.local.ports import free_ports

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topics]:
    with running_broker(tmp_path_factory.mktemp("demo-kafka")) as running:
        topics = Topics(running)
        topics.create()
        topics.publish([*salts_around(now())])
        yield topics


@pytest.fixture
def tenant(topics: Topics) -> Tenant:
    tenant = Tenant()
    topics.publish(tenant.records())
    return tenant


@pytest.fixture
def gateway(topics: Topics, tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that read the tenant before it served."""
    with running_gateway(topics.broker.bootstrap, tmp_path_factory.mktemp("demo-gateway")) as running:
        yield running


def settings(url: str, tenant: Tenant, **more: Any) -> DemoSettings:
    plan = DemoSettings(url, tenant.client_id, tenant.secret, seed=11, connections=8, visits_per_day=60)
    return replace(plan, **more)


def _is_past(event: dict[str, Any]) -> bool:
    return bool(event["received_at"] - event["time"] > 60_000)


def test_the_past_and_the_present_arrive_whole_and_in_order(
    topics: Topics, tenant: Tenant, gateway: GatewayProcess
) -> None:
    seen: list[tuple[Phase, float]] = []

    def watch(phase: Phase, done: float, _tally: Tally) -> None:
        seen.append((phase, done))

    report = run(settings(gateway.url, tenant, history_s=2 * 86_400, rate=100, duration_s=2), watch)
    events = topics.raw_events(tenant.project_id)
    tracked = [event for event in events if event["kind"] == "track"]
    assert report.accepted >= len(tracked) > 200
    # Of the past, a person rides on an event; of the present it comes by itself.
    riding = [event for event in events if event["kind"] == "identify" and _is_past(event)]
    assert len(events) == report.accepted + len(riding)
    assert len({event["event_id"] for event in events}) == len(events)
    assert len({(event["ip"], event["user_agent"]) for event in tracked}) == report.visitors
    devices = defaultdict(list)
    for event in tracked:
        if event["device_id"]:  # crawlers have none
            devices[event["device_id"]].append(event["time"])
    assert report.visitors - 10 < len(devices) <= report.visitors
    assert all(times == sorted(times) for times in devices.values())
    past = [event for event in tracked if _is_past(event)]
    assert 100 < len(past) < len(tracked)
    assert seen[-1] == (Phase.LIVE, 1.0)
    assert (Phase.HISTORY, 1.0) in seen
    done = [share for phase, share in seen if phase is Phase.HISTORY]
    assert done == sorted(done)


def test_a_wrong_secret_ends_it_with_what_the_gateway_says(tenant: Tenant, gateway: GatewayProcess) -> None:
    with pytest.raises(WeirError, match=r"refused an event of the demo \(401\)"):
        run(replace(settings(gateway.url, tenant, duration_s=5), client_secret="sec_wrong"))


def test_a_gateway_that_is_killed_is_waited_for(topics: Topics, tenant: Tenant, gateway: GatewayProcess) -> None:
    plan = settings(gateway.url, tenant, history_s=86_400, visits_per_day=600, duration_s=0)
    killed = False

    def watch(_phase: Phase, _done: float, tally: Tally) -> None:
        nonlocal killed
        if tally.accepted > 50 and not killed:
            killed = True
            gateway.kill()

    async def send() -> int:
        sending = asyncio.create_task(run_async(plan, watch))
        while not killed:
            await asyncio.sleep(0.01)
            assert not sending.done()
        await asyncio.to_thread(gateway.start)
        report = await sending
        assert report.retried > 0
        return report.accepted

    accepted = asyncio.run(send())
    tracked = [event for event in topics.raw_events(tenant.project_id) if event["kind"] == "track"]
    # What was under way when the gateway died may be there twice; nothing that was answered is missing.
    assert accepted <= len(tracked) <= accepted + plan.connections


def test_a_gateway_that_stays_away_ends_it(tenant: Tenant) -> None:
    (port,) = free_ports(1)
    with pytest.raises(WeirError, match="takes no events"):
        run(settings(f"http://127.0.0.1:{port}", tenant, patience_s=0.5))
