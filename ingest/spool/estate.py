"""What ended processes left: each directory is taken over on its own, so that one that can't be read holds up no other.

One that can't be read is left alone, said once, and tried again after a while. Not a part of it is sent: what comes
later in it must not reach the log before what can't be read, which would then be dropped as a repeat.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ingest.spool.directories import Directories, Held
from ingest.spool.segments import Loaded, load_segments

log = logging.getLogger(__name__)

_RETRY_SECONDS = 10.0


class Left(NamedTuple):
    """A directory that is this process's from now on, and what is in it."""

    held: Held
    loaded: list[Loaded]


class _Trouble(NamedTuple):
    why: str
    again: float


class Estate:
    """Takes over what nobody holds. Blocks: for one thread. ``clock``: seconds."""

    def __init__(self, directories: Directories, clock: Callable[[], float] = time.monotonic) -> None:
        self._directories = directories
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}

    @property
    def unreadable(self) -> int:
        """How many directories can't be read at the moment."""
        return len(self._troubles)

    def take(self) -> list[Left]:
        """What can be taken over now.

        :raises OSError: the spool itself can't be read.
        """
        paths = self._directories.left()
        for gone in self._troubles.keys() - {path.name for path in paths}:
            del self._troubles[gone]
        return [left for left in map(self._take_one, paths) if left is not None]

    def _take_one(self, path: Path) -> Left | None:
        trouble = self._troubles.get(path.name)
        if trouble is not None and self._clock() < trouble.again:
            return None
        held = None
        try:
            held = self._directories.adopt(path)
            left = None if held is None else Left(held, load_segments(held.path))
        except OSError as error:
            self._leave(path, error)
            if held is not None:
                self._directories.release(held)
            return None
        if self._troubles.pop(path.name, None) is not None and left is not None:
            log.warning("what %s left can be read again", path.name)
        return left

    def _leave(self, path: Path, error: OSError) -> None:
        why = f"{error.strerror or error} ({error.filename or path})"
        known = self._troubles.get(path.name)
        self._troubles[path.name] = _Trouble(why, self._clock() + _RETRY_SECONDS)
        if known is None or known.why != why:
            log.error("what %s left cannot be read and is not sent until it can: %s", path.name, why)
