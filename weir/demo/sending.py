"""Sends hits through the gateway as the official SDKs do, each visitor's in order, and again when it says later."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import aiohttp
import orjson

from weir.demo.traffic import Hit
from weir.demo.visitors import Person
from weir.errors import WeirError

_QUEUED = 100
"""Hits that wait for each connection."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 5.0
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_UNAUTHORIZED = 401
_NO_CLIENT = (
    ". It does not know this client: name another with --client-id and --client-secret (weir client create makes one). "
    "If that was the demo project's own, weir down and weir up give it new ones."
)
_LATER = frozenset({429, 500, 502, 503, 504})


@dataclass(slots=True)
class Tally:
    """What became of the hits so far. ``accepted``: requests answered 200 or 202."""

    accepted: int = 0
    retried: int = 0
    newest_ms: int = 0
    visitors: set[int] = field(default_factory=set)


class Sender:
    """Connections to a gateway. Use as an async context manager; leaving it waits for what was given to ``send``.

    Requests that were refused for now (503 with ``Retry-After``, 429) or got no answer are sent again, for at most
    ``patience_s``. A request without an answer may have been taken: then that event is there twice.

    :raises WeirError: the gateway refused for good, or is away for too long.
    """

    def __init__(self, url: str, client_id: str, client_secret: str, *, connections: int, patience_s: float) -> None:
        self.tally = Tally()
        self._url = f"{url.rstrip('/')}/track"
        self._headers = {
            "content-type": "application/json",
            "openpanel-client-id": client_id,
            "openpanel-client-secret": client_secret,
            "openpanel-sdk-name": "web",
            "openpanel-sdk-version": "1.4.1",
        }
        self._patience_s = patience_s
        self._queues: list[asyncio.Queue[Hit | None]] = [asyncio.Queue(_QUEUED) for _ in range(connections)]
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Sender":
        connector = aiohttp.TCPConnector(limit=len(self._queues))
        self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT)
        self._tasks = [asyncio.create_task(self._work(self._session, queue)) for queue in self._queues]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                for queue in self._queues:
                    await self._put(queue, None)
                await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._session is not None:
                await self._session.close()

    async def send(self, hit: Hit) -> None:
        """Queue a hit; waits while its connection is far behind. Hits of one visitor arrive in the order given."""
        await self._put(self._queues[hit.visitor.number % len(self._queues)], hit)

    async def _put(self, queue: asyncio.Queue[Hit | None], hit: Hit | None) -> None:
        while True:
            for task in self._tasks:
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    raise error
            try:
                queue.put_nowait(hit)
            except asyncio.QueueFull:
                await asyncio.sleep(0.005)
            else:
                return

    async def _work(self, session: aiohttp.ClientSession, queue: asyncio.Queue[Hit | None]) -> None:
        while (hit := await queue.get()) is not None:
            headers = {**self._headers, **_browser_headers(hit)}
            for body in bodies(hit):
                await self._post(session, orjson.dumps(body), headers)
            self.tally.visitors.add(hit.visitor.number)
            self.tally.newest_ms = max(self.tally.newest_ms, hit.time_ms or 0)

    async def _post(self, session: aiohttp.ClientSession, body: bytes, headers: dict[str, str]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        wait = _FIRST_WAIT_S
        while True:
            try:
                async with session.post(self._url, data=body, headers=headers) as response:
                    text = await response.text()
                    status, later = response.status, response.headers.get("retry-after", "")
            except (aiohttp.ClientError, TimeoutError) as error:
                status, later, text = 0, "", str(error) or type(error).__name__
            if status in (200, 202):
                self.tally.accepted += 1
                return
            if status and status not in _LATER:
                remedy = _NO_CLIENT if status == _UNAUTHORIZED else ""
                raise WeirError(f"The gateway refused an event of the demo ({status}): {text[:200]}{remedy}")
            if loop.time() >= deadline:
                raise WeirError(
                    f"The gateway at {self._url} takes no events ({status or 'no answer'}: {text[:200]}): "
                    "see `weir status`, and `weir logs` for why."
                )
            self.tally.retried += 1
            await asyncio.sleep(float(later) if later.isdecimal() else wait)
            wait = min(_LONGEST_WAIT_S, wait * 2)


def bodies(hit: Hit) -> list[dict[str, Any]]:
    """The requests of a hit: an event, and who the visitor is if it has just said so.

    An event of the past carries its time, and the person rides on it, since an identify has no time of its own.
    """
    step = hit.step
    properties = dict(step.properties)
    payload: dict[str, Any] = {"name": step.name, "properties": properties}
    if step.profile_id:
        payload["profileId"] = step.profile_id
    track = {"type": "track", "payload": payload}
    if hit.time_ms is not None:
        moment = datetime.fromtimestamp(hit.time_ms / 1000, UTC)
        properties["__timestamp"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if step.identify is not None:
            properties["__identify"] = _person(step.identify)
        return [track]
    if step.identify is not None:
        return [track, {"type": "identify", "payload": _person(step.identify)}]
    return [track]


def _person(person: Person) -> dict[str, Any]:
    return {
        "profileId": person.profile_id,
        "firstName": person.first_name,
        "lastName": person.last_name,
        "email": person.email,
        "properties": {"plan": person.plan},
    }


def _browser_headers(hit: Hit) -> dict[str, str]:
    visitor = hit.visitor
    return {
        "user-agent": visitor.device.user_agent,
        "openpanel-client-ip": visitor.ip,
        "accept-language": visitor.country.language,
        **dict(visitor.device.hints),
    }


async def send_all(sender: Sender, hits: Iterable[Hit], watch: Callable[[Tally], None]) -> None:
    """Send hits as fast as the gateway takes them."""
    for number, hit in enumerate(hits):
        await sender.send(hit)
        if number % 50 == 0:
            watch(sender.tally)
            await asyncio.sleep(0)


async def send_at_rate(
    sender: Sender, hits: Iterable[Hit], rate: float, duration_s: float, watch: Callable[[Tally], None]
) -> None:
    """Send hits at a steady rate (events per second) for so long; slower if the gateway is."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number, hit in enumerate(hits):
        due = start + number / rate
        while (ahead := due - loop.time()) > 0.002:
            await asyncio.sleep(min(ahead, 0.25))
            watch(sender.tally)
        if loop.time() - start >= duration_s:
            return
        await sender.send(hit)
