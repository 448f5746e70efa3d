"""The data directory is its owner's only."""

from pathlib import Path

import pytest

from weir import doctor
from weir.local.home import make_home
from weir.local.state import take_lock


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_home_is_closed_to_others(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    assert make_home(home) == home.resolve()
    assert _mode(home) == 0o700
    home.chmod(0o755)
    make_home(home)
    assert _mode(home) == 0o700


def test_whoever_makes_it_first_closes_it(tmp_path: Path) -> None:
    lock = take_lock(tmp_path / "locked")
    assert lock is not None
    lock.close()
    assert doctor.check_home(tmp_path / "checked").problem is None
    assert {_mode(tmp_path / name) for name in ("locked", "checked")} == {0o700}


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="exists"):
        make_home(tmp_path / "file")
