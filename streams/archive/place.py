"""Where the archive lies: a folder, or a bucket of S3 or what speaks its language.

A file is there wholly or not at all, under its own name: a folder's are renamed when they are on the disk, a bucket's
appear when the last byte is in. Nothing is ever changed.
"""

import fcntl
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from schemas.topics import RAW

_UNFINISHED = ".unfinished-"


class ArchiveError(Exception):
    """The archive cannot be written or read; the message says what to do."""


class ArchivePlace(Protocol):
    """Files by name, below the folder of the raw topic."""

    def names(self, below: str = "") -> list[str]:
        """Every file's name, those that start with the folder ``below``."""

    def write(self, name: str, data: bytes) -> None:
        """Put a file there, whole and lasting, or raise OSError. The same name and data again change nothing."""

    def open(self, name: str) -> Any:
        """A file to read from, seekable; close it."""

    def size(self, name: str) -> int:
        """Bytes of a file."""


def open_place(location: str) -> ArchivePlace:
    """The place that ``WEIR_ARCHIVE_LOCATION`` names.

    :raises ArchiveError: none is named, or the address cannot be understood.
    """
    if not location:
        raise ArchiveError("There is no archive: set WEIR_ARCHIVE_LOCATION to a folder or an s3:// address.")
    if "://" not in location:
        return Folder(Path(location))
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import fs

    try:
        filesystem, path = fs.FileSystem.from_uri(location)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise ArchiveError(
            f"WEIR_ARCHIVE_LOCATION cannot be used ({error}): name a folder or s3://bucket/…."
        ) from error
    if isinstance(filesystem, fs.LocalFileSystem):
        return Folder(Path(path))
    return Bucket(filesystem, path, fs.FileSelector)


class Folder:
    """A folder. Files are their owner's alone (0600), for they hold visitors' addresses."""

    def __init__(self, root: Path) -> None:
        self._root = root / RAW

    def names(self, below: str = "") -> list[str]:
        """See ``ArchivePlace``."""
        top = self._root / below
        found = [] if not top.is_dir() else [path for path in top.rglob("*") if path.is_file()]
        return sorted(str(path.relative_to(self._root)) for path in found if not path.name.startswith("."))

    def write(self, name: str, data: bytes) -> None:
        """See ``ArchivePlace``."""
        path = self._root / name
        _make_folders(path.parent)
        unfinished = path.with_name(f"{_UNFINISHED}{uuid.uuid4().hex}")
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        _sync(path.parent)

    def open(self, name: str) -> Any:
        """See ``ArchivePlace``."""
        return (self._root / name).open("rb")

    def size(self, name: str) -> int:
        """See ``ArchivePlace``."""
        return (self._root / name).stat().st_size

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Nobody else writes here meanwhile; what a killed writer left unfinished is removed.

        :raises ArchiveError: somebody else does, or the folder cannot be written.
        """
        try:
            _make_folders(self._root)
            handle = os.open(self._root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ArchiveError(f"The archive {self._root} cannot be written ({error.strerror}).") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in self._root.rglob(f"{_UNFINISHED}*"):
                left.unlink(missing_ok=True)
            yield
        except BlockingIOError as error:
            raise ArchiveError(f"Another process writes the archive {self._root}: one is enough.") from error
        finally:
            os.close(handle)


class Bucket:
    """A folder of a bucket; credentials are those that the environment, a profile or the machine's role gives."""

    def __init__(self, filesystem: Any, path: str, selector: Callable[..., Any]) -> None:
        self._filesystem = filesystem
        self._root = f"{path.rstrip('/')}/{RAW}"
        self._selector = selector

    def names(self, below: str = "") -> list[str]:
        """See ``ArchivePlace``."""
        top = f"{self._root}/{below}".rstrip("/")
        entries = self._filesystem.get_file_info(self._selector(top, recursive=True, allow_not_found=True))
        return sorted(entry.path.removeprefix(f"{self._root}/") for entry in entries if entry.is_file)

    def write(self, name: str, data: bytes) -> None:
        """See ``ArchivePlace``."""
        with self._filesystem.open_output_stream(f"{self._root}/{name}") as file:
            file.write(data)

    def open(self, name: str) -> Any:
        """See ``ArchivePlace``."""
        return self._filesystem.open_input_file(f"{self._root}/{name}")

    def size(self, name: str) -> int:
        """See ``ArchivePlace``."""
        return int(self._filesystem.get_file_info(f"{self._root}/{name}").size)


def _make_folders(folder: Path) -> None:
    if not folder.is_dir():
        _make_folders(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
