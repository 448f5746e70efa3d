"""Chunks: half-open ranges whose chain has no hole."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import RAW
from streams.chunk import BrokenChain, Chunk, cut, split
from tests.unit.streams.raw_log import Message


@st.composite
def chunks(draw: st.DrawFn) -> Chunk:
    start = draw(st.integers(0, 50))
    end = draw(st.integers(start, start + 40))
    offsets = draw(st.sets(st.integers(start, end - 1))) if end > start else set()
    sizes = draw(st.lists(st.integers(0, 9), min_size=len(offsets), max_size=len(offsets)))
    messages = [Message(offset, 0, b"x" * size) for offset, size in zip(sorted(offsets), sizes, strict=True)]
    return Chunk(RAW, 0, start, list(messages), end)


@given(chunks(), st.integers(0, 100))
def test_cut_leaves_what_is_new(chunk: Chunk, next_offset: int) -> None:
    if chunk.start > next_offset:
        with pytest.raises(BrokenChain, match=f"expected {next_offset}, got {chunk.start}"):
            cut(chunk, next_offset)
        return
    left = cut(chunk, next_offset)
    if chunk.end <= next_offset:
        assert left is None
    else:
        assert left is not None
        assert (left.start, left.end) == (next_offset, chunk.end)
        assert left.messages == [message for message in chunk.messages if message.offset >= next_offset]


@pytest.mark.parametrize(
    "offsets",
    [[4], [11], [10], [7, 6], [6, 6]],
    ids=["before its start", "beyond its end", "at its end", "descending", "twice"],
)
def test_messages_that_do_not_fit_break_the_chain(offsets: list[int]) -> None:
    chunk = Chunk(RAW, 0, 5, [Message(offset, 0, b"") for offset in offsets], 10)
    with pytest.raises(BrokenChain):
        cut(chunk, 5)


@given(chunks(), st.integers(0, 40), st.integers(1, 10))
def test_split_loses_nothing_and_keeps_to_its_bounds(chunk: Chunk, max_bytes: int, max_messages: int) -> None:
    parts, rest = [], chunk
    while True:
        head, left = split(rest, max_bytes, max_messages)
        parts.append(head)
        if left is None:
            break
        assert len(left.messages) < len(rest.messages)
        rest = left
    assert parts[0].start == chunk.start
    assert parts[-1].end == chunk.end
    assert all(one.end == other.start for one, other in pairwise(parts))
    assert [message for part in parts for message in part.messages] == chunk.messages
    for part in parts:
        assert len(part.messages) <= max_messages
        assert part.bytes <= max_bytes or len(part.messages) == 1
        assert cut(part, part.start) is part or part.start == part.end


@given(chunks(), st.integers(1, 40), st.integers(1, 10))
def test_split_takes_as_much_as_fits(chunk: Chunk, max_bytes: int, max_messages: int) -> None:
    head, left = split(chunk, max_bytes, max_messages)
    if left is not None:
        one_more = head.messages + left.messages[:1]
        assert len(one_more) > max_messages or sum(len(message.value or b"") for message in one_more) > max_bytes
