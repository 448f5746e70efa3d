"""The spool of one gateway process, as the event loop sees it: append, wait, read, forget.

Group commit: what comes while a commit is under way is the next commit. All writing happens in one thread, in the order
it was asked for; the loop never waits for the disk.
"""

import asyncio
import errno
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar
from uuid import UUID

from ingest.metrics import Metrics
from ingest.spool.backlog import Backlog
from ingest.spool.directories import Directories, Held
from ingest.spool.estate import Estate, Left
from ingest.spool.records import Found, Spooled, encode
from ingest.spool.segments import Segment, SegmentWriter
from schemas.envelope import Headers

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
Stored = Callable[[str | None], None]
"""Told once, on the loop and never from within the call, what became of an append: None when it is on disk."""

_TEND_SECONDS = 1.0
_OVERHEAD_BYTES = 512
"""More than a record has beside its value."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class _Pending(NamedTuple):
    envelope: Spooled
    stored: Stored


class Spool:
    """See above. ``max_bytes``: of this process's files, adopted ones too; 0 for no spool at all."""

    def __init__(self, root: Path, gateway: UUID, metrics: Metrics, *, max_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._root = root
        self._gateway = gateway
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._directories = Directories(root)
        self._estate = Estate(self._directories)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._held: dict[Backlog, Held] = {}
        self._writer: SegmentWriter | None = None
        self._pending: list[_Pending] = []
        self._pending_bytes = 0
        self._committing: asyncio.Task[None] | None = None
        self._tending: asyncio.Task[None] | None = None
        self._refusing = ""
        self._adopted: Callable[[Backlog], None] | None = None
        self.own = Backlog(str(gateway))

    def start(self, adopted: Callable[[Backlog], None]) -> None:
        """Open the directory, returns at once. ``adopted`` is called with each backlog that an ended process left."""
        self._adopted = adopted
        if self._max_bytes:
            self._tending = self._loop.create_task(self._tend())
        else:
            log.warning("there is no spool: while Kafka is away events are refused")

    @property
    def takes(self) -> bool:
        """Whether there is a spool and it took the last envelope that came to it."""
        return self._writer is not None and not self._refusing

    def append(self, partition: int, value: bytes, headers: Headers, stored: Stored) -> None:
        """Put an envelope on disk behind all that came before it."""
        size = len(value) + _OVERHEAD_BYTES
        if self._writer is None:
            self._refuse("kafka_unavailable" if not self._max_bytes else "spool_failed", "it is not open", stored)
        elif self.bytes + self._pending_bytes + size > self._max_bytes:
            self._refuse("spool_full", f"it holds {self.bytes} bytes", stored)
        else:
            now = time.time_ns() // 1_000_000
            envelope = Spooled(partition, now, value.count(b"\n") + 1, headers, value)
            self._pending.append(_Pending(envelope, stored))
            self._pending_bytes += size
            if self._committing is None:
                self._committing = self._loop.create_task(self._commit(self._writer))

    @property
    def bytes(self) -> int:
        """Bytes on disk."""
        return self.own.bytes + sum(backlog.bytes for backlog in self._held if backlog is not self.own)

    def delivered(self, backlog: Backlog, partition: int, count: int) -> None:
        """Kafka has the first ``count`` envelopes of a partition. A segment goes when all of it is delivered."""
        backlog.delivered(partition, count)
        self._metrics.spool_drained.inc(count)
        self._sweep(backlog)

    def lost(self, envelopes: int) -> None:
        """So many that were delivered with others could not be read."""
        log.error("%d spooled envelopes are damaged on disk and lost", envelopes)
        self._metrics.spool_lost.inc(envelopes)

    async def close(self) -> None:
        """Commit what was appended, and let go of everything; what Kafka does not have stays on disk."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        if self._committing is not None:
            await self._committing
        for backlog in list(self._held):
            self._sweep(backlog)
        await self._run(self._release_all)
        self._thread.shutdown()
        self._show()

    # -- writing

    async def _commit(self, writer: SegmentWriter) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            failure = None
            try:
                segment, records = await self._run(_write, writer, [pending.envelope for pending in batch])
            except OSError as error:
                failure = "spool_full" if error.errno in _FULL else "spool_failed"
                self._say_refusing(failure, error.strerror or str(error), len(batch))
            else:
                self.own.take(segment, records)
                self._metrics.spooled.inc(len(batch))
                if self._refusing:
                    self._refusing = ""
                    log.warning("the spool takes events again")
            for pending in batch:
                self._pending_bytes -= len(pending.envelope.value) + _OVERHEAD_BYTES
                pending.stored(failure)
            self._sweep(self.own)
        self._committing = None
        # What was delivered meanwhile may have left an empty file.
        self._sweep(self.own)

    def _refuse(self, reason: str, why: str, stored: Stored) -> None:
        if self._max_bytes:
            self._say_refusing(reason, why, 1)
        self._loop.call_soon(stored, reason)

    def _say_refusing(self, reason: str, why: str, envelopes: int) -> None:
        self._metrics.spool_refused.labels(reason).inc(envelopes)
        if self._refusing != reason:
            self._refusing = reason
            log.error("the spool takes no more events (%s): they are answered 503", why)

    def _sweep(self, backlog: Backlog) -> None:
        """Delete segments of which nothing waits. The one being written only when nothing is on its way into it: what
        comes later finds it gone, because the thread does one thing after the other.
        """
        idle = self._committing is None
        for segment in [s for s in backlog.segments if not s.waiting and (s.sealed or idle)]:
            backlog.segments.remove(segment)
            self._thread.submit(self._discard, segment)
        held = self._held.get(backlog)
        if held is not None and not backlog.segments and backlog is not self.own:
            del self._held[backlog]
            self._thread.submit(self._directories.release, held)

    def _discard(self, segment: Segment) -> None:
        try:
            if self._writer is not None:
                self._writer.discard(segment)
            else:
                segment.path.unlink(missing_ok=True)
        except OSError as error:
            log.error("%s could not be deleted: %s", segment.path.name, error.strerror)

    # -- directories

    async def _tend(self) -> None:
        said: set[str] = set()
        while True:
            troubles = set()
            # Each for itself: what was left can be sent, and make room, where nothing new can be written.
            for step in (self._claim, self._inherit):
                try:
                    await step()
                except OSError as error:
                    troubles.add(f"the spool {self._root} cannot be used: {error.strerror or error}")
            for trouble in troubles - said:
                log.error("%s", trouble)
            said = troubles
            self._show()
            await asyncio.sleep(_TEND_SECONDS)

    async def _claim(self) -> None:
        if self._writer is None:
            held = await self._run(self._directories.claim, self._gateway)
            self._held[self.own] = held
            self._writer = SegmentWriter(held.path)
            self._refusing = ""

    async def _inherit(self) -> None:
        for left in await self._run(self._estate.take):
            self._adopt(left)

    def _adopt(self, left: Left) -> None:
        backlog = Backlog.of(left.held.path.name, left.loaded)
        self._held[backlog] = left.held
        damaged = [each for loaded in left.loaded for each in loaded.damaged]
        self._metrics.spool_damaged_bytes.inc(sum(each.stop - each.start for each in damaged))
        self._metrics.spool_lost.inc(sum(each.envelopes for each in damaged))
        if backlog.envelopes and self._adopted is not None:
            log.warning("%d envelopes left by %s are sent under its name", backlog.envelopes, backlog.name)
            self._adopted(backlog)
        self._sweep(backlog)

    def _release_all(self) -> None:
        if self._writer is not None:
            self._writer.close()
        for held in self._held.values():
            self._directories.release(held)

    def _show(self) -> None:
        backlogs = {self.own, *self._held}
        since = min((b.since_ms for b in backlogs if b.since_ms is not None), default=None)
        self._metrics.spool_bytes.set(self.bytes)
        self._metrics.spool_envelopes.set(sum(backlog.envelopes for backlog in backlogs))
        self._metrics.spool_unreadable.set(self._estate.unreadable)
        self._metrics.spool_age.set(0 if since is None else max(time.time() - since / 1000, 0))

    async def _run(self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        return await self._loop.run_in_executor(self._thread, partial(function, *arguments, **named))


def _write(writer: SegmentWriter, envelopes: list[Spooled]) -> tuple[Segment, list[Found]]:
    segment, positions = writer.write(list(map(encode, envelopes)))
    found = [
        Found(position, envelope.partition, envelope.stored_ms)
        for position, envelope in zip(positions, envelopes, strict=True)
    ]
    return segment, found
