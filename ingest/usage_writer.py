"""Telling the other gateways, through ``weir.control``, how many events of projects with a quota this one took."""

import asyncio
import logging
import time
from contextlib import suppress
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ingest.quotas import Quotas
from schemas.control import UsageRecord, control_key
from schemas.topics import CONTROL

log = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0
_SWEEP_EVERY = 3_600
"""Rounds between two looks for records of past months."""
_TIMEOUT_SECONDS = 5.0


class UsageWriter:
    """Writes changed counts about once a second. While Kafka is away they wait."""

    def __init__(self, bootstrap: str, quotas: Quotas) -> None:
        self._bootstrap = bootstrap
        self._quotas = quotas
        self._producer: Producer | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Tell what was not told yet, if Kafka is there, and end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            await self._write([])

    async def _run(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            outdated = [] if rounds % _SWEEP_EVERY else self._quotas.outdated(time.time_ns() // 1_000_000)
            rounds += 1
            await self._write(outdated)

    async def _write(self, outdated: list[str]) -> None:
        changes = self._quotas.changes()
        if changes or outdated:
            for record in await asyncio.to_thread(self._send, changes, outdated):
                self._quotas.written(record)

    def _send(self, changes: list[UsageRecord], outdated: list[str]) -> list[UsageRecord]:
        """What Kafka has taken of the changes."""
        taken: list[UsageRecord] = []
        # A gateway without quotas never comes here, and needs no producer for it.
        producer = self._producer = self._producer or Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "message.timeout.ms": int(_TIMEOUT_SECONDS * 1_000),
                "log_level": 2,
            }
        )
        try:
            for record in changes:
                told = partial(_delivered, taken, record)
                producer.produce(CONTROL, record.model_dump_json(), control_key(record), 0, on_delivery=told)
            for key in outdated:
                producer.produce(CONTROL, None, key, 0)
            producer.flush(_TIMEOUT_SECONDS)
        except (BufferError, KafkaException) as error:
            log.warning("the usage of quotas could not be told: %s", error)
            self._producer = None
        return taken


def _delivered(taken: list[UsageRecord], record: UsageRecord, error: KafkaError | None, _: Message) -> None:
    if error is None:
        taken.append(record)
