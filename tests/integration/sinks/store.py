"""A store process under the test's control, and the pipeline around it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import Producer

from schemas.envelope import Headers
from sinks.client import connect
from sinks.migrate import migrate
from sinks.settings import SinkSettings
from tests.broker import REPOSITORY, Broker
from weir.local.ports import free_ports

START_SECONDS = 60.0
ARRIVE_SECONDS = 60.0


class Store:
    """One data directory, and the process that has it open."""

    def __init__(self, data: Path, port: int) -> None:
        self.data = data
        self.port = port
        self.environment: dict[str, str] = {}
        """Variables of the process from its next start on."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def settings(self, bootstrap: str, database: str = "weir") -> SinkSettings:
        return SinkSettings.model_validate(
            {"clickhouse_url": self.url, "clickhouse_database": database, "kafka_bootstrap": bootstrap}
        )

    def spawn(self, **extra: str) -> subprocess.Popen[bytes]:
        """The process, not waited for."""
        environment = {
            **os.environ,
            "WEIR_STORE_DATA": str(self.data),
            "WEIR_STORE_PORT": str(self.port),
            "WEIR_STORE_LOG_LEVEL": "error",
            **self.environment,
            **extra,
        }
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        return subprocess.Popen(
            [sys.executable, "-m", "sinks.store"],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT if not extra else subprocess.PIPE,
        )

    def start(self) -> None:
        self._process = self.spawn()
        until(self._answers, START_SECONDS, "the store answers")

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.terminate()
        status = self.process.wait(60)
        self._process = None
        return status

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(60)
        self._process = None

    @property
    def running(self) -> bool:
        return self._process is not None

    def client(self, database: str | None = None) -> Client:
        client = connect(self.settings("", database or "weir"))
        client.database = database
        return client

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the store ended"
        try:
            return httpx.get(f"{self.url}/ping").is_success
        except httpx.TransportError:
            return False


class Pipeline:
    """A broker, a store that consumes from it, and a producer."""

    def __init__(self, broker: Broker, store: Store, settings: SinkSettings) -> None:
        self.broker = broker
        self.store = store
        self.settings = settings
        self._producer = Producer(
            {"bootstrap.servers": broker.bootstrap, "transactional.id": "test", "linger.ms": 5, "log_level": 2}
        )
        self._producer.init_transactions(30)

    def migrate(self) -> None:
        client = connect(self.settings)
        migrate(client, self.settings)
        client.close()

    def client(self) -> Client:
        return self.store.client("weir")

    def send(
        self,
        topic: str,
        messages: Sequence[bytes],
        *,
        partition: int = 0,
        key: str | None = None,
        headers: Headers | None = None,
        abort: bool = False,
    ) -> None:
        """One transaction."""
        producer = self._producer
        producer.begin_transaction()
        for number, message in enumerate(messages):
            producer.produce(topic, message, key, partition, headers=headers)
            if number % 1000 == 0:
                producer.flush(30)
        if abort:
            producer.flush(30)
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)

    def await_number(self, sql: str, number: int, parameters: Mapping[str, Any] | None = None) -> None:
        """Until the query gives at least the number; then it must be exactly that."""
        client = self.client()
        seen = [-1]

        def enough() -> bool:
            seen[0] = self._number(client, sql, parameters)
            return seen[0] >= number

        try:
            until(enough, ARRIVE_SECONDS, f"{sql} is {number}")
        except AssertionError as error:
            raise AssertionError(f"{error}, but {seen[0]}") from None
        assert self._number(client, sql, parameters) == number
        client.close()

    @staticmethod
    def _number(client: Client, sql: str, parameters: Mapping[str, Any] | None) -> int:
        try:
            return int(client.query(sql, dict(parameters or {})).result_rows[0][0])
        except ClickHouseError:
            return -1


@contextmanager
def running_store(home: Path, environment: Mapping[str, str] | None = None) -> Iterator[Store]:
    """A store with its data under `home`, stopped at the end."""
    store = Store(home / "data", free_ports(1)[0])
    store.environment.update(environment or {})
    store.start()
    try:
        yield store
    finally:
        if store.running:
            store.kill()


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll until the condition holds; the test fails when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """An envelope of rows."""
    return b"\n".join(orjson.dumps(dict(row)) for row in rows)
