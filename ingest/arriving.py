"""Bodies on their way in: how much memory they have together, whoever sends them."""

import asyncio

MAX_ARRIVING_BYTES = 32 * 1024 * 1024


class Arriving:
    """Bytes of the bodies that are not whole yet. When they come to more than fits, the one that has been coming for
    the longest is given up: whoever holds a body back must not keep the others out, and who sends one without pause is
    hardly ever the longest. Lives on one event loop.
    """

    def __init__(self, limit: int = MAX_ARRIVING_BYTES) -> None:
        self._limit = limit
        self._bytes = 0
        self._bodies: dict[asyncio.Timeout, int] = {}

    def more(self, body: asyncio.Timeout, size: int) -> None:
        """So many bytes more came of a body, whose reading ends with this time limit."""
        self._bodies[body] = self._bodies.get(body, 0) + size
        self._bytes += size
        while self._bytes > self._limit:
            self._give_up_one()

    def end(self, body: asyncio.Timeout) -> bool:
        """Nothing more comes of a body; whether it was given up for others."""
        size = self._bodies.pop(body, None)
        if size is None:
            return True
        self._bytes -= size
        return False

    def _give_up_one(self) -> None:
        # To give up a small one would help nobody.
        average = self._bytes / len(self._bodies)
        body, size = next((body, size) for body, size in self._bodies.items() if size >= average)
        del self._bodies[body]
        self._bytes -= size
        if not body.expired():
            body.reschedule(0)
