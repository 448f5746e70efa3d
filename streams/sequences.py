"""Envelopes a gateway sent twice: dropped whole, by their number. Pure.

A gateway numbers its envelopes per partition, and sends one again when it can't know whether Kafka has it; see
``ingest.delivery``. Per partition the worker remembers each gateway's last number; what is not beyond it was taken
already. Messages without gateway and number, as other producers send them, are not looked at.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import orjson

from schemas.topics import HEADER_GATEWAY, HEADER_SEQUENCE

PREFIX = b"gateway/"
"""State keys: this and the gateway's id."""
FORGOTTEN_MS = 8 * 24 * 3_600_000
"""After so much stream time without a message a gateway is forgotten. The raw log is kept for seven days, and a spool
that is older was left by somebody who has to ask first.
"""
_MAX_DIGITS = 18


class Last(NamedTuple):
    """A gateway's last number in the partition, and the stamp of the message that had it."""

    number: int
    stamp: int


class Sequences:
    """The last numbers of a partition, as committed: the gateway heard of longest ago first."""

    def __init__(self, state: Mapping[bytes, bytes]) -> None:
        known = [(key, Last(*orjson.loads(value))) for key, value in state.items() if key.startswith(PREFIX)]
        self._known = dict(sorted(known, key=lambda entry: entry[1].stamp))

    def batch(self) -> "SequenceBatch":
        """What a batch sees and changes; nothing of it holds before ``commit``."""
        return SequenceBatch(self._known)

    def commit(self, batch: "SequenceBatch") -> None:
        """The batch is in the log."""
        for key, last in batch.changed.items():
            self._known.pop(key, None)  # so that they stay in the order of their stamps
            if last is not None:
                self._known[key] = last


class SequenceBatch:
    """The numbers of one batch on top of the committed ones."""

    def __init__(self, known: Mapping[bytes, Last]) -> None:
        self._known = known
        self._joined: int | None = None
        """When the newest of those came that were not known."""
        self.changed: dict[bytes, Last | None] = {}

    def is_repeated(self, headers: Iterable[tuple[str, bytes]], now: int) -> bool:
        """Whether a message was taken before; if not, it counts as taken. ``now``: stream time with it."""
        sent = _sent_by(headers)
        if sent is None:
            return False
        key, number = sent
        last = self._last(key)
        if last is not None and now - last.stamp > FORGOTTEN_MS:
            last = None
        if last is not None and number <= last.number:
            return True
        if last is None:
            self._joined = now
        self.changed.pop(key, None)
        self.changed[key] = Last(number, now)
        return False

    def changes(self) -> dict[bytes, bytes | None]:
        """The changes of state."""
        if self._joined is not None:
            self._forget(self._joined)
        return {key: None if last is None else orjson.dumps(list(last)) for key, last in self.changed.items()}

    def _last(self, key: bytes) -> Last | None:
        return self.changed[key] if key in self.changed else self._known.get(key)

    def _forget(self, now: int) -> None:
        """Remove those that are forgotten: with each batch in which a new one came, so there are few of them. Looks at
        no others: anybody who may write to the log could make up a gateway for each message.
        """
        gone = []
        for known in (self._known, self.changed):
            for key, last in known.items():
                if last is not None and now - last.stamp <= FORGOTTEN_MS:
                    break
                if last is not None and self._last(key) == last:
                    gone.append(key)
        self.changed |= dict.fromkeys(gone)


def _sent_by(headers: Iterable[tuple[str, bytes]]) -> tuple[bytes, int] | None:
    """State key of the gateway, and the number; None unless both are there and what a gateway writes."""
    gateway = number = None
    for name, value in headers:
        if name == HEADER_GATEWAY:
            gateway = value
        elif name == HEADER_SEQUENCE:
            number = value
    if not gateway or not number or len(number) > _MAX_DIGITS or not number.isdigit() or not _is_id(gateway):
        return None
    return PREFIX + gateway, int(number)


@lru_cache(maxsize=1_024)
def _is_id(text: bytes) -> bool:
    try:
        return str(UUID(text.decode("ascii"))).encode() == text
    except ValueError:
        return False
