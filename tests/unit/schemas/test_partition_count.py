"""A broker that starts tells of fewer partitions than there are: nobody may settle on that."""

import pytest

from schemas.partition_count import settled_count


@pytest.mark.parametrize(
    ("found", "registered", "count"),
    [
        ([], None, 0),
        ([], 4, 0),
        ([0, 1, 2, 3], None, 4),
        ([3, 1, 0, 2], 4, 4),
        ([0, 1], 4, 0),
        ([0, 1, 3], None, 0),
        ([0, 1, 3], 3, 0),
        ([0, 1, 2, 3, 4, 5], 4, 4),
    ],
    ids=["none", "none of four", "unregistered", "all", "two of four", "a gap", "a gap of three", "added later"],
)
def test_only_all_partitions_count(found: list[int], registered: int | None, count: int) -> None:
    assert settled_count(found, registered) == count
