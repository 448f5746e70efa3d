"""What the batch loop asks of those who know what the messages mean, and what they give back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.envelope import Headers
from streams.chunk import Chunk


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka message to be produced within the batch's transaction."""

    topic: str
    partition: int
    value: bytes | None
    key: bytes | None = None
    headers: Headers | None = None


@dataclass(slots=True)
class Outcome:
    """What a batch comes to: ``records`` to produce, ``changes`` of state (None removes a key), and ``applied``,
    called once the transaction is committed, to update what is derived from state. ``end`` is how far it got: a
    processor whose outcome grows too large for one transaction stops early, between two messages, and is given the
    rest again.
    """

    records: list[Record]
    changes: dict[bytes, bytes | None]
    end: int
    applied: Callable[[], None]
    lines: int = 0


class Processor(Protocol):
    """One partition's logic. It never blocks, touches neither Kafka nor the clock, and gives the same outcome for the
    same state and chunks. An exception from any method ends the process; a bad message is not an exception.
    """

    def restore(self, state: dict[bytes, bytes]) -> None:
        """Called once with the loaded state, which stays the batch loop's own: read it, never change it."""

    def process(self, chunks: Sequence[Chunk]) -> Outcome:
        """Turn chunks, adjoining and in order, into rows and changes of state."""
