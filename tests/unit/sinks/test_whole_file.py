"""A file is there wholly or not at all; what is no file is written to as it is."""

import os
import stat
from pathlib import Path

import pytest

from sinks.whole_file import whole_file


def test_a_file_is_its_owners_and_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "people.jsonl"
    with whole_file(path) as file:
        file.write(b"all")
        assert not path.exists()
    assert path.read_bytes() == b"all"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ValueError, match="broken off"), whole_file(path) as file:
        raise ValueError("broken off")
    assert [each.name for each in tmp_path.iterdir()] == ["people.jsonl"]
    assert path.read_bytes() == b"all"


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "behind")
    with whole_file(tmp_path / "link") as file:
        file.write(b"all")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "behind").read_bytes() == b"all"


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with whole_file(pipe) as file:
            file.write(b"all")
        assert os.read(reader, 10) == b"all"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
