"""Parts of the archive: names, files, chains."""

import io
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.archive.chain import chains
from streams.archive.part import BadPart, Part, RawMessage, decode, encode, read_name
from streams.archive.place import ArchiveError, Folder, open_place

HOUR = 490_000
_HEADERS = st.lists(st.tuples(st.text(max_size=8), st.none() | st.binary(max_size=8)), max_size=3).map(tuple)
_MESSAGES = st.lists(
    st.builds(
        RawMessage,
        st.integers(0, 500),
        st.integers(HOUR * 3_600_000, HOUR * 3_600_000 + 3_599_999),
        st.none() | st.binary(max_size=16),
        _HEADERS,
        st.none() | st.binary(max_size=64),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda message: message.offset,
).map(lambda messages: sorted(messages, key=lambda message: message.offset))


def part_of(messages: list[RawMessage], start: int = 0) -> Part:
    return Part(1, 3, start, messages[-1].offset + 1, HOUR)


def read(part: Part, data: bytes) -> list[RawMessage]:
    return [message for group in decode(part, io.BytesIO(data)) for message in group]


@given(_MESSAGES)
def test_a_part_gives_back_what_went_in(messages: list[RawMessage]) -> None:
    part = part_of(messages)
    assert read_name(part.name) == part
    assert read(part, encode(part, messages)) == messages


def test_a_part_is_read_in_groups_of_bounded_size() -> None:
    messages = [RawMessage(offset, HOUR * 3_600_000, None, (), bytes(1024 * 1024)) for offset in range(20)]
    part = part_of(messages)
    groups = list(decode(part, io.BytesIO(encode(part, messages))))
    assert len(groups) > 2
    assert [message for group in groups for message in group] == messages


MESSAGES = [RawMessage(offset, HOUR * 3_600_000, b"k", (("a", b"b"),), b"{}") for offset in (3, 4, 7)]


def test_a_part_that_lacks_a_message_is_found_out() -> None:
    part = part_of(MESSAGES)
    whole = encode(part, MESSAGES)
    assert read(part, whole) == MESSAGES
    for wrong, data in (
        (part._replace(start=1), whole),
        (part, whole[:-20]),
        (part, b""),
    ):
        with pytest.raises(BadPart):
            read(wrong, data)


def test_parts_make_chains_with_their_gaps_and_overlaps() -> None:
    (chain,) = chains([Part(1, 0, 20, 30, 2), Part(1, 0, 0, 10, 1), Part(1, 0, 25, 28, 2), Part(1, 0, 10, 15, 1)])
    assert (chain.start, chain.end) == (0, 30)
    assert chain.gaps == ((15, 20),)
    assert chain.overlaps == (Part(1, 0, 25, 28, 2),)
    assert [found.epoch for found in chains([Part(2, 0, 0, 1, 1), Part(1, 0, 0, 1, 1)])] == [1, 2]


def test_a_folder_holds_finished_files_for_its_owner_alone(tmp_path: Path) -> None:
    folder = open_place(str(tmp_path / "archive"))
    assert isinstance(folder, Folder)
    part = part_of(MESSAGES)
    with folder.owned():
        folder.write(part.name, b"data")
        folder.write(part.name, b"data")
        (path,) = (tmp_path / "archive").rglob("*.parquet")
        path.with_name(".unfinished-x").write_bytes(b"da")
        assert folder.names() == [part.name]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with pytest.raises(ArchiveError, match="Another process"), folder.owned():
            pass
    with folder.owned():
        assert not path.with_name(".unfinished-x").exists()


@pytest.mark.parametrize("location", ["", "ftp-of-nobody://x"], ids=["none", "unknown"])
def test_a_place_that_is_none_is_told(location: str) -> None:
    with pytest.raises(ArchiveError, match="WEIR_ARCHIVE_LOCATION"):
        open_place(location)
