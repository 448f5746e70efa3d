"""The data directory: it holds the control database and the demo project's clients, and so is its owner's only."""

import os
import stat
from pathlib import Path


def make_home(home: Path) -> Path:
    """Make the directory if it is not there, and close it to others if it is ours; a mounted one that belongs to
    somebody else stays as it is. Its resolved path. Raises OSError; safe to repeat.
    """
    place = home.resolve()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = place.stat()
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid == os.geteuid() and mode & 0o077:
        place.chmod(mode & ~0o077)
    return place
