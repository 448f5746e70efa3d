"""Traces of requests and of the envelopes that carry their events on. In use only when an OTLP endpoint is set.

A request's span ends with its answer. An envelope's span begins when the envelope is closed and ends when it is
durable; it belongs to the trace of its first traced request and is linked to the others'. Workers go on from there.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp

from ingest.answers import Receive, Scope, Send
from schemas.envelope import Headers
from schemas.topics import RAW
from schemas.tracing import Tracing, Value, trace_header

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

Report = Callable[[str | None], None]

_REQUEST: ContextVar["SpanContext | None"] = ContextVar("request", default=None)


def current_request() -> "SpanContext | None":
    """The request being worked on, if it is traced."""
    return _REQUEST.get()


class TracedRequests:
    """ASGI application: another one, each of its requests in a span. What a sender says of its own trace is not taken
    up: who may send events from a page could have everything traced.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing, protocol: str) -> None:
        self._app = app
        self._tracing = tracing
        self._protocol = protocol

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        from opentelemetry.trace import SpanKind, StatusCode

        said: dict[str, Value] = {
            "http.request.method": scope["method"],
            "http.route": scope["path"],
            "weir.protocol": self._protocol,
        }
        span = self._tracing.span(f"{scope['method']} {scope['path']}", SpanKind.SERVER, attributes=said)
        if not span.is_recording():
            await self._app(scope, receive, send)
            return

        async def send_noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
                reason = dict(message["headers"]).get(b"x-weir-reason")
                if reason is not None:
                    span.set_attribute("weir.reason", reason.decode("latin-1"))
                if message["status"] >= 500:
                    span.set_status(StatusCode.ERROR)
            await send(message)

        token = _REQUEST.set(span.get_span_context())
        try:
            await self._app(scope, receive, send_noted)
        finally:
            _REQUEST.reset(token)
            span.end()


class TracedEnvelopes:
    """Spans of envelopes, from being closed to being durable."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def closed(
        self, partition: int, lines: int, requests: list["SpanContext"], headers: Headers, report: Report
    ) -> Report:
        """Begin the span of an envelope of these requests and put it into the envelope's headers; the report to be
        given in place of ``report`` ends it.
        """
        if not requests:
            return report
        from opentelemetry.trace import SpanKind, StatusCode

        said: dict[str, Value] = {
            "messaging.system": "kafka",
            "messaging.operation.type": "send",
            "messaging.destination.name": RAW,
            "messaging.destination.partition.id": str(partition),
            "messaging.batch.message_count": lines,
        }
        parents = list({request.span_id: request for request in requests}.values())
        span = self._tracing.span(f"send {RAW}", SpanKind.PRODUCER, parents, said)
        header = trace_header(span)
        if header is not None:
            headers.append(header)

        def noted(failure: str | None) -> None:
            if failure is not None:
                span.set_status(StatusCode.ERROR, failure)
            span.end()
            report(failure)

        return noted
