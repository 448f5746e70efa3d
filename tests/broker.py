"""A real broker for tests: own data, own ports, jars shared with the local stack."""

import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.java import start_quickly
from weir.local import broker as local
from weir.local.jars import fetch_jars
from weir.local.ports import free_ports

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_JARS = REPOSITORY / ".weir" / "kafka" / "jars"


class Broker:
    """A running broker. `bootstrap` is its address; the methods are safe to call from any test. `properties` go before
    what `server_properties` says.
    """

    def __init__(self, place: local.LocalBroker, properties: Mapping[str, str] | None = None) -> None:
        self.place = place
        self.properties = dict(properties or {})
        self._process: subprocess.Popen[bytes] | None = None
        # Kept: its futures fail when the client is collected before they are done.
        self._admin: AdminClient | None = None

    @property
    def bootstrap(self) -> str:
        return self.place.bootstrap

    @property
    def log_file(self) -> Path:
        return self.place.home / "broker.log"

    def start(self) -> None:
        """Start and wait until it answers; again after stop() or kill() with the same data."""
        local.prepare(self.place)
        with self.place.config_file.open("a") as config:
            config.writelines(f"{name}={value}\n" for name, value in self.properties.items())
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                local.command(self.place), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        local.wait_until_it_answers(self.bootstrap, self._process)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        """SIGKILL, and wait."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def signal(self, number: int) -> None:
        """Send a signal, such as SIGSTOP and SIGCONT; returns at once."""
        if self._process is not None:
            self._process.send_signal(number)

    def admin(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})
        return self._admin

    def create_topic(self, prefix: str = "test", partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Create a topic with a name nobody else has, and return the name."""
        name = f"{prefix}.{uuid.uuid4().hex[:12]}"
        self.create_topic_named(name, partitions, config)
        return name

    def create_topic_named(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create exactly this topic; raises KafkaException when it exists."""
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        self.admin().create_topics([topic])[name].result(30)

    def delete_topic(self, name: str) -> None:
        self.admin().delete_topics([name])[name].result(30)


def prepare_java() -> None:
    """See that there are jars, and that a test's brokers start from them quickly; those of a stack too."""
    fetch_jars(SHARED_JARS)
    start_quickly(SHARED_JARS, _run_once)


def _run_once(home: Path) -> None:
    """A broker that does what most tests ask of one, so that the classes for it are known."""
    with _broker_at(home) as broker:
        topic = broker.create_topic(partitions=2)
        client = {"bootstrap.servers": broker.bootstrap, "log_level": 2}
        producer = Producer({**client, "transactional.id": "once"})
        producer.init_transactions(60)
        producer.begin_transaction()
        producer.produce(topic, b"a message")
        producer.commit_transaction(60)
        consumer = Consumer({**client, "group.id": "once", "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        assert consumer.consume(1, 60)
        consumer.commit(asynchronous=False)
        consumer.close()


@contextmanager
def running_broker(home: Path) -> Iterator[Broker]:
    """A broker with its data under `home`, stopped at the end."""
    prepare_java()
    with _broker_at(home) as running:
        yield running


@contextmanager
def _broker_at(home: Path) -> Iterator[Broker]:
    port, controller_port = free_ports(2)
    home.mkdir(parents=True, exist_ok=True)
    running = Broker(local.LocalBroker(home, SHARED_JARS, port, controller_port))
    try:
        running.start()
        yield running
    finally:
        running.stop()
