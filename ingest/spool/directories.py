"""Whose segments are whose: a directory per gateway process, named by the gateway id of its envelopes, and locked.

A process makes a new id and with it a new directory at every start, and counts its envelopes from 1: so no number is
ever used twice under one id, whatever is lost. What an ended process left is adopted by any other of the same spool: it
is sent under the old id and the old numbers, and nothing new is ever written there. The lock (``flock``) ends with the
process that holds it, however it ended.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from ingest.spool.segments import sync_directory


@dataclass(frozen=True, slots=True)
class Held:
    """A directory that is this process's until it is released or the process ends."""

    path: Path
    lock: int


class Directories:
    """The directories of one spool. Blocks shortly. Making, adopting and removing exclude each other among all
    processes, so that nobody adopts what is just being made.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def claim(self, gateway: UUID) -> Held:
        """Make and lock the directory of a new gateway id.

        :raises OSError: it can't be made.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        with self._alone():
            path = self._root / str(gateway)
            path.mkdir(mode=0o700)
            sync_directory(self._root)
            held = _lock(path)
            if held is None:
                raise OSError(errno.EBUSY, "another process has this gateway's directory")
            return held

    def left(self) -> list[Path]:
        """The directories of all processes, those at work too.

        :raises OSError: the spool can't be read.
        """
        return [path for path in sorted(self._root.iterdir()) if _is_id(path.name)]

    def adopt(self, path: Path) -> Held | None:
        """Lock a directory unless somebody holds it, or it is gone.

        :raises OSError: it can't be opened.
        """
        with self._alone(), suppress(FileNotFoundError):
            return _lock(path)
        return None

    def release(self, held: Held) -> None:
        """Let go of a directory, and remove it when nothing is left in it."""
        with self._alone():
            with suppress(OSError):
                held.path.rmdir()
            os.close(held.lock)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        file = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


def _lock(path: Path) -> Held | None:
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return Held(path, file)


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
