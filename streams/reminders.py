"""Devices by when they were last heard of: who is due next, without looking at all of them.

An index of the state, so it needs no transaction and no place in the changelog. Entries may be stale, never too late:
whoever takes one asks the device itself and puts it back if it was heard of since. So a rebuilt index, in which none is
stale, gives the same devices in the same order.
"""

import heapq
from collections import Counter
from collections.abc import Iterable

Entry = tuple[int, bytes]
"""Arrival in milliseconds of stream time, and the device's key."""


class Reminders:
    """One entry per device that is to be reminded of."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = list(entries)
        heapq.heapify(self._entries)
        self._taken: list[Entry] = []
        self._added: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self) -> None:
        """A batch begins: ``undo`` gives back what there is now."""
        self._taken.clear()
        self._added.clear()

    def add(self, arrival: int, key: bytes) -> None:
        """Remind of the device."""
        entry = (arrival, key)
        self._added.append(entry)
        heapq.heappush(self._entries, entry)

    def take(self, before: int) -> Entry | None:
        """The first entry, by arrival and key, if its arrival lies before that time; it is no more in the index."""
        if not self._entries or self._entries[0][0] >= before:
            return None
        entry = heapq.heappop(self._entries)
        self._taken.append(entry)
        return entry

    def undo(self) -> None:
        """What the batch took is there again, what it added is not."""
        added = Counter(self._added)
        entries = []
        for entry in self._entries + self._taken:
            if added[entry] > 0:
                added[entry] -= 1
            else:
                entries.append(entry)
        heapq.heapify(entries)
        self._entries = entries
        self.begin()
