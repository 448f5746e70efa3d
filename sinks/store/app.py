"""ClickHouse's HTTP interface in front of the embedded engine."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sinks.store.engine import Call, Engine, QueryError
from sinks.store.guard import READONLY, Guard, explained, reading
from sinks.store.request import read_call

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
# So much of a result is kept back, in which an error still becomes the answer's status.
_HOLD_BACK = 1024 * 1024
_NOT_FOUND = {46, 47, 60, 81}
_CLIENT_FAULT = {6, 26, 27, 36, 41, 48, 53, 62, 115, 117, 130, 271, 386, 457}
_TOO_LARGE = 307


class ClientGoneError(Exception):
    """The client closed its connection before the answer."""


class QueryEndpoint:
    """``GET`` and ``POST /``: one query; a GET only reads. A read whose client goes away is stopped."""

    def __init__(self, engine: Engine, concurrency: int, max_body_bytes: int, guard: Guard) -> None:
        self._engine = engine
        self._guard = guard
        self._limit = max_body_bytes
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="query")
        # Stopping a query must not queue behind the queries that keep all threads busy.
        self._stoppers = ThreadPoolExecutor(1, thread_name_prefix="stop")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        headers = Headers(scope=scope)
        if (refusal := self._guard.refusal(headers)) is not None:
            await PlainTextResponse(f"{refusal}\n", 403)(scope, receive, send)
            return
        query_string = scope["query_string"].decode("latin-1")
        answer = _Answering(send, Headers(scope=scope), query_string)
        try:
            body = await self._body(receive)
            if not body and not query_string:
                await PlainTextResponse("Ok.\n")(scope, receive, send)
                return
            call = read_call(query_string, headers, body, self._limit)
            if scope["method"] != "POST":
                call = reading(call)
            await self._serve(call, receive, answer)
        except QueryError as error:
            await answer.fail(explained(error, scope["method"]))
        except ClientGoneError:
            _log.debug("a client went away before its answer")

    def close(self) -> None:
        """Wait for the threads; the engine has been closed before."""
        self._threads.shutdown()
        self._stoppers.shutdown()

    async def _body(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            part = message.get("body", b"")
            size += len(part)
            if size > self._limit:
                raise QueryError(f"The body has more than {self._limit} bytes", _TOO_LARGE)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def _serve(self, call: Call, receive: Receive, answer: "_Answering") -> None:
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            if call.streams:
                await self._stream(call, gone, answer)
            else:
                result = await self._unless_gone(call, gone, lambda: self._engine.run(call))
                await answer.whole(call, result.body, result.summary)
        finally:
            gone.cancel()

    async def _stream(self, call: Call, gone: "asyncio.Future[None]", answer: "_Answering") -> None:
        blocks = self._engine.stream(call)
        held: list[bytes] = []
        try:
            while True:
                block = await self._unless_gone(call, gone, lambda: _next(blocks))
                if block is None:
                    break
                held.append(block)
                if answer.started or sum(map(len, held)) > _HOLD_BACK:
                    await answer.piece(call, b"".join(held))
                    held.clear()
            if answer.started:
                await answer.end()
            else:
                await answer.whole(call, b"".join(held), {})
        finally:
            await asyncio.get_running_loop().run_in_executor(self._threads, _close, blocks)

    async def _unless_gone(self, call: Call, gone: "asyncio.Future[None]", work: Callable[[], _T]) -> _T:
        """The result of ``work``, done in a thread; a read is stopped when its client goes away meanwhile."""
        loop = asyncio.get_running_loop()
        task = loop.run_in_executor(self._threads, work)
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        while not task.done():
            # Asked again until it is over: the query may not have reached the engine at the first time.
            if call.statement.reads:
                await loop.run_in_executor(self._stoppers, self._engine.stop, call.token)
            await asyncio.wait((task,), timeout=0.2)
        return task.result()


class _Answering:
    """The answer to one request: its headers once, its body whole or in pieces."""

    def __init__(self, send: Send, headers: Mapping[str, str], query_string: str) -> None:
        self._send = send
        self._query_id = _query_id(query_string)
        self.started = False

    async def whole(self, call: Call, body: bytes, summary: Mapping[str, str]) -> None:
        """The whole answer."""
        extra = [(b"content-length", str(len(body)).encode())]
        await self._start(200, [*self._about(call, summary), *extra])
        await self._send({"type": "http.response.body", "body": body})

    async def piece(self, call: Call, body: bytes) -> None:
        """A piece of the answer, after which more follow."""
        if not self.started:
            await self._start(200, self._about(call, {}))
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self) -> None:
        """The end of an answer in pieces."""
        await self._send({"type": "http.response.body", "body": b""})

    async def fail(self, error: QueryError) -> None:
        """The error as the answer; within a body that has begun, as ClickHouse does, as its last words."""
        text = f"{error.message}\n".encode()
        if self.started:
            await self._send({"type": "http.response.body", "body": b"\n" + text, "more_body": True})
            # No end of the body: the client must see that it is cut off.
            raise error
        headers = [
            (b"content-type", b"text/plain; charset=UTF-8"),
            (b"content-length", str(len(text)).encode()),
            (b"x-clickhouse-exception-code", str(error.code).encode()),
            (b"x-clickhouse-query-id", self._query_id),
        ]
        await self._start(_status(error.code), headers)
        await self._send({"type": "http.response.body", "body": text})

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def _about(self, call: Call, summary: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        headers = [
            (b"content-type", _content_type(call.format)),
            (b"x-clickhouse-query-id", self._query_id),
            (b"x-clickhouse-timezone", b"UTC"),
            (b"x-clickhouse-server-display-name", b"weir-store"),
            (b"x-clickhouse-summary", orjson.dumps(dict(summary))),
        ]
        if call.statement.answers:
            headers.append((b"x-clickhouse-format", call.format.encode("latin-1", "replace")))
        return headers


def create_app(engine: Engine, endpoint: QueryEndpoint) -> Starlette:
    """The routes of the store."""

    async def ping(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("Ok.\n")(scope, receive, send)

    return Starlette(routes=[Route("/ping", _Asgi(ping)), Route("/", endpoint, methods=["GET", "POST", "HEAD"])])


class _Asgi:
    """Tells Starlette that an endpoint is an ASGI application, not a function of a request."""

    def __init__(self, application: Callable[..., object]) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)  # type: ignore[misc]


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _next(blocks: Iterator[bytes]) -> bytes | None:
    return next(blocks, None)


def _close(blocks: Iterator[bytes]) -> None:
    close = getattr(blocks, "close", None)
    if close is not None:
        close()


def _query_id(query_string: str) -> bytes:
    given = parse_qs(query_string).get("query_id", [""])[0]
    return given.encode("latin-1", "replace") if given.isprintable() and given else str(uuid.uuid4()).encode()


def _status(code: int) -> int:
    if code in _NOT_FOUND:
        return 404
    if code == _TOO_LARGE:
        return 413
    if code == READONLY:
        return 403
    if code == 236:
        return 503
    return 400 if code in _CLIENT_FAULT else 500


def _content_type(format_name: str) -> bytes:
    if format_name.startswith("JSON"):
        return b"application/json; charset=UTF-8"
    if format_name.startswith(("TabSeparated", "TSV")):
        return b"text/tab-separated-values; charset=UTF-8"
    if format_name.startswith("CSV"):
        return b"text/csv; charset=UTF-8"
    return b"application/octet-stream"
