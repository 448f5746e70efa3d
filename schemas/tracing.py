"""Traces: how gateway and worker make them, and how a trace travels in Kafka's headers.

Nothing of OpenTelemetry is imported, and nothing is traced, unless an endpoint is set. A message's header
``traceparent`` (W3C Trace Context) names the span that wrote it; only sampled traces are written there. Spans carry
what was done and where, never what was in it.
"""

import os
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, SpanKind

HEADER_TRACE = "traceparent"
MAX_LINKS = 128
"""A span is linked to so many others at most."""
_EXPORT_MS = 1_000
_TRACEPARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

Value = str | int | float | bool


def open_tracing(service: str, endpoint: str, ratio: float) -> "Tracing | None":
    """Traces of a service, sent to an OTLP endpoint (its base address, over HTTP); None without one."""
    return Tracing(service, endpoint, ratio) if endpoint else None


class Tracing:
    """Makes spans and sends them off from a thread of its own; what can't be sent is dropped. Safe from any thread.

    ``ratio`` of the traces that begin here are taken, whoever asks for more; those that began at another service of
    ours go on.
    """

    def __init__(self, service: str, endpoint: str, ratio: float) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        resource = Resource.create(
            {"service.namespace": "weir", "service.name": service, "service.instance.id": str(os.getpid())}
        )
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)), resource=resource, shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_EXPORT_MS))
        self._tracer = self._provider.get_tracer("weir")

    def span(
        self,
        name: str,
        kind: "SpanKind",
        parents: Sequence["SpanContext"] = (),
        attributes: dict[str, Value] | None = None,
    ) -> "Span":
        """A span that has begun. It belongs to the trace of the first parent and is linked to the others."""
        from opentelemetry.context import Context
        from opentelemetry.trace import Link, NonRecordingSpan, set_span_in_context

        context = set_span_in_context(NonRecordingSpan(parents[0]), Context()) if parents else Context()
        links = [Link(parent) for parent in parents[1 : MAX_LINKS + 1]]
        return self._tracer.start_span(name, context, kind, attributes, links)

    def close(self) -> None:
        """Send off what is left; blocks for some seconds at most."""
        self._provider.shutdown()


def trace_header(span: "Span") -> tuple[str, bytes] | None:
    """The header for a message that ``span`` writes; None for a span that is not sampled."""
    context = span.get_span_context()
    if not context.trace_flags.sampled:
        return None
    return HEADER_TRACE, b"00-%032x-%016x-01" % (context.trace_id, context.span_id)


def trace_of(headers: Iterable[tuple[str, bytes | None]]) -> "SpanContext | None":
    """Who wrote a message with these headers, if it was sampled."""
    for name, value in headers:
        if name == HEADER_TRACE and value is not None:
            return parse_traceparent(value)
    return None


def parse_traceparent(value: bytes) -> "SpanContext | None":
    """The span a ``traceparent`` names; None if it names none or is not sampled."""
    from opentelemetry.trace import SpanContext, TraceFlags

    found = _TRACEPARENT.fullmatch(value)
    if found is None or not int(found[3], 16) & TraceFlags.SAMPLED:
        return None
    context = SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(1))
    return context if context.is_valid else None
