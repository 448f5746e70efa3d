"""How much memory the engine may take: of the machine, of one query, of the caches."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
SMALLEST = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the whole engine and of one query; the rest follows from them."""

    engine: int
    query: int

    @property
    def spill(self) -> int:
        """From so many bytes on a query's sorting and grouping go on on disk. Well below the query's bound: what it has
        already is written out piece by piece.
        """
        return self.query * 3 // 8

    @property
    def merges(self) -> int:
        """With so many bytes in merges no further merge begins."""
        return self.engine // 2

    @property
    def cache(self) -> int:
        """Largest size of one cache. The engine's own sizes are those of a large server, up to 5 GiB each."""
        return self.engine // 16

    def bounded(self, settings: Mapping[str, str]) -> dict[str, str]:
        """The settings of a call with its memory bounded: it may ask for less, not for more."""
        bounds = {
            "max_memory_usage": self.query,
            "max_bytes_before_external_group_by": self.spill,
            "max_bytes_before_external_sort": self.spill,
        }
        return {**settings, **{name: str(_least(settings.get(name, ""), bound)) for name, bound in bounds.items()}}


def settled(engine: int | None, query: int | None) -> Memory:
    """The bounds that are set; by default half of the machine's memory, or of the container's, and half of that for one
    query.
    """
    whole = engine if engine is not None else max(_machine() // 2, SMALLEST)
    return Memory(whole, min(query if query is not None else whole // 2, whole))


def _least(asked: str, bound: int) -> int:
    """0 means without a bound to the engine."""
    return min(int(asked), bound) if asked.isdecimal() and int(asked) > 0 else bound


def _machine() -> int:
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in _CGROUP_LIMITS:
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            sizes.append(int(text))
    return min(sizes)
