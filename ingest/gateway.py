"""The gateway's parts and their life: opened when the process starts, drained when it stops."""

import asyncio
import logging
from contextlib import suppress
from uuid import uuid4

from ingest.access import Access
from ingest.arriving import Arriving
from ingest.client_ip import ClientIp
from ingest.control_reader import ControlReader
from ingest.delivery import Delivery
from ingest.envelopes import Envelopes
from ingest.metrics import Metrics
from ingest.quotas import Quotas
from ingest.raw_producer import RawProducer
from ingest.rules import Rules
from ingest.sessions_reader import LiveSessions, SessionsReader
from ingest.settings import GatewaySettings
from ingest.spool.spool import Spool
from ingest.tally import Tally
from ingest.tracing import TracedEnvelopes
from ingest.turns import Turns
from ingest.usage_writer import UsageWriter
from ingest.visitor import Visitors
from schemas.bots import load_bots
from schemas.tracing import open_tracing

log = logging.getLogger(__name__)

_STALE_SECONDS = 1.0
_LAST_WRITES_SECONDS = 2.0
_LAST_ANSWERS_SECONDS = 1.0


class Gateway:
    """Everything the endpoints need. Made on the event loop it lives on."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.tracing = open_tracing("gateway", settings.otlp_endpoint, settings.trace_sample_ratio)
        self.metrics = Metrics(settings.gateway_metrics_directory)
        self.access = Access()
        self.quotas = Quotas(str(uuid4()))
        self.rules = Rules(self.access, self.quotas, settings.gateway_failed_keys_per_second)
        self.sessions = LiveSessions(settings.gateway_session_entries)
        self.visitors = Visitors(self.access, self.sessions)
        self.client_ip = ClientIp(settings.gateway_trusted_proxies, settings.client_ip_headers)
        self.producer = RawProducer(
            settings.kafka_bootstrap,
            timeout_ms=settings.gateway_delivery_timeout_ms,
            queue_bytes=settings.gateway_in_flight_bytes,
        )
        # A new id at every start: no number of an envelope is ever used twice under one.
        gateway = uuid4()
        self._spool = Spool(
            settings.gateway_spool_directory, gateway, self.metrics, max_bytes=settings.gateway_spool_bytes
        )
        self._delivery = Delivery(self.producer, self._spool)
        self.envelopes = Envelopes(
            self._delivery.send,
            gateway,
            self.metrics,
            linger_ms=settings.gateway_linger_ms,
            in_flight_bytes=settings.gateway_in_flight_bytes,
            tracing=TracedEnvelopes(self.tracing) if self.tracing is not None else None,
        )
        self._control_reader = ControlReader(settings.kafka_bootstrap, self.access, self.quotas)
        self._usage_writer = UsageWriter(settings.kafka_bootstrap, self.quotas)
        self._sessions_reader = SessionsReader(settings.kafka_bootstrap, self.sessions)
        self._finding: asyncio.Task[None] | None = None
        self._ready = False
        self._reachable = (float("-inf"), False)
        self._asking: asyncio.Task[bool] | None = None
        self.arriving = Arriving()
        self.turns = Turns()
        self.busy = Tally()
        """Requests being worked on."""

    @property
    def serving(self) -> bool:
        """Whether all was read that has to be known before the first event; stays true when Kafka goes away."""
        if not self._ready:
            self._ready = not self.missing()
            if self._ready:
                log.info("all is read that has to be known: events are taken")
        return self._ready

    def missing(self) -> list[str]:
        """What is still to be read."""
        states = {
            "control": self._control_reader.caught_up.is_set(),
            "sessions": self._sessions_reader.caught_up.is_set(),
            "partitions": bool(self.producer.partitions),
        }
        return [name for name, done in states.items() if not done]

    @property
    def spools(self) -> bool:
        """Whether events are taken even if Kafka is away."""
        return self._spool.takes

    async def kafka_reachable(self) -> bool:
        """Whether Kafka answers; asked at most once a second, and once at a time: while it is away each question takes
        a thread for seconds, and threads are needed to drain the spool and to stop.
        """
        loop = asyncio.get_running_loop()
        if self._asking is None:
            if loop.time() - self._reachable[0] <= _STALE_SECONDS:
                return self._reachable[1]
            self._asking = loop.create_task(self._ask_kafka())
        # Whoever goes away leaves the question to the others.
        return await asyncio.shield(self._asking)

    async def _ask_kafka(self) -> bool:
        try:
            answers = await self.producer.reachable()
            self._reachable = (asyncio.get_running_loop().time(), answers)
            return answers
        finally:
            self._asking = None

    def start(self) -> None:
        """Begin to read and connect; returns at once, `serving` tells when it is done."""
        self._spool.start(self._delivery.adopt)
        self._control_reader.start()
        self._sessions_reader.start()
        self._usage_writer.start()
        load_bots()
        finding = self.producer.find_partitions(self._control_reader.raw_partitions)
        self._finding = asyncio.get_running_loop().create_task(finding)

    async def stop(self) -> None:
        """Settle what was taken, then let go of everything."""
        log.info("stopping: what was taken is settled, and nothing more is taken")
        seconds = self.settings.gateway_drain_seconds
        if not await self.envelopes.drain(seconds):
            self._delivery.give_up()
            if not await self.envelopes.drain(_LAST_WRITES_SECONDS):
                log.error("stopped with events that are not known to be durable; their senders were not told so")
        await self._delivery.close()
        if self._finding is not None:
            self._finding.cancel()
            with suppress(asyncio.CancelledError):
                await self._finding
        await self.busy.wait_zero(_LAST_ANSWERS_SECONDS)
        await self._usage_writer.stop()
        await asyncio.to_thread(self._control_reader.stop)
        await asyncio.to_thread(self._sessions_reader.stop)
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.close)
