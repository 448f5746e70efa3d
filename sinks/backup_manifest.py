"""What a folder of backups holds: each backup is a folder with a manifest, which is written last. One without was not
finished.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sinks.backup import BackupError
from sinks.whole_file import whole_file

MANIFEST = "manifest.json"
CONTROL = "control.jsonl"
"""The control database."""
LOG = "log"
"""Messages of Kafka's that belong to the backup."""
FORMAT = 1
_BLOCK = 1024 * 1024


class FileEntry(BaseModel):
    """A file of a backup, by its path in the backup's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int
    sha256: str


class TopicPlace(BaseModel):
    """Where Kafka was. ``positions``: per partition the offset from which on a table may lack messages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic_id: str
    epoch: int
    positions: dict[int, int] = {}


class Manifest(BaseModel):
    """One backup. ``ends``: per raw partition the offset up to which all that came of it is part of the backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    name: str
    created_at: str
    version: str
    clickhouse: str
    database: str
    control_id: str
    base: str | None = None
    base_sha256: str | None = None
    """Of the base's manifest: another backup of the same name would not do."""
    migrations: dict[str, str]
    topics: dict[str, TopicPlace]
    partitions: int
    ends: dict[int, int]
    is_whole: bool
    """Whether it can stand alone. If not, workers were behind, and the rest of it is only in Kafka."""
    files: list[FileEntry]

    @property
    def size(self) -> int:
        """Bytes of its own files, those of its base not counted."""
        return sum(file.size for file in self.files)


def read_manifest(folder: Path, name: str) -> Manifest:
    """The manifest of a backup.

    :raises BackupError: there is no such backup, it was not finished, or the folder has another backup's name.
    """
    if name in ("", "..") or Path(name).name != name:
        raise BackupError(f"{name or 'An empty name'} is no name of a backup: see weir backup list.")
    place = folder / name
    try:
        manifest = Manifest.model_validate_json((place / MANIFEST).read_bytes())
    except FileNotFoundError as error:
        if place.is_dir():
            raise BackupError(f"The backup {name} was not finished: remove {place}, and make another.") from error
        raise BackupError(f"There is no backup {name} in {folder}: see weir backup list.") from error
    except (OSError, ValidationError) as error:
        raise BackupError(f"The manifest of {name} cannot be read ({error}): the backup is of no use.") from error
    if manifest.name != name:
        # Else one folder's files would be compared, and those of the other restored.
        raise BackupError(f"{place} holds the backup {manifest.name}: give the folder that name again.")
    if manifest.format != FORMAT:
        raise BackupError(f"The backup {name} is of another version of Weir: restore it with that one.")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """The backup is complete from now on. Raises OSError."""
    with whole_file(folder / manifest.name / MANIFEST) as file:
        file.write(manifest.model_dump_json(indent=1).encode())


def list_backups(folder: Path) -> list[tuple[str, Manifest | BackupError]]:
    """All backups, oldest first; of one that is of no use as it is, what is to be done."""
    found: list[tuple[str, Manifest | BackupError]] = []
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        if place.is_dir():
            try:
                found.append((place.name, read_manifest(folder, place.name)))
            except BackupError as error:
                found.append((place.name, error))
    return found


def entries(folder: Path, name: str, tell: Callable[[int, int], None]) -> list[FileEntry]:
    """Every file that a backup has now but its manifest, read whole. ``tell``: files and bytes so far."""
    found, size = list[FileEntry](), 0
    for path in _files(folder / name):
        digest, length = _digest(path)
        size += length
        found.append(FileEntry(path=str(path.relative_to(folder / name)), size=length, sha256=digest))
        tell(len(found), size)
    return found


def verify(folder: Path, name: str, tell: Callable[[int, int], None]) -> list[str]:
    """What is wrong with a backup and those that it is based on, in sentences; none if it is whole.

    :raises BackupError: one of them is not there, or its manifest cannot be read.
    """
    wrong: list[str] = []
    files = size = 0
    for manifest in chain(folder, name):
        place = folder / manifest.name
        there = {str(path.relative_to(place)) for path in _files(place)}
        wrong += [
            f"{manifest.name}: {path} is not part of it." for path in sorted(there - {f.path for f in manifest.files})
        ]
        for file in manifest.files:
            if file.path not in there:
                wrong.append(f"{manifest.name}: {file.path} is missing.")
                continue
            digest, length = _digest(place / file.path)
            files, size = files + 1, size + length
            if (digest, length) != (file.sha256, file.size):
                wrong.append(f"{manifest.name}: {file.path} is damaged.")
            tell(files, size)
    return wrong


def chain(folder: Path, name: str) -> Iterator[Manifest]:
    """The manifest of a backup, and of those that it is based on. Raises BackupError when one is not there or not the
    same any more.
    """
    manifest = read_manifest(folder, name)
    yield manifest
    while manifest.base is not None:
        digest, _ = (
            _digest(folder / manifest.base / MANIFEST) if (folder / manifest.base / MANIFEST).exists() else ("", 0)
        )
        if digest != manifest.base_sha256:
            raise BackupError(f"{manifest.name} is based on {manifest.base}, which is gone or another one now.")
        manifest = read_manifest(folder, manifest.base)
        yield manifest


def manifest_digest(folder: Path, name: str) -> str:
    """What tells a manifest from any other."""
    return _digest(folder / name / MANIFEST)[0]


def _files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file() and path != place / MANIFEST)


def _digest(path: Path) -> tuple[str, int]:
    digest, length = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            length += len(block)
    return digest.hexdigest(), length
