"""The format on disk: whatever happens to the end of a segment, what was whole before it stays whole."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.spool.records import MARK, Spooled, encode, scan
from ingest.spool.segments import SEGMENT_BYTES, SegmentWriter, load_segments, read_records
from schemas.envelope import envelope_headers

ENVELOPES = st.builds(
    lambda partition, number, lines, value: Spooled(partition, number, lines, envelope_headers("id", number), value),
    st.integers(0, 1_000),
    st.integers(0, 2**40),
    st.integers(0, 5_000),
    st.binary(max_size=300),
)


def envelope(number: int, value: bytes = b"{}", partition: int = 0) -> Spooled:
    return Spooled(partition, number, 1, envelope_headers("id", number), value)


def contents(directory: Path) -> list[Spooled]:
    """All that is read of a directory."""
    read: list[Spooled] = []
    for segment, found, _ in load_segments(directory):
        for one in read_records(segment, [record.position for record in found]):
            assert one is not None
            read.append(one)
    return read


def written(envelopes: list[Spooled]) -> tuple[bytes, list[int]]:
    """A segment of them, and where its mark and its records end."""
    records = list(map(encode, envelopes))
    ends = [len(MARK) + sum(map(len, records[:count])) for count in range(len(records) + 1)]
    return MARK + b"".join(records), ends


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process grows beyond it: writes are cut short, then refused, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@given(st.lists(ENVELOPES, max_size=8))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, envelopes: list[Spooled]) -> None:
    directory = tmp_path_factory.mktemp("spool")
    writer = SegmentWriter(directory)
    for one in envelopes:
        writer.write([encode(one)])
    writer.close()
    assert contents(directory) == envelopes


@settings(max_examples=300)
@given(st.lists(ENVELOPES, min_size=1, max_size=6), st.data())
def test_whatever_happens_to_the_end_the_rest_stays(envelopes: list[Spooled], data: st.DataObject) -> None:
    """Cut anywhere, any bytes behind the cut: exactly the records before it are found."""
    whole, ends = written(envelopes)
    at = data.draw(st.integers(0, len(whole) - 1), "damaged from here")
    how = data.draw(st.sampled_from(["cut", "noise", "zeros"]))
    tail = {"cut": b"", "noise": data.draw(st.binary(min_size=1, max_size=64)), "zeros": bytes(4_096)}[how]
    torn = whole[:at] + tail
    while at < len(whole) and at < len(torn) and whole[at] == torn[at]:
        at += 1  # it was not damaged here after all
    result = scan(torn)
    intact = sum(stop <= at for stop in ends[1:])
    assert [one.position for one in result.found] == ends[:intact]
    assert result.torn + sum(each.stop - each.start for each in result.damaged) == len(torn) - (
        ends[intact] if at >= len(MARK) else 0
    )
    assert how != "cut" or not result.damaged


@settings(max_examples=300)
@given(st.lists(ENVELOPES, min_size=1, max_size=6), st.data())
def test_a_turned_bit_costs_one_record(envelopes: list[Spooled], data: st.DataObject) -> None:
    """Wherever it is, all records but the one it is in are found, and that one is never taken for a torn one."""
    whole, ends = written(envelopes)
    at = data.draw(st.integers(0, len(whole) - 1), "damaged here")
    damaged = bytearray(whole)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    result = scan(bytes(damaged))
    lost = sum(stop <= at for stop in ends) - 1
    assert [one.position for one in result.found] == [ends[n] for n in range(len(envelopes)) if n != lost]
    (stretch,) = result.damaged
    assert (stretch.start, stretch.stop) == ((0, len(MARK)) if lost < 0 else (ends[lost], ends[lost + 1]))
    assert stretch.envelopes == (lost >= 0)
    assert result.torn == 0


def test_a_commit_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    """The system writes a part and refuses the rest: the part is taken back, and what was there before stays."""
    writer = SegmentWriter(tmp_path)
    before = [envelope(1), envelope(2, b"x" * 1_000)]
    segment, _ = writer.write(list(map(encode, before)))
    size = segment.path.stat().st_size
    with file_size_limit(size + 700):
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            writer.write([encode(envelope(3, b"y" * 300)), encode(envelope(4, b"z" * 2_000))])
        assert segment.path.stat().st_size == size
    with file_size_limit(100), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        writer.write([encode(envelope(5, b"y" * 300))])
    assert [path.name for path in tmp_path.iterdir()] == [segment.path.name]
    writer.write([encode(envelope(6))])
    writer.close()
    assert contents(tmp_path) == [*before, envelope(6)]


def test_segments_are_closed_when_large_and_kept_in_order(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path)
    envelopes = [envelope(number, b"x" * (SEGMENT_BYTES // 3)) for number in range(1, 12)]
    segments = [writer.write([encode(one)])[0] for one in envelopes]
    assert len(set(segments)) == 4
    assert [segment.sealed for segment in segments] == [True] * 9 + [False] * 2
    writer.discard(segments[-1])
    writer.discard(segments[0])
    writer.write([encode(envelope(12))])
    writer.close()
    assert [one.stored_ms for one in contents(tmp_path)] == [4, 5, 6, 7, 8, 9, 12]


@pytest.mark.parametrize("is_last", [True, False], ids=["last segment", "earlier segment"])
def test_what_lies_behind_damage_is_read_and_the_damaged_bytes_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_last: bool
) -> None:
    directory = tmp_path / "one"
    directory.mkdir()
    writer = SegmentWriter(directory)
    segment, positions = writer.write([encode(envelope(number)) for number in range(1, 6)])
    writer.close()
    if not is_last:
        writer.write([encode(envelope(9))])
        writer.close()
    whole = bytearray(segment.path.read_bytes())
    for damaged in (1, 2):
        whole[positions[damaged + 1] - 1] ^= 1
    segment.path.write_bytes(whole)
    assert [one.stored_ms for one in contents(directory)] == [1, 4, 5, *([] if is_last else [9])]
    (kept,) = tmp_path.glob("*.cut")
    assert kept.read_bytes() == bytes(whole[positions[1] : positions[3]])
    assert f"{positions[3] - positions[1]} bytes are damaged, of the envelopes numbered 2, 3" in caplog.text


def test_what_was_being_written_is_no_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = tmp_path / "one"
    directory.mkdir()
    writer = SegmentWriter(directory)
    segment, positions = writer.write([encode(envelope(number)) for number in range(1, 3)])
    writer.close()
    segment.path.write_bytes(segment.path.read_bytes()[: positions[1] + 40])
    ((_, found, damaged),) = load_segments(directory)
    assert (len(found), damaged) == (1, [])
    assert "cut 40 bytes that were not whole" in caplog.text
    assert list(tmp_path.glob("*.cut")) == []


def test_damage_that_comes_later_is_kept_too(tmp_path: Path) -> None:
    directory = tmp_path / "one"
    directory.mkdir()
    writer = SegmentWriter(directory)
    segment, positions = writer.write([encode(envelope(number)) for number in range(3)])
    writer.close()
    whole = bytearray(segment.path.read_bytes())
    whole[positions[1] + 30] ^= 4
    segment.path.write_bytes(whole)
    assert [one is None for one in read_records(segment, positions)] == [False, True, False]
    (kept,) = tmp_path.glob("*.cut")
    assert kept.read_bytes() == bytes(whole[positions[1] : positions[2]])
