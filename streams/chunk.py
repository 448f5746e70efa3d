"""A chunk: what one fetch brought of one partition, with the positions before and after it.

Offsets of a log have holes (transaction markers, aborted messages); the chain of positions has none. So progress is
a chain of half-open ranges, and what lies in a range without a message is known to be nothing.
"""

from typing import NamedTuple, Protocol


class SourceMessage(Protocol):
    """What is read of a Kafka record; aiokafka's ``ConsumerRecord`` is one. ``timestamp`` is in milliseconds."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]: ...


class Chunk(NamedTuple):
    """All committed messages of ``topic``/``partition`` with offsets in [``start``, ``end``), ascending."""

    topic: str
    partition: int
    start: int
    messages: list[SourceMessage]
    end: int

    @property
    def bytes(self) -> int:
        """Size of the values, uncompressed."""
        return sum(len(message.value or b"") for message in self.messages)


class BrokenChain(Exception):
    """Positions do not join: something between two chunks was skipped. The process must end."""


def cut(chunk: Chunk, next_offset: int) -> Chunk | None:
    """``chunk`` without what lies before ``next_offset``; None when nothing is left.

    Raises BrokenChain when the chunk starts beyond ``next_offset`` or its messages are not ascending within it.
    """
    if chunk.start > next_offset:
        raise BrokenChain(f"{chunk.topic}/{chunk.partition}: expected {next_offset}, got {chunk.start}")
    previous = chunk.start - 1
    for message in chunk.messages:
        if not previous < message.offset < chunk.end:
            raise BrokenChain(f"{chunk.topic}/{chunk.partition}: {message.offset} not in [{chunk.start}, {chunk.end})")
        previous = message.offset
    if chunk.end <= next_offset:
        return None
    if chunk.start == next_offset:
        return chunk
    return chunk._replace(start=next_offset, messages=[m for m in chunk.messages if m.offset >= next_offset])


def split(chunk: Chunk, max_bytes: int, max_messages: int) -> tuple[Chunk, Chunk | None]:
    """The longest head of ``chunk`` within both bounds (one message at least), and the rest of it."""
    size = 0
    for index, message in enumerate(chunk.messages):
        size += len(message.value or b"")
        if index and (size > max_bytes or index >= max_messages):
            head = chunk._replace(messages=chunk.messages[:index], end=message.offset)
            return head, chunk._replace(start=message.offset, messages=chunk.messages[index:])
    return chunk, None
