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
    for segment, found in load_segments(directory):
        for one in read_records(segment, [record.position for record in found]):
            assert one is not None
            read.append(one)
    return read


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
    """Cut anywhere, any bytes behind the cut, any bit turned: exactly the records before it are found."""
    records = list(map(encode, envelopes))
    whole = MARK + b"".join(records)
    ends = [len(MARK) + sum(map(len, records[:count])) for count in range(len(records) + 1)]
    at = data.draw(st.integers(0, len(whole) - 1), "damaged from here")
    how = data.draw(st.sampled_from(["cut", "noise", "zeros", "turned"]))
    if how == "turned":
        damaged = bytearray(whole)
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
        torn = bytes(damaged)
    else:
        tail = {"cut": b"", "noise": data.draw(st.binary(min_size=1, max_size=64)), "zeros": bytes(4_096)}[how]
        torn = whole[:at] + tail
        while at < len(whole) and at < len(torn) and whole[at] == torn[at]:
            at += 1  # it was not damaged here after all
    found, end = scan(torn)
    intact = 0 if at < len(MARK) else sum(stop <= at for stop in ends) - 1
    assert end == (ends[intact] if at >= len(MARK) else 0)
    assert [one.position for one in found] == ends[:intact]


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


def test_damage_in_the_middle_is_kept_for_people(tmp_path: Path) -> None:
    directory = tmp_path / "one"
    directory.mkdir()
    writer = SegmentWriter(directory)
    segment, positions = writer.write([encode(envelope(number)) for number in range(3)])
    writer.close()
    writer.write([encode(envelope(9))])
    writer.close()
    whole = segment.path.read_bytes()
    segment.path.write_bytes(whole[: positions[1] + 9] + b"?" + whole[positions[1] + 10 :])
    assert [one.stored_ms for one in contents(directory)] == [0, 9]
    (kept,) = tmp_path.glob("*.cut")
    assert len(kept.read_bytes()) == len(whole) - positions[1]
