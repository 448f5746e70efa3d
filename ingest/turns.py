"""Large requests are read one after the other: what each holds up all others for does not add up, nor its memory."""

import asyncio

from ingest.answers import unavailable

MAX_WAITING_BYTES = 32 * 1024 * 1024
_LARGE = 64 * 1024
ALWAYS_SMALL = 2 * 1024
"""Packed a thousand times as small, a longer body is some megabytes when it is unpacked."""


def is_large(body: bytes, packed: bool) -> bool:
    """Whether a body may take so long to read that others would notice. ``packed``: it came with a Content-Encoding."""
    if packed or not body.startswith((b"{", b"[")):
        return len(body) > ALWAYS_SMALL
    return len(body) > _LARGE


class Turn:
    """The time in which a request is read and its events are settled."""

    def __init__(self, lock: asyncio.Lock | None) -> None:
        self._lock = lock

    def end(self) -> None:
        """The next one may begin; once more does nothing."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


AT_ONCE = Turn(None)
"""The turn of a request that waits for nobody."""


class Turns:
    """Turns of large requests, in the order in which they were whole. Lives on one event loop."""

    def __init__(self, limit: int = MAX_WAITING_BYTES) -> None:
        self._limit = limit
        self._waiting = 0
        self._lock = asyncio.Lock()

    async def begin(self, body: bytes, packed: bool) -> Turn:
        """Wait for this request's turn; one that is not large has no need to.

        :raises Refusal: ``overloaded`` (503) when too much is waiting.
        """
        if not is_large(body, packed):
            return AT_ONCE
        if self._waiting and self._waiting + len(body) > self._limit:
            raise unavailable("overloaded", "Too many large requests are waiting to be read.")
        self._waiting += len(body)
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= len(body)
        return Turn(self._lock)
