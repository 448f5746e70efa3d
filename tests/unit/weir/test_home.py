"""The data directory is its owner's only."""

from pathlib import Path

import pytest

from weir import doctor
from weir.local.home import make_home
from weir.local.state import take_lock
from weir.settings import Settings, default_home

REPOSITORY = Path(__file__).resolve().parents[3]


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


def test_a_command_called_elsewhere_means_the_stack_of_the_checkout(tmp_path: Path) -> None:
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    checkout.mkdir()
    elsewhere.mkdir()
    # Not installed from a checkout, as in a container: where it is called.
    assert default_home(elsewhere, checkout) == elsewhere / ".weir"
    (checkout / "pyproject.toml").touch()
    assert default_home(elsewhere, checkout) == checkout / ".weir"
    assert default_home(checkout, checkout) == checkout / ".weir"
    (elsewhere / ".weir").mkdir()
    assert default_home(elsewhere, checkout) == elsewhere / ".weir"


def test_the_checkout_is_the_one_this_code_lies_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEIR_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert Settings().home == REPOSITORY / ".weir"
    monkeypatch.setenv("WEIR_HOME", "named")
    assert Settings().home == Path("named")
