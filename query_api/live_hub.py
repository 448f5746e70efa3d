"""Live visitors for those who look on: however many look at a project, it is looked up once every so often."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from query_api.errors import QueryApiError
from query_api.live_visitors import LiveView

log = logging.getLogger(__name__)


class Watcher:
    """One who looks on. Holds one view at most, the newest that was not taken yet; None: there is none now."""

    def __init__(self) -> None:
        self._latest: asyncio.Queue[LiveView | None] = asyncio.Queue(maxsize=1)
        self._shown: dict[str, int] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether there is nothing new to be taken."""
        return self._latest.empty()

    def put(self, view: LiveView | None) -> None:
        """A newer view takes the place of one that was not taken."""
        if self._latest.full():
            self._latest.get_nowait()
        self._latest.put_nowait(view)

    async def next(self) -> dict[str, Any]:
        """What changed since this was last asked: ``visitors`` (their number, or None), ``seen`` (newest first: at
        first everybody who is shown, then whoever came or did something; what is not known is left out), ``left``
        (those shown no more).
        """
        view = await self._latest.get()
        if view is None:
            return {"visitors": None, "seen": [], "left": []}
        new = [visitor for visitor in view.visitors if self._shown.get(visitor.visitor) != visitor.seen]
        seen = [visitor.model_dump(exclude_defaults=True) for visitor in new]
        now = {visitor.visitor: visitor.seen for visitor in view.visitors}
        left = [name for name in self._shown if name not in now]
        self._shown = now
        return {"visitors": view.count, "seen": seen, "left": left}


class LiveHub:
    """Looks up the projects that somebody watches. One event loop; ``look`` may raise QueryApiError, which is logged
    and tried again at the next turn.
    """

    def __init__(self, look: Callable[[str], Awaitable[LiveView]], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._watchers: dict[str, set[Watcher]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def watch(self, project_id: str) -> AsyncIterator[Watcher]:
        """A watcher that gets the project's view now and every so often, until the context ends."""
        watcher = Watcher()
        watchers = self._watchers.setdefault(project_id, set())
        watchers.add(watcher)
        try:
            watcher.put(await self._look(project_id))
            if project_id not in self._tasks:
                self._tasks[project_id] = asyncio.create_task(self._keep_looking(project_id))
            yield watcher
        finally:
            watchers.discard(watcher)
            if not watchers and self._watchers.get(project_id) is watchers:
                del self._watchers[project_id]
                if (task := self._tasks.pop(project_id, None)) is not None:
                    task.cancel()

    async def close(self) -> None:
        """Stop looking."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_looking(self, project_id: str) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                view: LiveView | None = await self._look(project_id)
            except QueryApiError as error:
                log.warning("live visitors of %s could not be counted: %s", project_id, error)
                # An old number would look like a true one.
                view = None
            for watcher in self._watchers.get(project_id, ()):
                watcher.put(view)
