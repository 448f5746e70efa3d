"""Bodies on their way in: how long each may take, and how much memory they have together, whoever sends them."""

import asyncio
from types import TracebackType

from ingest.answers import Refusal, unavailable

MAX_ARRIVING_BYTES = 32 * 1024 * 1024
BODY_SECONDS = 15.0
"""A body has to be here by then: whoever sends it a byte at a time must not hold a connection for ever."""


class Body:
    """One that is waited for, by the task that enters it. What it waits for is broken off when its time is over or when
    it is given up for others.
    """

    __slots__ = ("_arriving", "_cancelling", "_refusal", "_task", "until")

    def __init__(self, arriving: "Arriving", until: float) -> None:
        self._arriving = arriving
        self._refusal: Refusal | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self.until = until

    def __enter__(self) -> "Body":
        self._task = task = asyncio.current_task(self._arriving.loop)
        if task is not None:
            self._cancelling = task.cancelling()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._arriving.forget(self)
        task, self._task = self._task, None
        if self._refusal is None or task is None:
            return
        # Whoever else wants the task to end shall have it so.
        if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise self._refusal from None

    def more(self, size: int) -> None:
        """So many bytes more came of it."""
        self._arriving.more(self, size)

    def break_off(self, refusal: Refusal) -> None:
        """Wait no longer, and raise this instead; does nothing once it is whole."""
        if self._task is not None and self._refusal is None:
            self._refusal = refusal
            self._task.cancel()


class Arriving:
    """The bodies that are not whole yet. When they come to more bytes than fit, the one that has been coming for the
    longest is given up: whoever holds a body back must not keep the others out, and who sends one without pause is
    hardly ever the longest. Lives on one event loop.
    """

    def __init__(self, limit: int = MAX_ARRIVING_BYTES, seconds: float = BODY_SECONDS) -> None:
        self._limit = limit
        self._seconds = seconds
        self._bytes = 0
        self._awaited: dict[Body, None] = {}
        self._sizes: dict[Body, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where it lives. To ask for it anew costs a call of the system."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def body(self) -> Body:
        """A body is to be waited for: to be entered at once.

        Leaving it raises `Refusal`: ``body_too_slow`` (408) when its time was over, ``overloaded`` (503) when it was
        given up for others.
        """
        # All have the same time, so the first is the first to be over: one timer does for thousands a second.
        loop = self.loop
        body = Body(self, loop.time() + self._seconds)
        self._awaited[body] = None
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._end_late)
        return body

    def more(self, body: Body, size: int) -> None:
        """So many bytes more came of a body."""
        self._sizes[body] = self._sizes.get(body, 0) + size
        self._bytes += size
        while self._bytes > self._limit:
            self._give_up_one()

    def forget(self, body: Body) -> None:
        """Nothing more comes of a body."""
        self._awaited.pop(body, None)
        self._bytes -= self._sizes.pop(body, 0)

    def _end_late(self) -> None:
        loop = self.loop
        while self._awaited:
            first = next(iter(self._awaited))
            if first.until > loop.time():
                self._timer = loop.call_at(first.until, self._end_late)
                return
            del self._awaited[first]
            message = f"The body was not whole after {self._seconds:.0f} seconds."
            first.break_off(Refusal(408, "body_too_slow", message))
        self._timer = None

    def _give_up_one(self) -> None:
        # To give up a small one would help nobody.
        average = self._bytes / len(self._sizes)
        body, size = next((body, size) for body, size in self._sizes.items() if size >= average)
        del self._sizes[body]
        self._bytes -= size
        refusal = unavailable("overloaded", "Too many large bodies are on their way in.")
        # Not from within what its own task is doing.
        self.loop.call_soon(body.break_off, refusal)
