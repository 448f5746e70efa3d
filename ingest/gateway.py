"""The gateway's parts and their life: opened when the process starts, drained when it stops."""

import asyncio
import logging
from contextlib import suppress
from uuid import uuid4

from ingest.access import Access
from ingest.client_ip import ClientIp
from ingest.control_reader import ControlReader
from ingest.envelopes import Envelopes
from ingest.metrics import Metrics
from ingest.raw_producer import RawProducer
from ingest.sessions_reader import LiveSessions, SessionsReader
from ingest.settings import GatewaySettings
from ingest.tally import Tally
from ingest.visitor import Visitors

log = logging.getLogger(__name__)

_STALE_SECONDS = 1.0
_LAST_ANSWERS_SECONDS = 2.0


class Gateway:
    """Everything the endpoints need. Made on the event loop it lives on."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.metrics = Metrics(settings.gateway_metrics_directory)
        self.access = Access()
        self.sessions = LiveSessions(settings.gateway_session_entries)
        self.visitors = Visitors(self.access, self.sessions)
        self.client_ip = ClientIp(settings.gateway_trusted_proxies)
        self.producer = RawProducer(
            settings.kafka_bootstrap,
            timeout_ms=settings.gateway_delivery_timeout_ms,
            queue_bytes=settings.gateway_in_flight_bytes,
        )
        self.envelopes = Envelopes(
            self.producer.send,
            uuid4(),
            self.metrics,
            linger_ms=settings.gateway_linger_ms,
            in_flight_bytes=settings.gateway_in_flight_bytes,
        )
        self._control_reader = ControlReader(settings.kafka_bootstrap, self.access)
        self._sessions_reader = SessionsReader(settings.kafka_bootstrap, self.sessions)
        self._finding: asyncio.Task[None] | None = None
        self._ready = False
        self._reachable = (float("-inf"), False)
        self.busy = Tally()
        """Requests being worked on."""

    @property
    def serving(self) -> bool:
        """Whether all was read that has to be known before the first event; stays true when Kafka goes away."""
        if not self._ready:
            self._ready = not self.missing()
        return self._ready

    def missing(self) -> list[str]:
        """What is still to be read."""
        states = {
            "control": self._control_reader.caught_up.is_set(),
            "sessions": self._sessions_reader.caught_up.is_set(),
            "partitions": bool(self.producer.partitions),
        }
        return [name for name, done in states.items() if not done]

    async def kafka_reachable(self) -> bool:
        """Whether Kafka answers; asked at most once a second."""
        now = asyncio.get_running_loop().time()
        if now - self._reachable[0] > _STALE_SECONDS:
            self._reachable = (now, await self.producer.reachable())
        return self._reachable[1]

    def start(self) -> None:
        """Begin to read and connect; returns at once, `serving` tells when it is done."""
        self._control_reader.start()
        self._sessions_reader.start()
        self._finding = asyncio.get_running_loop().create_task(self.producer.find_partitions())

    async def stop(self) -> None:
        """Settle what was taken, then let go of everything."""
        seconds = self.settings.gateway_drain_seconds
        if not await self.envelopes.drain(seconds):
            log.error("stopped with events that Kafka did not acknowledge; their senders were told so")
        self.producer.close()
        if self._finding is not None:
            self._finding.cancel()
            with suppress(asyncio.CancelledError):
                await self._finding
        await self.busy.wait_zero(_LAST_ANSWERS_SECONDS)
        await asyncio.to_thread(self._control_reader.stop)
        await asyncio.to_thread(self._sessions_reader.stop)
