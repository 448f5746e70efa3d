"""Where a worker begins: a table of what the changelog, the log and the group may say."""

import pytest

from streams.position import Position, PositionRefused, settle_position

NOW = Position("id-2", 2, 0)


@pytest.mark.parametrize(
    ("stored", "was_read", "low", "high", "start"),
    [
        pytest.param(None, False, 0, 0, 0, id="an empty log, never read"),
        pytest.param(None, False, 40, 90, 40, id="never read: from its first message"),
        pytest.param(Position("id-2", 2, 50), True, 40, 90, 50, id="goes on"),
        pytest.param(Position("id-2", 2, 40), True, 40, 90, 40, id="goes on at the very first"),
        pytest.param(Position("id-2", 2, 90), True, 40, 90, 90, id="goes on at the end"),
        pytest.param(Position("id-2", 1, 50), True, 40, 90, 50, id="the epoch is today's"),
        pytest.param(Position("id-1", 1, 50), True, 0, 90, 0, id="a topic made anew, though it reaches that far"),
        pytest.param(Position("id-1", 1, 50), True, 0, 10, 0, id="a topic made anew"),
    ],
)
def test_start(stored: Position | None, was_read: bool, low: int, high: int, start: int) -> None:
    assert settle_position("weir.raw/3", stored, was_read, NOW, low, high) == Position("id-2", 2, start)


@pytest.mark.parametrize(
    ("stored", "low", "high", "why"),
    [
        pytest.param(None, 0, 90, "has lost its position", id="read before, and no record"),
        pytest.param(Position("id-2", 2, 39), 40, 90, "up to offset 39, but the log holds 40 to 90", id="taken away"),
        pytest.param(Position("id-2", 2, 91), 40, 90, "up to offset 91, but the log holds 40 to 90", id="cut off"),
    ],
)
def test_refusal_names_the_command(stored: Position | None, low: int, high: int, why: str) -> None:
    with pytest.raises(PositionRefused, match=why) as refused:
        settle_position("weir.raw/3", stored, True, NOW, low, high)
    assert "'weir positions reset weir.raw/3'" in str(refused.value)


def test_record_comes_back_as_it_was() -> None:
    assert Position.decode(Position("id", 3, 2**53).encode()) == Position("id", 3, 2**53)
