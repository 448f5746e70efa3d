"""Properties leave as they came in."""

from query_api.person import flat
from query_api.routes.export import _event_names


def test_nested_properties_become_dotted_paths() -> None:
    assert flat({"a": {"b": {"c": 1}, "d": [1, 2]}, "e": "x"}) == {"a.b.c": 1, "a.d": [1, 2], "e": "x"}
    assert flat({}) == {}


def test_one_value_is_a_list_and_several_are_names() -> None:
    assert _event_names(None) == ()
    assert _event_names(["a, b,"]) == ("a", "b")
    assert _event_names(["a,b", "c"]) == ("a,b", "c")
    assert _event_names(["a,b", "a,b"]) == ("a,b", "a,b")
