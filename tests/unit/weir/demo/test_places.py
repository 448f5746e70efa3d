"""The demo's first visitors have places, though the city database comes after the first start."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from weir.commands.demo import await_places
from weir.local.state import StackState, take_lock, write_state
from weir.settings import Settings


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Settings]:
    """A home whose supervisor is this process, and which fetches the city database."""
    lock = take_lock(tmp_path)
    assert lock is not None
    with lock:
        write_state(tmp_path, StackState(supervisor=os.getpid(), phase="ready"))
        (tmp_path / "geo-partial-1").mkdir()
        yield Settings(home=tmp_path)


def test_the_demo_waits_until_places_are_there(up: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = threading.Thread(target=await_places, args=(up,), kwargs={"wait": True, "seen_seconds": 0})
    waiting.start()
    waiting.join(1)
    assert waiting.is_alive()
    (up.home / "geo-partial-1").rename(up.geo)
    waiting.join(30)
    assert not waiting.is_alive()
    assert "Waiting for the city database" in capsys.readouterr().err


def test_it_goes_on_without_what_does_not_come(up: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    await_places(up, wait=False)
    assert "have no places" in capsys.readouterr().err
    waiting = threading.Thread(target=await_places, args=(up,), kwargs={"wait": True})
    waiting.start()
    waiting.join(1)
    assert waiting.is_alive()
    (up.home / "geo-partial-1").rmdir()
    waiting.join(30)
    assert not waiting.is_alive()
    assert "did not come" in capsys.readouterr().err


def test_nothing_is_said_where_nothing_is_fetched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "geo-partial-1").mkdir()
    await_places(Settings(home=tmp_path), wait=True)
    assert capsys.readouterr().err == ""
