"""What a query may take of the store's memory."""

import pytest

from sinks.store.memory import SMALLEST, Memory, settled

GIB = 1024**3
MEMORY = Memory(engine=2 * GIB, query=GIB)


@pytest.mark.parametrize(
    ("asked", "given"),
    [("", GIB), ("0", GIB), ("1000", 1000), (str(3 * GIB), GIB), ("-1", GIB), ("nonsense", GIB)],
    ids=["not asked", "without bound", "less", "more", "negative", "no number"],
)
def test_a_query_may_ask_for_less_and_not_for_more(asked: str, given: int) -> None:
    settings = {"max_memory_usage": asked} if asked else {}
    assert MEMORY.bounded(settings)["max_memory_usage"] == str(given)


def test_sorting_and_grouping_go_to_disk_before_the_bound_is_reached() -> None:
    bounded = MEMORY.bounded({"max_bytes_before_external_sort": "1000", "max_threads": "2"})
    assert bounded["max_bytes_before_external_sort"] == "1000"
    assert int(bounded["max_bytes_before_external_group_by"]) < GIB / 2
    assert bounded["max_threads"] == "2"


def test_by_default_the_engine_takes_half_and_a_query_half_of_that() -> None:
    found = settled(None, None)
    assert found.engine >= SMALLEST
    assert found.query == found.engine // 2
    assert settled(GIB, None) == Memory(GIB, GIB // 2)
    assert settled(GIB, 4 * GIB) == Memory(GIB, GIB)
