"""The ring of a device's last event ids, which drops what a sender repeats.

It is kept in segments, each a key of its own in the state: a whole ring is 8 KB, and a batch rewrites only the
segment it adds to.
"""

from collections.abc import Callable

HASH_BYTES = 8
SEGMENT_IDS = 64
SEGMENTS = 17
"""One is being filled, 16 are full: at least the last 1,024 ids are known."""


class Ring:
    """The ids of one device. ``filling`` is the number of the segment being filled, counted from 0 for ever; ``load``
    gives the bytes of a stored segment's slot, or None.
    """

    __slots__ = ("_load", "_slots", "changed", "filling")

    def __init__(self, filling: int, load: Callable[[int], bytes | None]) -> None:
        self.filling = filling
        self.changed: set[int] = set()
        self._load = load
        self._slots: dict[int, bytes] = {}

    def add(self, id_hash: bytes) -> bool:
        """Remember an id; False if it is known already and nothing changed."""
        for number in range(self.filling, max(-1, self.filling - SEGMENTS), -1):
            if _holds(self.slot(number % SEGMENTS), id_hash):
                return False
        current = self.slot(self.filling % SEGMENTS)
        if len(current) >= SEGMENT_IDS * HASH_BYTES:
            self.filling += 1
            current = b""
        slot = self.filling % SEGMENTS
        self._slots[slot] = current + id_hash
        self.changed.add(slot)
        return True

    def slot(self, slot: int) -> bytes:
        """The ids of a slot, one after the other."""
        found = self._slots.get(slot)
        if found is None:
            found = self._slots[slot] = self._load(slot) or b""
        return found


def _holds(segment: bytes, id_hash: bytes) -> bool:
    at = segment.find(id_hash)
    while at >= 0:
        if at % HASH_BYTES == 0:
            return True
        at = segment.find(id_hash, at + 1)
    return False
