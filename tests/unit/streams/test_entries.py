"""Entries: what stands in a path's way is what a look at every path would find."""

from hypothesis import given
from hypothesis import strategies as st

from streams.entries import Entries

PATHS = st.lists(st.sampled_from("ab"), max_size=4).map(lambda parts: ".".join(["properties", *parts]))
STEPS = st.lists(st.tuples(st.sampled_from(["put", "remove", "ask"]), PATHS), max_size=30)


@given(STEPS)
def test_what_is_in_the_way_is_known_without_looking_at_all(steps: list[tuple[str, str]]) -> None:
    entries = Entries({"properties.a.b.a": [1, 0], "email": ["x", 0]})
    for what, path in steps:
        if what == "put":
            entries.put(path, [1, 0])
        elif what == "remove":
            entries.remove(path)
        else:
            below = {other for other in entries if other.startswith(f"{path}.")} if path != "properties" else set()
            above = {other for other in entries if path.startswith(f"{other}.") and other != "properties"}
            assert set(entries.below(path)) == below
            assert sorted(entries.in_the_way(path)) == sorted(above | below)
