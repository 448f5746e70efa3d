"""Hypothesis strategies for the JSON that senders send, with all that has ever broken a parser."""

from typing import Any

from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
"""With lone surrogates and NUL."""
LOOKALIKES = st.sampled_from(
    [
        "2024-01-01",
        "2024-01-01 10:00:00",
        "9999-99-99",
        "1e5",
        "[1",
        "{}",
        '{"a":1}',
        "null",
        "true",
        "NaN",
        "\\u0000",
        "",
    ]
)
KEYS = (
    st.text("ab.", max_size=5)
    | ANY_TEXT
    | st.sampled_from(["a", "a.b", "a.b.c", "__query", "a.:Int64", "^a", "a[]", "`a`"])
)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**66), 2**66),
    st.floats(),
    ANY_TEXT,
    LOOKALIKES,
)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(KEYS, values, max_size=4),
    max_leaves=20,
)
JSON_OBJECTS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(KEYS, JSON_VALUES, max_size=8)
