"""Traces of batches. In use only when an OTLP endpoint is set.

A batch's span belongs to the trace of the first traced message in it and is linked to the others'; what the batch
writes carries it on in the header ``traceparent``. Its attributes name partition and offsets, by which the rows it
wrote are found (``raw_partition``, ``raw_offset``). Batches without a traced message make no span.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from schemas.envelope import Headers
from schemas.tracing import Tracing, Value, trace_header, trace_of
from streams.chunk import Chunk

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class TracedBatches:
    """Spans of batches, from the first computation to the commit."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def begin(self, chunks: Sequence[Chunk]) -> "TracedBatch | None":
        """The span of a batch, begun; None when nothing in it is traced."""
        from opentelemetry.trace import SpanKind

        messages = [message for chunk in chunks for message in chunk.messages]
        parents = [context for message in messages if (context := trace_of(message.headers)) is not None]
        if not parents:
            return None
        topic, partition = chunks[0].topic, chunks[0].partition
        said: dict[str, Value] = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(partition),
            "messaging.batch.message_count": len(messages),
            "weir.offset.first": messages[0].offset,
        }
        return TracedBatch(self._tracing.span(f"process {topic}", SpanKind.CONSUMER, parents, said))

    def close(self) -> None:
        """Send off what is left."""
        self._tracing.close()


class TracedBatch:
    """One batch's span. Whatever is not ended is never sent: a batch that was not committed has no end."""

    def __init__(self, span: "Span") -> None:
        self._span = span
        header = trace_header(span)
        self.headers: Headers = [] if header is None else [header]
        """Put beside the headers of what the batch writes."""

    def committed(self, end: int, lines: int, records: int) -> None:
        """The transaction is in the log."""
        self._span.set_attributes({"weir.offset.end": end, "weir.lines": lines, "weir.records": records})
        self._span.end()
