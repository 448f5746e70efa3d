"""A broker with Weir's topics and one project, real worker processes, and what a test needs to ask of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from control.database import migrate, open_database
from schemas import topics
from schemas.control import ProjectRecord, control_key
from schemas.envelope import tick_message
from schemas.event_id import new_event_id
from schemas.partition import partition_of
from schemas.shards import topics_for
from tests.broker import Broker
from tests.unit.streams.raw_log import BROWSER
from weir.topics import ensure_topics

PROJECT = "project-1"
PARTITIONS = 4
_RUN_WORKER = "from streams.worker import run; from streams.settings import WorkerSettings; run(WorkerSettings())"


class Worker:
    """One worker process; its output is in ``log``."""

    def __init__(self, bootstrap: str, home: Path, name: str, extra: Mapping[str, str]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.log = home / f"{name}.log"
        environment = {
            **os.environ,
            "WEIR_KAFKA_BOOTSTRAP": bootstrap,
            "WEIR_WORKER_ID": name,
            "WEIR_WORKER_DATA": str(home / name),
            "WEIR_GEO_DATABASE": str(home / "geo"),
            **extra,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _RUN_WORKER], stdout=log, stderr=subprocess.STDOUT, env=environment
            )

    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace")

    def kill(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal; wait for the end unless it only stops or continues."""
        self.process.send_signal(sig)
        if sig not in (signal.SIGSTOP, signal.SIGCONT):
            self.process.wait(60)


class Lab:
    """Topics and one project on a broker, and the workers a test starts; for a store of so many ``shards``."""

    def __init__(self, broker: Broker, home: Path, shards: int = 1) -> None:
        self.broker = broker
        self.home = home
        self.shards = shards
        self.workers: list[Worker] = []
        self.producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5, "log_level": 0})
        engine = open_database(f"sqlite:///{home / 'control.sqlite'}")
        migrate(engine)
        ensure_topics(broker.bootstrap, engine, topics_for(shards), partitions=PARTITIONS)
        project = ProjectRecord(id=PROJECT, organization_id="organization-1", name="Test")
        self.producer.produce(topics.CONTROL, project.model_dump_json(), key=control_key(project))
        self.producer.flush(30)

    def start_worker(self, name: str = "worker-1", **extra: str) -> Worker:
        """Start a worker process; ``extra`` are environment variables."""
        environment = {"WEIR_CLICKHOUSE_SHARDS": str(self.shards), **extra}
        worker = Worker(self.broker.bootstrap, self.home, name, environment)
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        """End every worker that is left."""
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait(60)

    def send(self, events: Iterable[Mapping[str, Any]], per_envelope: int = 100) -> int:
        """Produce raw events as a gateway would, by device; returns how many."""
        waiting: dict[int, list[bytes]] = {}
        count = 0
        for event in events:
            owner = event.get("device_id") or event["event_id"]
            partition = partition_of(event["project_id"], owner, PARTITIONS)
            lines = waiting.setdefault(partition, [])
            lines.append(orjson.dumps(event))
            count += 1
            if len(lines) >= per_envelope:
                self.send_value(partition, b"\n".join(waiting.pop(partition)))
        for partition, lines in waiting.items():
            self.send_value(partition, b"\n".join(lines))
        self.producer.flush(60)
        return count

    def send_value(self, partition: int, value: bytes) -> None:
        """Produce any bytes to a raw partition; flush is the caller's."""
        while True:
            try:
                self.producer.produce(topics.RAW, value, partition=partition)
                return
            except BufferError:
                self.producer.poll(0.1)

    def tick(self) -> None:
        """One tick on every raw partition."""
        value, headers = tick_message("test")
        for partition in range(PARTITIONS):
            self.producer.produce(topics.RAW, value, partition=partition, headers=headers)
        self.producer.flush(30)

    def reader(self) -> Consumer:
        """A consumer of committed messages that belongs to nobody; close it."""
        return Consumer(
            {
                "bootstrap.servers": self.broker.bootstrap,
                "group.id": "test-reader",
                "client.id": "test-reader",
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
            }
        )

    def messages(self, topic: str, only: int | None = None) -> Iterator[Message]:
        """Every committed message of a topic, or of one partition of it, as of now; a partition's in their order."""
        reader = self.reader()
        partitions = set(reader.list_topics(topic, 30).topics[topic].partitions) if only is None else {only}
        reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        try:
            while partitions:
                for message in reader.consume(5_000, 0.2):
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:
                        partitions.discard(message.partition())
                    else:
                        raise KafkaException(error)
        finally:
            reader.close()

    def rows(self, topic: str) -> list[dict[str, Any]]:
        """Every committed row of an output topic as of now."""
        return [orjson.loads(line) for line in self.lines(topic)]

    def lines(self, topic: str, only: int | None = None) -> Iterator[bytes]:
        """Every committed row of an output topic, or of one partition of it, as it was written."""
        for message in self.messages(topic, only):
            yield from (line for line in (message.value() or b"").split(b"\n") if line)

    def events(self) -> list[dict[str, Any]]:
        """The stored events, without the synthesized ones."""
        return [row for row in self.rows(topics.EVENTS) if not row["synthesized"]]

    def sessions(self, only: int | None = None) -> dict[str, dict[str, Any]]:
        """Sessions as they stand: the +1 rows that no -1 row took back, by id. Fails if one stands twice."""
        standing: dict[tuple[str, int], int] = {}
        latest: dict[str, dict[str, Any]] = {}
        for row in map(orjson.loads, self.lines(topics.SESSIONS, only)):
            key = (row["session_id"], row["version"])
            standing[key] = standing.get(key, 0) + row["sign"]
            if row["sign"] == 1:
                latest[row["session_id"]] = max(
                    latest.get(row["session_id"], row), row, key=lambda candidate: candidate["version"]
                )
        left = {key: count for key, count in standing.items() if count}
        assert all(count == 1 for count in left.values()), left
        assert {session_id for session_id, _ in left} == set(latest)
        assert len(left) == len(latest)
        return latest


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Poll until the condition holds; fails with ``what`` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.2)


def track(device: str, name: str = "screen_view", time_ms: int | None = None, **more: Any) -> dict[str, Any]:
    """A raw track event of now, or of ``time_ms``."""
    now = int(time.time() * 1000)
    moment = now if time_ms is None else time_ms
    return {
        "version": 1,
        "kind": "track",
        "event_id": new_event_id(moment),
        "project_id": PROJECT,
        "device_id": device,
        "time": moment,
        "received_at": now,
        "ip": "8.8.8.8",
        "user_agent": BROWSER,
        "protocol": "test",
        "payload": {"name": name, "properties": {"__path": "https://shop.example/a?utm_source=google"}},
        **more,
    }


@contextmanager
def running_lab(broker: Broker, home: Path, shards: int = 1) -> Iterator[Lab]:
    """A lab whose workers are gone at the end."""
    lab = Lab(broker, home, shards)
    try:
        yield lab
    finally:
        lab.stop()
