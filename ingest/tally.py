"""Counting what is under way, and waiting until nothing is."""

import asyncio


class Tally:
    """A count on one event loop."""

    def __init__(self) -> None:
        self.count = 0
        self._zero: asyncio.Event | None = None

    def begin(self) -> None:
        """One more."""
        self.count += 1

    def end(self) -> None:
        """One less."""
        self.count -= 1
        if self._zero is not None and not self.count:
            self._zero.set()

    async def wait_zero(self, seconds: float) -> bool:
        """Wait until nothing is under way; whether that came to pass within ``seconds``."""
        if not self.count:
            return True
        self._zero = asyncio.Event()
        try:
            await asyncio.wait_for(self._zero.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            self._zero = None
        return True
