"""Lag: what stands last in a partition of a transaction is a marker, which nobody is behind of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import EVENTS, RAW
from weir.lag import messages_behind

_NONE = -1001


@pytest.mark.parametrize(
    ("topic", "committed", "first", "end", "behind"),
    [
        (RAW, 10, 0, 10, 0),
        (RAW, 7, 0, 10, 3),
        (RAW, _NONE, 4, 10, 6),
        # Retention took what was not read: only what is left can still be read.
        (RAW, 2, 4, 10, 6),
        (EVENTS, 10, 0, 11, 0),
        (EVENTS, _NONE, 0, 11, 10),
        (EVENTS, 0, 0, 0, 0),
    ],
)
def test_messages_behind(topic: str, committed: int, first: int, end: int, behind: int) -> None:
    assert messages_behind(topic, committed, first, end) == behind


@given(st.integers(-1001, 100), st.integers(0, 100), st.integers(0, 100))
def test_lag_is_never_negative_nor_more_than_there_is(committed: int, first: int, size: int) -> None:
    for topic in (RAW, EVENTS):
        assert 0 <= messages_behind(topic, committed, first, first + size) <= size
