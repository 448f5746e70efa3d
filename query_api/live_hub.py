"""Live counters: however many look at a project, it is counted once every few seconds."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from query_api.errors import QueryApiError

log = logging.getLogger(__name__)

Latest = asyncio.Queue[int | None]
"""Holds one number at most: the newest that was not taken yet. None: it cannot be counted at the moment."""


class LiveHub:
    """Counts the projects that somebody watches. One event loop; ``count`` may raise QueryApiError, which is logged
    and tried again at the next turn.
    """

    def __init__(self, count: Callable[[str], Awaitable[int]], seconds: float) -> None:
        self._count = count
        self._seconds = seconds
        self._watchers: dict[str, set[Latest]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def watch(self, project_id: str) -> AsyncIterator[Latest]:
        """A queue that gets the project's number now and every few seconds, until the context ends."""
        latest = Latest(maxsize=1)
        watchers = self._watchers.setdefault(project_id, set())
        watchers.add(latest)
        try:
            self._put(latest, await self._count(project_id))
            if project_id not in self._tasks:
                self._tasks[project_id] = asyncio.create_task(self._keep_counting(project_id))
            yield latest
        finally:
            watchers.discard(latest)
            if not watchers and self._watchers.get(project_id) is watchers:
                del self._watchers[project_id]
                if (task := self._tasks.pop(project_id, None)) is not None:
                    task.cancel()

    async def close(self) -> None:
        """Stop counting."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_counting(self, project_id: str) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                visitors: int | None = await self._count(project_id)
            except QueryApiError as error:
                log.warning("live visitors of %s could not be counted: %s", project_id, error)
                # An old number would look like a true one.
                visitors = None
            for latest in self._watchers.get(project_id, ()):
                self._put(latest, visitors)

    @staticmethod
    def _put(latest: Latest, visitors: int | None) -> None:
        if latest.full():
            latest.get_nowait()
        latest.put_nowait(visitors)
