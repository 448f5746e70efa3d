"""What stands under each path of a profile or group, and which paths can't stand beside which."""

from collections.abc import Mapping
from typing import Any


class Entries(dict[str, list[Any]]):
    """Property path (or trait) to [value, event time in milliseconds]. Change it by ``put`` and ``remove`` alone.

    A path is either a value or an object, never both. What lies below a path is looked up, not looked for: an
    operation may name hundreds of paths of a profile that has a thousand.
    """

    __slots__ = ("_below",)

    def __init__(self, entries: Mapping[str, list[Any]] | None = None) -> None:
        super().__init__(entries or {})
        self._below: dict[str, set[str]] | None = None
        """Made when it is first asked for: most operations name what stands already."""

    def put(self, path: str, entry: list[Any]) -> None:
        """Note an entry, whatever was there before."""
        if self._below is not None and path not in self:
            for above in _above(path):
                self._below.setdefault(above, set()).add(path)
        self[path] = entry

    def remove(self, path: str) -> list[Any] | None:
        """Take an entry away; it, or None if there was none."""
        entry = self.pop(path, None)
        if entry is not None and self._below is not None:
            for above in _above(path):
                self._below[above].discard(path)
        return entry

    def below(self, path: str) -> list[str]:
        """The paths below this one, in no order."""
        if self._below is None:
            self._below = {}
            for each in self:
                for above in _above(each):
                    self._below.setdefault(above, set()).add(each)
        return list(self._below.get(path, ()))

    def in_the_way(self, path: str) -> list[str]:
        """The paths that can't stand beside this one: those above and below it."""
        return [above for above in _above(path) if above in self] + self.below(path)


def _above(path: str) -> list[str]:
    """``properties.a`` and ``properties.a.b`` of ``properties.a.b.c``: the first segment alone is no path."""
    parts = path.split(".")
    return [".".join(parts[:length]) for length in range(2, len(parts))]
