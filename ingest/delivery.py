"""The way of a closed envelope: to Kafka, or to the spool while Kafka is away. Rule 2 of the contract.

The worker drops an envelope whose number is not beyond the last of its gateway and partition. So repeats do no harm,
and the one thing that would is an envelope that reaches the log for the first time after one with a higher number. It
can't:

- Envelopes of a partition are handed to one producer in the order of their numbers. It is idempotent and gives up no
  message by itself (no timeout of its own, no gaps), so what reaches the log of them is a beginning of that order.
- When one is not acknowledged in time, the whole producer is given up: its queue is purged, it is never used again, and
  *all* that was not acknowledged goes to the spool in the same order (`raw_producer`). What the old one has still under
  way are repeats: a beginning of the same order.
- While anything of a partition is in the spool that the present producer was not given, its new envelopes queue behind
  it. The drain sends in the spool's order, from the first that is not acknowledged; after a failure, from there again.
- When little is left, new envelopes are held in memory for the moment it takes to hand over the rest, then follow it
  into the same producer. (Without that a busy partition would never leave the spool.)
- A process that starts has a new gateway id and counts from 1 (`spool.directories`); what an ended one left is sent
  under its own id and numbers, whose order is not touched by what the new one sends meanwhile.
"""

import asyncio
import logging
import time
from functools import partial
from typing import NamedTuple, Protocol

from ingest.envelopes import Report
from ingest.spool.backlog import Backlog
from ingest.spool.records import Spooled
from ingest.spool.spool import Spool
from schemas.envelope import Headers

log = logging.getLogger(__name__)

_WINDOW = 200
"""So many envelopes of a partition are sent at once from the spool."""


class Producer(Protocol):
    """What is needed of `raw_producer.RawProducer`."""

    def send(
        self, partition: int, value: bytes, headers: Headers, report: Report, *, patient: bool = False
    ) -> None: ...
    def give_up(self, why: str) -> None: ...
    def close(self) -> None: ...


class _Closed(NamedTuple):
    partition: int
    value: bytes
    headers: Headers
    report: Report


class _Queue:
    """A partition of a backlog that is being drained. ``pending``: envelopes on their way to disk; ``held``: those that
    wait in memory for the rest to be handed over; ``passed``: the producer has all of it, new ones may follow.
    """

    __slots__ = ("backlog", "changed", "held", "partition", "passed", "pending")

    def __init__(self, backlog: Backlog, partition: int) -> None:
        self.backlog = backlog
        self.partition = partition
        self.pending = 0
        self.changed = asyncio.Event()
        self.held: list[_Closed] | None = None
        self.passed = False

    @property
    def waiting(self) -> int:
        """Envelopes on disk that Kafka does not have."""
        return self.backlog.waiting(self.partition)

    async def anything(self) -> bool:
        """Whether there is something to send, now or as soon as it is on disk."""
        while self.pending and not self.waiting:
            self.changed.clear()
            await self.changed.wait()
        return self.waiting > 0

    async def settled(self) -> None:
        """Wait until nothing is on its way to disk."""
        while self.pending:
            self.changed.clear()
            await self.changed.wait()


class Delivery:
    """Takes closed envelopes (`envelopes.Sender`) and reports each as durable, in Kafka or on disk, or as refused."""

    def __init__(self, producer: Producer, spool: Spool, *, retry_seconds: float = 0.2) -> None:
        self._loop = asyncio.get_running_loop()
        self._producer = producer
        self._spool = spool
        self._retry_seconds = retry_seconds
        self._queues: dict[int, _Queue] = {}
        self._drains: set[asyncio.Task[None]] = set()
        self._away = False
        self._spooling = False
        """Whether any envelope may have to go another way than straight to Kafka."""
        self._began = 0.0
        self._closing = False

    def send(self, partition: int, value: bytes, headers: Headers, report: Report) -> None:
        """See `ingest.envelopes.Sender`."""
        closed = _Closed(partition, value, headers, report)
        if self._spooling:
            self._send_around(closed)
        else:
            self._to_kafka(closed)

    def adopt(self, backlog: Backlog) -> None:
        """Drain what an ended process left."""
        for partition in backlog.partitions():
            self._begin_drain(_Queue(backlog, partition))

    def give_up(self) -> None:
        """Wait for Kafka no longer: all that is under way goes to the spool now."""
        self._producer.give_up("the gateway stops")

    async def close(self) -> None:
        """Stop draining, and end with everything on disk that was to be there."""
        self._closing = True
        for task in self._drains:
            task.cancel()
        await asyncio.gather(*self._drains, return_exceptions=True)
        self._producer.close()
        await self._spool.close()

    def _to_kafka(self, closed: _Closed) -> None:
        self._producer.send(closed.partition, closed.value, closed.headers, partial(self._sent, closed))

    def _sent(self, closed: _Closed, failure: str | None) -> None:
        if failure is None:
            closed.report(None)
            return
        # All that was under way comes here now, in its order, before anything new is sent.
        if not self._away:
            self._away = self._spooling = True
            self._began = time.monotonic()
            log.warning("Kafka does not acknowledge (%s): events go to the spool", failure)
        self._to_spool(closed)

    def _send_around(self, closed: _Closed) -> None:
        queue = self._queues.get(closed.partition)
        if queue is None:
            if self._away:
                self._to_spool(closed)
            else:
                self._to_kafka(closed)
        elif queue.passed:
            self._to_kafka(closed)
        elif queue.held is not None:
            queue.held.append(closed)
        else:
            self._to_spool(closed)

    def _to_spool(self, closed: _Closed) -> None:
        queue = self._queues.get(closed.partition)
        if queue is None:
            queue = self._queues[closed.partition] = _Queue(self._spool.own, closed.partition)
            self._begin_drain(queue)
        queue.passed = False
        queue.pending += 1
        self._spool.append(closed.partition, closed.value, closed.headers, partial(self._stored, queue, closed.report))

    def _stored(self, queue: _Queue, report: Report, failure: str | None) -> None:
        queue.pending -= 1
        queue.changed.set()
        report(failure)

    # -- draining

    def _begin_drain(self, queue: _Queue) -> None:
        if self._closing:
            return
        task = self._loop.create_task(self._drain(queue))
        self._drains.add(task)
        task.add_done_callback(self._drains.discard)

    async def _drain(self, queue: _Queue) -> None:
        alive = False
        try:
            while await queue.anything():
                try:
                    alive = await self._drain_some(queue, alive)
                except Exception:
                    # The disk, most likely. What was answered 200 is still there: try for ever, and say so.
                    log.exception("partition %d of the spool can't be drained at the moment", queue.partition)
                    alive = False
                if not alive:
                    self._spool_held(queue)
                    await asyncio.sleep(self._retry_seconds)
        finally:
            self._spool_held(queue)
        self._end_drain(queue)

    async def _drain_some(self, queue: _Queue, alive: bool) -> bool:
        """Send the next envelopes; whether Kafka has them. The first after a failure goes alone."""
        limit = _WINDOW if alive else 1
        last = alive and queue.waiting <= limit and queue.backlog is self._spool.own
        if last:
            queue.held = []
            await queue.settled()
            limit = queue.waiting
        read = await queue.backlog.read(queue.partition, limit)
        envelopes = [envelope for envelope in read if envelope is not None]
        acknowledged = self._send_again(queue, envelopes)
        if last and queue.held is not None:
            held, queue.held, queue.passed = queue.held, None, True
            for closed in held:
                self._to_kafka(closed)
        if not await acknowledged:
            return False
        if len(envelopes) < len(read):
            self._spool.lost(len(read) - len(envelopes))
        self._spool.delivered(queue.backlog, queue.partition, len(read))
        self._back()
        return True

    def _send_again(self, queue: _Queue, envelopes: list[Spooled]) -> "asyncio.Future[bool]":
        """Hand envelopes to the producer. The future tells whether Kafka has all of them."""
        done: asyncio.Future[bool] = self._loop.create_future()
        left = len(envelopes)
        failed = False

        def report(failure: str | None) -> None:
            nonlocal left, failed
            left -= 1
            if failure is not None:
                failed = True
                # At once: nothing may overtake what has to be sent again.
                queue.passed = False
            if not left and not done.done():
                done.set_result(not failed)

        for envelope in envelopes:
            # However long it takes: it is safe where it is.
            self._producer.send(queue.partition, envelope.value, envelope.headers, report, patient=True)
        if not envelopes:
            done.set_result(True)
        return done

    def _spool_held(self, queue: _Queue) -> None:
        held, queue.held = queue.held, None
        for closed in held or ():
            self._to_spool(closed)

    def _back(self) -> None:
        if self._away:
            self._away = False
            log.warning("Kafka is back after %.1f s: the spool is drained", time.monotonic() - self._began)

    def _end_drain(self, queue: _Queue) -> None:
        if queue.backlog is not self._spool.own:
            return
        del self._queues[queue.partition]
        if not self._queues:
            log.warning("the spool is empty: events go straight to Kafka")
            # When it took nothing, nothing in it can tell that Kafka is back: the next envelope asks.
            self._away = self._spooling = False
