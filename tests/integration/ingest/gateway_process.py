"""A real gateway in a process of its own, with the topics and control records it needs, for tests."""

import hashlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from schemas.control import AnyRecord, ClientRecord, ClientType, ProjectRecord, SaltRecord, control_key
from schemas.envelope import split_lines
from schemas.topics import CONTROL, RAW, SESSIONS
from streams.sequences import SequenceBatch, Sequences
from tests.broker import Broker
from weir.local.ports import free_ports

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
PARTITIONS = 4
ControlRecord = AnyRecord


def poll_until(what: str, condition: Any, seconds: float = 30.0) -> Any:
    """What ``condition()`` returns once it is true; fails the test when that takes longer than ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)
    return value


def hash_secret(secret: str) -> str:
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()


def salts_around(moment: datetime) -> list[SaltRecord]:
    """Salts of yesterday, today and tomorrow."""
    days = [(moment + timedelta(days=offset)).strftime("%Y-%m-%d") for offset in (-1, 0, 1)]
    return [SaltRecord(day=day, salt=hashlib.sha256(day.encode()).hexdigest()) for day in days]


@dataclass
class Tenant:
    """A project of a test with a write client."""

    origins: tuple[str, ...] = ("https://shop.example",)
    retention_days: int = 400
    project_id: str = field(default_factory=lambda: f"project-{uuid.uuid4().hex[:12]}")
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str = "sec_0123456789abcdef0123"

    def records(self) -> list[ControlRecord]:
        return [self.project(), self.client()]

    def project(self) -> ProjectRecord:
        return ProjectRecord(
            id=self.project_id,
            organization_id="acme",
            name="Shop",
            origins=self.origins,
            retention_days=self.retention_days,
        )

    def client(self, client_type: ClientType = ClientType.WRITE) -> ClientRecord:
        return ClientRecord(
            id=self.client_id,
            organization_id="acme",
            project_id=self.project_id,
            type=client_type,
            secret_hash=hash_secret(self.secret),
        )

    def headers(self, **more: str) -> dict[str, str]:
        """Headers of a browser with id and secret; ``user_agent=`` and the like override."""
        own = {
            "user-agent": BROWSER,
            "openpanel-client-id": self.client_id,
            "openpanel-client-secret": self.secret,
        }
        return {**own, **{name.replace("_", "-"): value for name, value in more.items()}}


class Topics:
    """The topics a gateway reads and writes, on a broker of the tests."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    def create(self) -> None:
        for name, partitions in ((RAW, PARTITIONS), (CONTROL, 1), (SESSIONS, PARTITIONS)):
            self.broker.create_topic_named(name, partitions)

    def publish(self, records: list[ControlRecord], deleted: tuple[str, ...] = ()) -> None:
        """Write control records, and tombstones for the keys in ``deleted``."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap, "acks": "all"})
        for record in records:
            producer.produce(CONTROL, record.model_dump_json(), key=control_key(record), partition=0)
        for key in deleted:
            producer.produce(CONTROL, None, key=key, partition=0)
        assert producer.flush(30) == 0

    def raw_messages(self) -> list[tuple[int, dict[str, str], list[dict[str, Any]]]]:
        """Every message of the raw topic: partition, headers, lines."""
        consumer = Consumer(
            {"bootstrap.servers": self.broker.bootstrap, "group.id": "test", "enable.partition.eof": True}
        )
        consumer.assign([TopicPartition(RAW, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
        found: list[tuple[int, dict[str, str], list[dict[str, Any]]]] = []
        ended: set[int | None] = set()
        try:
            while len(ended) < PARTITIONS:
                for message in consumer.consume(500, timeout=0.1):
                    if message.error() is not None:
                        ended.add(message.partition())
                        continue
                    given = cast(list[tuple[str, bytes]], message.headers() or [])
                    headers = {name: value.decode() for name, value in given}
                    lines = [orjson.loads(line) for line in split_lines(message.value() or b"")]
                    found.append((message.partition() or 0, headers, lines))
        finally:
            consumer.close()
        return found

    def taken_events(self, project_id: str) -> list[dict[str, Any]]:
        """Raw events of one project as workers take them: without envelopes that a gateway sent again (rule 2)."""
        numbers: dict[int, SequenceBatch] = {}
        taken = []
        for partition, headers, lines in self.raw_messages():
            batch = numbers.setdefault(partition, Sequences({}).batch())
            if not batch.is_repeated([(name, value.encode()) for name, value in headers.items()], 0):
                taken += [line for line in lines if line["project_id"] == project_id]
        return taken

    def raw_events(self, project_id: str) -> list[dict[str, Any]]:
        """Raw events of one project, in the order of their partitions."""
        return [line for _, _, lines in self.raw_messages() for line in lines if line["project_id"] == project_id]


class GatewayProcess:
    """A running gateway."""

    def __init__(self, bootstrap: str, home: Path, environment: Mapping[str, str]) -> None:
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = home / f"gateway-{self.port}.log"
        self._environment = {
            **os.environ,
            "WEIR_KAFKA_BOOTSTRAP": bootstrap,
            "WEIR_GATEWAY_PORT": str(self.port),
            "WEIR_GATEWAY_SPOOL_DIRECTORY": str(home / "spool"),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=self.url, timeout=30)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ingest"], env=self._environment, stdout=log, stderr=log
            )

    def wait_ready(self) -> None:
        poll_until("the gateway is ready", lambda: self.status("/readyz") == 200)

    def status(self, path: str) -> int:
        """Status of a GET; 0 while nothing answers."""
        try:
            return self.http.get(path).status_code
        except httpx.TransportError:
            return 0

    def track(self, tenant: Tenant, name: str = "clicked", properties: Any = None, **headers: str) -> httpx.Response:
        """Send one event with the tenant's id and secret."""
        payload = {"name": name, "properties": properties or {}}
        return self.post({"type": "track", "payload": payload}, tenant.headers(**headers))

    def post(self, body: Any, headers: Mapping[str, str]) -> httpx.Response:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return self.http.post("/track", content=content, headers={"content-type": "application/json", **headers})

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that carry these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        total = 0.0
        for line in self.http.get("/metrics").text.splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.partition("{")[0] == name and all(text in sample for text in wanted):
                total += float(value)
        return total

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def log(self) -> str:
        return self._log.read_text()


@contextmanager
def running_gateway(bootstrap: str, home: Path, **environment: str) -> Iterator[GatewayProcess]:
    """A gateway that is ready, stopped at the end."""
    gateway = GatewayProcess(bootstrap, home, environment)
    gateway.start()
    try:
        gateway.wait_ready()
        yield gateway
    finally:
        gateway.http.close()
        if gateway.process is not None and gateway.process.poll() is None:
            gateway.stop()


def now() -> datetime:
    return datetime.now(UTC)
