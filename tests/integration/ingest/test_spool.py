"""Kafka goes away under load, hangs and dies; gateways are killed while they write to disk and while they drain. Every
event that was answered 200 reaches the raw log, and workers take it once. The long form is ``make chaos``.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ingest.raw_producer import RawProducer
from tests.broker import running_broker
from tests.integration.ingest.gateway_process import (
    PARTITIONS,
    GatewayProcess,
    Tenant,
    Topics,
    now,
    poll_until,
    running_gateway,
    salts_around,
)

pytestmark = pytest.mark.integration
STOP_SECONDS = 10
MUCH = 1_000
"""Envelopes: several times as many as are sent at once."""
QUICK = {"WEIR_GATEWAY_DELIVERY_TIMEOUT_MS": "500"}


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topics]:
    with running_broker(tmp_path_factory.mktemp("spool-kafka")) as broker:
        made = Topics(broker)
        made.create()
        yield made


@pytest.fixture
def tenant(topics: Topics) -> Tenant:
    made = Tenant()
    topics.publish([*made.records(), *salts_around(now())])
    return made


class Load:
    """Events of four senders, each with a name of its own; ``accepted`` holds those answered 200."""

    def __init__(self, gateway: GatewayProcess, tenant: Tenant) -> None:
        self.accepted: list[str] = []
        self.refused: Counter[tuple[int, str, bool]] = Counter()
        self._gateway = gateway
        self._tenant = tenant
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._flow, args=(sender,)) for sender in range(4)]

    def more(self, events: int = 60) -> None:
        """Wait until so many more were accepted."""
        goal = len(self.accepted) + events
        poll_until("events are accepted", lambda: len(self.accepted) > goal)

    def _flow(self, sender: int) -> None:
        for number in range(1_000_000):
            if self._done.is_set():
                return
            name = f"{sender}-{number}"
            try:
                answer = self._gateway.track(self._tenant, name)
            except httpx.TransportError:
                continue
            if answer.status_code == 200:
                self.accepted.append(name)
            else:
                reason = answer.headers.get("x-weir-reason", "")
                self.refused[answer.status_code, reason, "retry-after" in answer.headers] += 1

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(60)


def spooled(gateway: GatewayProcess) -> float:
    return gateway.metric("weir_gateway_spooled_envelopes_total")


def drained(gateway: GatewayProcess) -> float:
    return gateway.metric("weir_gateway_spool_drained_envelopes_total")


def drained_after_a_moment(topics: Topics, gateway: GatewayProcess) -> float:
    """How much is drained when a broker that stands still was let go for a moment: less than a few windows."""
    topics.broker.signal(signal.SIGCONT)
    time.sleep(0.005)
    topics.broker.signal(signal.SIGSTOP)
    return drained(gateway)


def is_empty(directory: Path) -> bool:
    """Whether nothing waits in any spool under it."""
    return not any(directory.glob("*/*.segment"))


def wrong(topics: Topics, tenant: Tenant, accepted: list[str]) -> list[str]:
    """Accepted events that workers would not take just once."""
    taken = Counter(event["payload"]["name"] for event in topics.taken_events(tenant.project_id))
    return [name for name in accepted if taken[name] != 1]


@contextmanager
def frozen(topics: Topics) -> Iterator[None]:
    topics.broker.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        topics.broker.signal(signal.SIGCONT)


def test_what_was_answered_200_is_taken_once_whatever_happens(topics: Topics, tenant: Tenant, tmp_path: Path) -> None:
    gateway = GatewayProcess(topics.broker.bootstrap, tmp_path, QUICK)
    gateway.start()
    gateway.wait_ready()
    with Load(gateway, tenant) as load:
        load.more()
        assert gateway.stop() == 0  # in order, while Kafka is there
        gateway.start()
        load.more()
        with frozen(topics):
            poll_until("events go to disk", lambda: spooled(gateway) > 20)
            load.more()
            assert gateway.status("/readyz") == 200
        poll_until("the spool is drained under load", lambda: is_empty(tmp_path / "spool"))
        load.more()
        topics.broker.kill()
        load.more(100)
        gateway.kill()  # while it writes
        topics.broker.start()
        gateway.start()
        poll_until("what was left is taken over", lambda: "left by" in gateway.log())
        gateway.kill()  # while it drains
        gateway.start()
        load.more()
        topics.broker.kill()
        load.more(30)
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGTERM)  # while there is no Kafka
        assert gateway.process.wait(STOP_SECONDS) == 0
    topics.broker.start()
    gateway.start()
    try:
        poll_until("nothing is left on disk", lambda: is_empty(tmp_path / "spool"))
    finally:
        gateway.stop()
        gateway.http.close()
    # Refused only while it was starting or stopping, and never without being told to come again.
    assert {(status, told) for status, _, told in load.refused} <= {(503, True)}
    assert {reason for _, reason, _ in load.refused} <= {"starting", "stopping"}
    assert wrong(topics, tenant, load.accepted) == []
    assert list((tmp_path / "spool").iterdir()) == []
    log = gateway.log()
    for words in ("events go to the spool", "Kafka is back after", "the spool is empty"):
        assert words in log


def test_a_gateway_killed_when_a_part_is_drained_loses_and_doubles_nothing(
    topics: Topics, tenant: Tenant, tmp_path: Path
) -> None:
    """Kafka has some of the spool and not the rest, for certain, when the process dies. Its files still hold all."""
    gateway = GatewayProcess(topics.broker.bootstrap, tmp_path, {**QUICK, "WEIR_GATEWAY_LINGER_MS": "0"})
    gateway.start()
    gateway.wait_ready()
    with frozen(topics):
        with Load(gateway, tenant) as load:
            poll_until("much is on disk", lambda: spooled(gateway) > MUCH)
        poll_until("something is drained", lambda: drained_after_a_moment(topics, gateway) > 0)
        assert 0 < drained(gateway) < spooled(gateway)
        gateway.kill()
    assert not is_empty(tmp_path / "spool")
    gateway.start()
    try:
        poll_until("nothing is left on disk", lambda: is_empty(tmp_path / "spool"))
    finally:
        gateway.stop()
        gateway.http.close()
    assert wrong(topics, tenant, load.accepted) == []
    numbers = Counter(event["payload"]["name"] for event in topics.raw_events(tenant.project_id))
    assert max(numbers.values()) > 1  # what was drained before was sent again


async def test_the_gateway_waits_until_kafka_tells_of_all_partitions(
    topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    """A device would go to another partition, and its sessions break, while it took a part of them for all."""
    answers = iter([0, PARTITIONS + 2, PARTITIONS + 2, PARTITIONS])
    producer = RawProducer(topics.broker.bootstrap, timeout_ms=1_000, queue_bytes=1_000_000)
    seen: list[int] = []

    def registered() -> int:
        seen.append(producer.partitions)
        return next(answers)

    await producer.find_partitions(registered)
    assert (seen, producer.partitions) == ([0, 0, 0, 0], PARTITIONS)
    assert caplog.text.count(f"Kafka tells of {PARTITIONS} of the {PARTITIONS + 2} partitions") == 1
    assert await producer.reachable()


def test_a_full_spool_refuses_and_keeps_what_it_has(topics: Topics, tenant: Tenant, tmp_path: Path) -> None:
    environment = {**QUICK, "WEIR_GATEWAY_SPOOL_BYTES": "60000"}
    with running_gateway(topics.broker.bootstrap, tmp_path, **environment) as gateway:
        with Load(gateway, tenant) as load:
            load.more(20)
            with frozen(topics):
                poll_until("the spool is full", lambda: load.refused[503, "spool_full", True] > 20)
                size = sum(path.stat().st_size for path in (tmp_path / "spool").glob("*/*"))
                assert 0 < size <= 60_000
                assert gateway.metric("weir_gateway_spool_refused_envelopes_total", reason="spool_full") > 0
            poll_until("it is drained", lambda: is_empty(tmp_path / "spool"))
            load.more(30)
        # A slow broker may have sent the last ones there again.
        poll_until("nothing is left on disk", lambda: is_empty(tmp_path / "spool"))
    assert set(load.refused) == {(503, "spool_full", True)}
    assert wrong(topics, tenant, load.accepted) == []
    assert "the spool takes no more events" in gateway.log()
