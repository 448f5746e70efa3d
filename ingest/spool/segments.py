"""Segments on disk: written, synced, cut, read and deleted. Everything here blocks: not for the event loop."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ingest.spool.records import FRAME_BYTES, MARK, Damage, Found, Spooled, body_length, decode, scan

log = logging.getLogger(__name__)

SEGMENT_BYTES = 8 * 1024 * 1024
"""A segment that has grown to this is closed after the commit that did it."""
SUFFIX = ".segment"


@dataclass(slots=True, eq=False)
class Segment:
    """A file of records. ``size``: its bytes that are known to be on disk; ``waiting``: its records not yet delivered,
    ``since_ms``: when the first of all was written, both kept by those who deliver them.
    """

    path: Path
    size: int
    sealed: bool = False
    waiting: int = 0
    since_ms: int = 0


class Loaded(NamedTuple):
    """A segment that an ended process left, its intact records, and what of it is not what was written."""

    segment: Segment
    found: list[Found]
    damaged: list[Damage]


class SegmentWriter:
    """Appends records to the segments of one directory. For one thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = 0
        self._file = -1
        self._segment: Segment | None = None

    def write(self, records: list[bytes]) -> tuple[Segment, list[int]]:
        """Append all of them and sync: the segment they are in, and where. They are on disk when this returns.

        :raises OSError: none of them is there, and the file is as it was before.
        """
        segment = self._segment or self._begin()
        try:
            _write_all(self._file, b"".join(records))
            os.fdatasync(self._file)
        except OSError:
            self._undo(segment)
            raise
        positions = []
        for record in records:
            positions.append(segment.size)
            segment.size += len(record)
        if segment.size >= SEGMENT_BYTES:
            self._seal()
        return segment, positions

    def discard(self, segment: Segment) -> None:
        """Delete a segment, the one being written too; the next write begins another."""
        if segment is self._segment:
            self._seal()
        segment.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        self._seal()

    def _begin(self) -> Segment:
        self._number += 1
        path = self._directory / f"{self._number:010d}{SUFFIX}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            _write_all(file, MARK)
            os.fsync(file)
            # A file whose name is not on disk is lost with all that is in it.
            sync_directory(self._directory)
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        self._file = file
        self._segment = Segment(path, len(MARK))
        return self._segment

    def _undo(self, segment: Segment) -> None:
        """Back to what was on disk before. The segment is not written again: after a failed sync nobody knows what the
        system believes of its last page.
        """
        try:
            os.ftruncate(self._file, segment.size)
        except OSError as error:
            # What was written is answered 503; should it be read again after all, it is sent, which does no harm.
            log.error("%s could not be cut back: %s", segment.path.name, error.strerror)
        self._seal()
        if segment.size == len(MARK):
            segment.path.unlink(missing_ok=True)

    def _seal(self) -> None:
        if self._segment is not None:
            self._segment.sealed = True
            self._segment = None
            os.close(self._file)


def read_records(segment: Segment, positions: list[int]) -> list[Spooled | None]:
    """The envelopes at these positions; None for one that is not what was written, whose bytes are then kept beside
    the directories.

    :raises OSError: it cannot be read.
    """
    file = os.open(segment.path, os.O_RDONLY)
    try:
        read = [_read_record(file, position) for position in positions]
    finally:
        os.close(file)
    if None in read:
        data = segment.path.read_bytes()
        _keep(segment.path, data, scan(data).damaged)
    return read


def load_segments(directory: Path) -> list[Loaded]:
    """The segments a process that ended left in its directory, in the order they were written. Damaged bytes are kept
    beside the directories, for people.

    :raises OSError: they cannot be read.
    """
    # Not `glob`, for which a directory that may not be read is empty.
    paths = sorted(path for path in directory.iterdir() if path.suffix == SUFFIX)
    return [_load(path, is_last=path is paths[-1]) for path in paths]


def _load(path: Path, *, is_last: bool) -> Loaded:
    data = path.read_bytes()
    found, damaged, torn = scan(data)
    name = f"{path.parent.name}/{path.name}"
    if torn and is_last:
        log.warning("%s: cut %d bytes that were not whole", name, torn)
    elif torn:
        # The end of the last segment is what was being written when the process died: nobody was told that it is
        # safe. Of an earlier one that can't be said.
        damaged.append(Damage(len(data) - torn, len(data), ()))
    for each in damaged:
        numbers = ", ".join(map(str, each.numbers)) or "that cannot be read"
        log.error("%s: %d bytes are damaged, of the envelopes numbered %s", name, each.stop - each.start, numbers)
    _keep(path, data, damaged)
    return Loaded(Segment(path, len(data), True, len(found), found[0].stored_ms if found else 0), found, damaged)


def sync_directory(directory: Path) -> None:
    """Make what was created and deleted in it last."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _keep(path: Path, data: bytes, damaged: Sequence[Damage]) -> None:
    if not damaged:
        return
    directory = path.parent
    try:
        kept = directory.parent / f"{directory.name}-{path.name}.cut"
        kept.write_bytes(b"".join(data[each.start : each.stop] for each in damaged))
    except OSError as error:
        log.error("the damaged bytes of %s/%s could not be kept: %s", directory.name, path.name, error.strerror)


def _read_record(file: int, position: int) -> Spooled | None:
    frame = os.pread(file, FRAME_BYTES, position)
    length = body_length(frame)
    return None if length is None else decode(frame, os.pread(file, length, position + FRAME_BYTES))


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
