"""What a folder of backups holds, and whether it is what was written."""

from pathlib import Path

import pytest

from sinks.backup import BackupError, check_migrations
from sinks.backup_manifest import (
    MANIFEST,
    Manifest,
    chain,
    entries,
    list_backups,
    manifest_digest,
    read_manifest,
    verify,
    write_manifest,
)
from sinks.migration_files import read_migrations


def backup(folder: Path, name: str, base: str | None = None) -> Manifest:
    """A finished backup."""
    (folder / name / "store").mkdir(parents=True)
    (folder / name / "store" / "data.bin").write_bytes(name.encode())
    (folder / name / "control.jsonl").write_text("{}\n")
    made = Manifest(
        name=name,
        created_at="",
        version="1",
        clickhouse="26",
        database="weir",
        control_id="c",
        base=base,
        base_sha256=manifest_digest(folder, base) if base else None,
        migrations={},
        topics={},
        partitions=1,
        ends={0: 5},
        is_whole=True,
        files=entries(folder, name, quiet),
    )
    write_manifest(folder, made)
    return made


def quiet(_: int, __: int) -> None:
    pass


def test_a_backup_is_what_was_written(tmp_path: Path) -> None:
    made = backup(tmp_path, "a")
    more = backup(tmp_path, "b", base="a")
    (tmp_path / "c").mkdir()
    assert read_manifest(tmp_path, "a") == made
    assert [(name, isinstance(manifest, Manifest)) for name, manifest in list_backups(tmp_path)] == [
        ("a", True),
        ("b", True),
        ("c", False),
    ]
    assert list_backups(tmp_path / "nothing") == []
    assert [each.name for each in chain(tmp_path, "b")] == ["b", "a"]
    assert verify(tmp_path, "b", quiet) == []
    assert more.size == 1 + 3


@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize("damage", ["changed", "longer", "missing", "more"])
def test_damage_is_told_of_the_base_too(tmp_path: Path, name: str, damage: str) -> None:
    backup(tmp_path, "a")
    backup(tmp_path, "b", base="a")
    data = tmp_path / name / "store" / "data.bin"
    match damage:
        case "changed":
            data.write_bytes(b"x")
        case "longer":
            data.write_bytes(data.read_bytes() + b"\0")
        case "missing":
            data.unlink()
        case _:
            data.with_name("other").write_bytes(b"")
    [wrong] = verify(tmp_path, "b", quiet)
    assert wrong.startswith(f"{name}: store/")


def test_a_base_that_is_gone_or_another_one(tmp_path: Path) -> None:
    backup(tmp_path, "a")
    backup(tmp_path, "b", base="a")
    manifest = tmp_path / "a" / MANIFEST
    manifest.write_text(manifest.read_text().replace('"version": "1"', '"version": "2"'))
    with pytest.raises(BackupError, match="is based on a"):
        verify(tmp_path, "b", quiet)
    manifest.unlink()
    with pytest.raises(BackupError, match="is based on a"):
        list(chain(tmp_path, "b"))
    with pytest.raises(BackupError, match="was not finished"):
        read_manifest(tmp_path, "a")
    with pytest.raises(BackupError, match="There is no backup"):
        read_manifest(tmp_path, "z")
    (tmp_path / "b" / MANIFEST).write_text("{")
    with pytest.raises(BackupError, match="cannot be read"):
        read_manifest(tmp_path, "b")


def test_a_folder_with_another_backups_name_is_refused(tmp_path: Path) -> None:
    backup(tmp_path, "a")
    backup(tmp_path, "b")
    # A copy under another name: its own files are what would be restored, and those of "a" what would be compared.
    (tmp_path / "b" / MANIFEST).write_bytes((tmp_path / "a" / MANIFEST).read_bytes())
    (tmp_path / "b" / "store" / "data.bin").write_bytes(b"damaged")
    with pytest.raises(BackupError, match="holds the backup a"):
        verify(tmp_path, "b", quiet)
    assert "give the folder that name again" in str(dict(list_backups(tmp_path))["b"])


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/", "a/../a"])
def test_what_is_no_name_of_a_backup_is_refused(tmp_path: Path, name: str) -> None:
    backup(tmp_path, "a")
    with pytest.raises(BackupError, match="is no name of a backup"):
        read_manifest(tmp_path, name)


def test_a_manifest_of_another_format_is_refused(tmp_path: Path) -> None:
    backup(tmp_path, "a")
    manifest = tmp_path / "a" / MANIFEST
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(BackupError, match="another version"):
        read_manifest(tmp_path, "a")


def test_a_backup_of_another_version_is_refused() -> None:
    known = {migration.file: migration.checksum for migration in read_migrations()}
    check_migrations(known)
    check_migrations(dict(list(known.items())[:3]))
    with pytest.raises(BackupError, match="another version"):
        check_migrations({**known, "9999_later.sql": "x"})
    with pytest.raises(BackupError, match="another version"):
        check_migrations({next(iter(known)): "x"})
