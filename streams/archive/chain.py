"""The parts of a raw partition as a chain of offsets: how far the archive reaches, and what it lacks. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from streams.archive.part import Part, read_name
from streams.archive.place import ArchivePlace


class Chain(NamedTuple):
    """The parts of one epoch and partition that follow each other, in order, each from where the one before ended."""

    epoch: int
    partition: int
    parts: tuple[Part, ...]
    gaps: tuple[tuple[int, int], ...]
    """Offsets between two parts that no part covers: messages were lost before they were archived."""
    overlaps: tuple[Part, ...]
    """Parts that cover what others cover too. Harmless: a reader takes each offset once."""

    @property
    def start(self) -> int:
        """The first offset covered."""
        return self.parts[0].start

    @property
    def end(self) -> int:
        """The offset after the last one covered."""
        return max(part.end for part in self.parts)


def chains(parts: Iterable[Part]) -> list[Chain]:
    """The chains that these parts make, by epoch and partition."""
    grouped: dict[tuple[int, int], list[Part]] = {}
    for part in parts:
        grouped.setdefault((part.epoch, part.partition), []).append(part)
    return [_chain(*key, sorted(found)) for key, found in sorted(grouped.items())]


def read_chains(place: ArchivePlace, epoch: int | None = None) -> list[Chain]:
    """The chains in an archive, of one epoch or of all. Reads names only."""
    names = place.names("" if epoch is None else str(epoch))
    return chains(part for name in names if (part := read_name(name)) is not None)


def _chain(epoch: int, partition: int, parts: list[Part]) -> Chain:
    gaps: list[tuple[int, int]] = []
    overlaps: list[Part] = []
    reached = parts[0].start
    for part in parts:
        if part.start > reached:
            gaps.append((reached, part.start))
        elif part.start < reached:
            overlaps.append(part)
        reached = max(reached, part.end)
    return Chain(epoch, partition, tuple(parts), tuple(gaps), tuple(overlaps))
