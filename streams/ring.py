"""The ring of a device's last event ids, which drops what a sender repeats.

It is kept in segments. The one being filled is part of the device's own state, for most devices never have another;
full ones are keys of their own, so that a batch rewrites 512 bytes at most and not the 8 KB of a whole ring.
"""

from collections.abc import Callable, Iterator

HASH_BYTES = 8
SEGMENT_IDS = 64
FULL_SEGMENTS = 16
"""At least the last 1,024 ids are known."""
SEGMENT_BYTES = SEGMENT_IDS * HASH_BYTES


class Ring:
    """The ids of one device. ``filling`` is the number of the segment being filled, counted from 0 for ever,
    ``segment`` what it holds; ``load`` gives the bytes of a full segment's slot, or None. ``full`` are the segments
    filled since, by slot.
    """

    __slots__ = ("_load", "_older", "filling", "full", "segment")

    def __init__(self, filling: int, segment: bytes, load: Callable[[int], bytes | None]) -> None:
        self.filling = filling
        self.segment = segment
        self.full: dict[int, bytes] = {}
        self._load = load
        self._older: bytes | None = None if filling else b""

    def add(self, id_hash: bytes) -> bool:
        """Remember an id; False if it is known already and nothing changed."""
        segment = self.segment
        if _holds(segment, id_hash):
            return False
        older = self._older
        if older is None:
            older = self._older = self._join()
        if older and _holds(older, id_hash):
            return False
        if len(segment) >= SEGMENT_BYTES:
            self.full[self.filling % FULL_SEGMENTS] = segment
            self.filling += 1
            self._older = (older + segment)[-FULL_SEGMENTS * SEGMENT_BYTES :]
            segment = b""
        self.segment = segment + id_hash
        return True

    @property
    def has_forgotten(self) -> bool:
        """Whether there were ids that are not known any more: what comes now may be a repeat of one."""
        return self.filling > FULL_SEGMENTS

    def slots(self) -> Iterator[int]:
        """The slots that hold a full segment."""
        return (number % FULL_SEGMENTS for number in range(max(0, self.filling - FULL_SEGMENTS), self.filling))

    def _join(self) -> bytes:
        return b"".join([self._load(slot) or b"" for slot in self.slots()])


def _holds(segment: bytes, id_hash: bytes) -> bool:
    at = segment.find(id_hash)
    while at >= 0:
        if at % HASH_BYTES == 0:
            return True
        at = segment.find(id_hash, at + 1)
    return False
