"""Envelopes: events bundled per partition, durable before anybody is told so.

Rule 1 of the contract lives here: the future of an event is done only when its envelope is reported durable, in Kafka
or on disk. Rule 2: an envelope carries the gateway's id and a number that goes up by one per partition.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from ingest.answers import unavailable
from ingest.metrics import Metrics
from ingest.tally import Tally
from ingest.tracing import TracedEnvelopes, current_request
from schemas.envelope import MAX_BYTES, MAX_LINES, Headers, envelope_headers, join_lines
from schemas.topics import MAX_RAW_MESSAGE_BYTES

_BUNDLE_LINES = 50
"""A request that brings as many is a bundle already: it does not wait for others."""

Report = Callable[[str | None], None]
"""Told once what became of an envelope: None when it is durable, else why not."""


class Sender(Protocol):
    """Makes an envelope durable; ``report`` is called on the event loop, never from within the call."""

    def __call__(self, partition: int, value: bytes, headers: Headers, report: Report) -> None: ...


@dataclass(slots=True)
class _Envelope:
    partition: int
    timer: asyncio.TimerHandle | None = None
    lines: list[bytes] = field(default_factory=list)
    """None any more once it is closed: their bytes are in its value then."""
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    size: int = 0
    requests: list[Any] = field(default_factory=list)
    """Those of them that are traced."""


class Envelopes:
    """One open envelope per partition, closed after ``linger_ms``, 200 events or 256 KiB, or behind a request that
    brought many at once. Lives on one event loop.
    """

    def __init__(
        self,
        send: Sender,
        gateway: UUID,
        metrics: Metrics,
        *,
        linger_ms: float,
        in_flight_bytes: int,
        tracing: TracedEnvelopes | None = None,
    ) -> None:
        self._send = send
        self._gateway = str(gateway)
        self._metrics = metrics
        self._delivered, self._failed = (metrics.envelopes.labels(outcome) for outcome in ("delivered", "failed"))
        self._tracing = tracing
        self._linger = linger_ms / 1000
        self._limit = in_flight_bytes
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, _Envelope] = {}
        self._sequence: dict[int, int] = {}
        self._bytes = 0
        self._under_way = Tally()
        self._stopped = False

    @property
    def in_flight_bytes(self) -> int:
        """Bytes taken and not yet acknowledged."""
        return self._bytes

    def add(self, partition: int, lines: Sequence[bytes]) -> asyncio.Future[Any]:
        """Put events into the partition's envelope. The future is done when all of them are durable, and raises
        `Refusal` (503) when that is not known to be so.

        :raises Refusal: 503, at once, when too much is waiting already or the gateway is stopping.
        """
        if self._stopped:
            raise unavailable("stopping", "The gateway is stopping.")
        size = sum(map(len, lines)) + len(lines)
        if self._bytes + size > self._limit:
            raise unavailable("overloaded", "Too many events are waiting for Kafka.")
        if size > MAX_RAW_MESSAGE_BYTES and len(lines) > 1:
            # Workers take no message of any size: what is too large for one goes in several.
            middle = len(lines) // 2
            return asyncio.gather(self.add(partition, lines[:middle]), self.add(partition, lines[middle:]))
        envelope = self._open.get(partition)
        if envelope is not None and (envelope.size + size > MAX_BYTES or len(envelope.lines) + len(lines) > MAX_LINES):
            self._close(partition)
            envelope = None
        if envelope is None:
            envelope = self._open[partition] = _Envelope(partition)
        future = self._loop.create_future()
        envelope.lines.extend(lines)
        envelope.waiting.append(future)
        envelope.size += size
        if self._tracing is not None and (request := current_request()) is not None:
            envelope.requests.append(request)
        self._bytes += size
        if len(lines) >= _BUNDLE_LINES or len(envelope.lines) >= MAX_LINES or envelope.size >= MAX_BYTES:
            self._close(partition)
        elif envelope.timer is None:
            envelope.timer = self._loop.call_later(self._linger, self._close, partition)
        return future

    async def drain(self, seconds: float) -> bool:
        """Take nothing more, close what is open and wait; whether all was settled within ``seconds``. Once more waits
        once more.
        """
        self._stopped = True
        for partition in list(self._open):
            self._close(partition)
        return await self._under_way.wait_zero(seconds)

    def _close(self, partition: int) -> None:
        envelope = self._open.pop(partition)
        if envelope.timer is not None:
            envelope.timer.cancel()
        lines, envelope.lines = envelope.lines, []
        sequence = self._sequence[partition] = self._sequence.get(partition, 0) + 1
        closed = time.perf_counter()
        count = len(lines)

        def report(failure: str | None) -> None:
            self._under_way.end()
            self._metrics.delivery.observe(time.perf_counter() - closed)
            self._settle(envelope, count, failure)

        headers = envelope_headers(self._gateway, sequence)
        settled: Report = report
        if self._tracing is not None:
            settled = self._tracing.closed(partition, count, envelope.requests, headers, report)
        self._under_way.begin()
        self._send(partition, join_lines(lines), headers, settled)

    def _settle(self, envelope: _Envelope, count: int, failure: str | None) -> None:
        self._bytes -= envelope.size
        self._metrics.in_flight.set(self._bytes)
        if failure is None:
            self._delivered.inc()
            self._metrics.lines.observe(count)
            for future in envelope.waiting:
                if not future.done():
                    future.set_result(None)
            return
        self._failed.inc()
        for future in envelope.waiting:
            if not future.done():
                future.set_exception(unavailable(failure, "The event could not be made durable: send it again."))
