"""The page is built when its sources are newer than what was built, and only then."""

import os
from pathlib import Path

import pytest

from weir.errors import WeirError
from weir.local.page import Part, build, must_be_built


def _program(folder: Path, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "npm").write_text("#!/bin/sh\n" + script)
    (folder / "npm").chmod(0o755)


def test_built_once_and_again_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, log = tmp_path / "dashboard", tmp_path / "logs" / "page.log"
    parts = (Part("page", page, "dist/index.html"), Part("script", tmp_path / "not-here", "dist/op1.js"))
    assert not must_be_built(parts)
    page.mkdir()
    (page / "package.json").write_text("{}")
    (page / "package-lock.json").write_text("{}")
    assert must_be_built(parts)
    calls = tmp_path / "calls"
    built = "[ $1 = run ] && /bin/mkdir -p dist && : > dist/index.html"
    _program(tmp_path / "bin", f'echo "$*" >> {calls}\n{built}\nexit 0\n')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    build(log, parts)
    assert calls.read_text().splitlines() == ["ci --no-audit --no-fund", "run build"]
    assert not must_be_built(parts)
    newer = (page / "dist" / "index.html").stat().st_mtime + 1
    os.utime(page / "package.json", (newer, newer))
    assert must_be_built(parts)


def test_a_failure_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "dashboard"
    page.mkdir()
    (page / "package.json").write_text("{}")
    (page / "package-lock.json").write_text("{}")
    _program(tmp_path / "bin", "exit 1\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (page / "package.json").write_text("{}")
    parts = [Part("page", page, "dist/index.html")]
    with pytest.raises(WeirError, match=r"The page is not built, because `npm ci` failed: see .*page\.log"):
        build(tmp_path / "page.log", parts)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WeirError, match="install Node 20"):
        build(tmp_path / "page.log", parts)
