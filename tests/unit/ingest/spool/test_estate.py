"""What ended processes left is taken over directory by directory: one that can't be read holds up no other."""

from pathlib import Path
from uuid import UUID

import pytest

from ingest.spool.directories import Directories
from ingest.spool.estate import Estate
from ingest.spool.records import Spooled, encode
from ingest.spool.segments import SUFFIX, SegmentWriter
from schemas.envelope import envelope_headers

IDS = [UUID(int=number) for number in range(1, 4)]


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def leave(root: Path, gateway: UUID) -> Path:
    """What a process leaves that ends with one envelope in its spool."""
    directories = Directories(root)
    held = directories.claim(gateway)
    writer = SegmentWriter(held.path)
    writer.write([encode(Spooled(0, 1, 1, envelope_headers(str(gateway), 1), b"{}"))])
    writer.close()
    directories.release(held)
    return held.path


def broken_segment(path: Path) -> Path:
    broken = path / f"0000000000{SUFFIX}"
    broken.mkdir()
    return broken


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_one_that_cannot_be_read_keeps_no_other_and_is_taken_when_it_can(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bad, *good = [leave(tmp_path, gateway) for gateway in IDS]
    broken = broken_segment(bad)
    (tmp_path / str(UUID(int=0))).write_text("no directory")
    estate = Estate(Directories(tmp_path), clock)
    assert [left.held.path for left in estate.take()] == good
    assert estate.unreadable == 2
    for _ in range(5):
        clock.now += 20
        assert estate.take() == []
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "cannot be read" in said[1]
    assert str(broken) in said[1]
    broken.rmdir()
    assert estate.take() == []  # not asked at every turn
    clock.now += 20
    (left,) = estate.take()
    assert (left.held.path, len(left.loaded)) == (bad, 1)
    assert estate.unreadable == 1
    assert "can be read again" in caplog.text


def test_one_that_cannot_be_read_is_not_kept_from_others(tmp_path: Path, clock: Clock) -> None:
    bad = leave(tmp_path, IDS[0])
    broken_segment(bad)
    assert Estate(Directories(tmp_path), clock).take() == []
    assert Directories(tmp_path).adopt(bad) is not None


def test_one_that_is_gone_is_no_trouble_any_more(tmp_path: Path, clock: Clock) -> None:
    bad = leave(tmp_path, IDS[0])
    broken_segment(bad)
    estate = Estate(Directories(tmp_path), clock)
    estate.take()
    bad.rename(tmp_path / "moved away")
    assert estate.take() == []
    assert estate.unreadable == 0
