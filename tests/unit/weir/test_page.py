"""The page is built when its sources are newer than what was built, and only then."""

import os
from pathlib import Path

import pytest

from weir.errors import WeirError
from weir.local.page import build, must_be_built


def _program(folder: Path, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "npm").write_text("#!/bin/sh\n" + script)
    (folder / "npm").chmod(0o755)


def test_built_once_and_again_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, log = tmp_path / "dashboard", tmp_path / "logs" / "page.log"
    assert not must_be_built(page)
    page.mkdir()
    (page / "package.json").write_text("{}")
    (page / "package-lock.json").write_text("{}")
    assert must_be_built(page)
    calls = tmp_path / "calls"
    built = "[ $1 = run ] && /bin/mkdir -p dist && : > dist/index.html"
    _program(tmp_path / "bin", f'echo "$*" >> {calls}\n{built}\nexit 0\n')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    build(log, page)
    assert calls.read_text().splitlines() == ["ci --no-audit --no-fund", "run build"]
    assert not must_be_built(page)
    newer = (page / "dist" / "index.html").stat().st_mtime + 1
    os.utime(page / "package.json", (newer, newer))
    assert must_be_built(page)


def test_a_failure_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "dashboard"
    page.mkdir()
    (page / "package.json").write_text("{}")
    (page / "package-lock.json").write_text("{}")
    _program(tmp_path / "bin", "exit 1\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(WeirError, match=r"`npm ci` failed: see .*page\.log"):
        build(tmp_path / "page.log", page)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WeirError, match="install Node 20"):
        build(tmp_path / "page.log", page)
