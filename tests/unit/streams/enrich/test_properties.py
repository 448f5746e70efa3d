"""Properties made safe."""

import math
from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.enrich.properties import MAX_DEPTH, MAX_ITEMS, MAX_PATH, MAX_PATHS, MAX_TEXT, flatten, safe_properties
from tests.unit.streams.enrich.json_values import JSON_OBJECTS

NESTED: dict[str, Any] = {"z": 1}
for _ in range(MAX_DEPTH + 2):
    NESTED = {"d": NESTED}
TOO_DEEP: list[Any] = []
for _ in range(900):
    TOO_DEEP = [TOO_DEEP]

ALL_OF_A = {f"a.{n}.b": n for n in range(MAX_PATHS)}
GOLDEN: list[tuple[dict[str, Any], dict[str, Any], int]] = [
    ({}, {}, 0),
    ({"a": 1, "b": "x", "c": True, "d": 1.5}, {"a": 1, "b": "x", "c": True, "d": 1.5}, 0),
    ({"a": None, "b": {}, "c": [], "d": [None], "e": ""}, {"e": ""}, 0),
    ({"address": {"city": "Bonn", "geo": {"lat": 50.7}}}, {"address.city": "Bonn", "address.geo.lat": 50.7}, 0),
    ({"a.b": 1}, {"a.b": 1}, 0),
    # Texts are texts.
    (
        {"a": "[draft] title", "b": '{"x":1}', "c": "2024-01-01"},
        {"a": "[draft] title", "b": '{"x":1}', "c": "2024-01-01"},
        0,
    ),
    # Arrays.
    ({"tags": ["a", "b", None]}, {"tags": ["a", "b"]}, 0),
    ({"sizes": [1, 2.5]}, {"sizes": [1, 2.5]}, 0),
    ({"mixed": [1, "x", True, 0.5]}, {"mixed": ["1", "x", "true", "0.5"]}, 1),
    ({"items": [{"name": "a"}, 3, [4]]}, {"items.0.name": "a", "items.1": 3, "items.2": [4]}, 0),
    ({"long": list(range(MAX_ITEMS + 1))}, {"long": list(range(MAX_ITEMS))}, 1),
    # Paths that collide: the first stays.
    ({"a.b": 1, "a": {"b": 2}}, {"a.b": 1}, 1),
    ({"a": 1, "a.b": 2}, {"a": 1}, 1),
    ({"a.b": 1, "a": 2}, {"a.b": 1}, 1),
    ({"a.b.c": 1, "a.b.d": 2, "a.b": 3, "a": 4}, {"a.b.c": 1, "a.b.d": 2}, 2),
    ({"a": None, "a.b": 2}, {"a.b": 2}, 0),
    # Keys.
    ({"": 1, ".": 2, "..": {"x": 1}}, {}, 3),
    ({"a..b": 1, ".c.": 2, " d ": 3, "e\x00\n": 4}, {"a.b": 1, "c": 2, "d": 3, "e": 4}, 4),
    ({"\ud800": 1}, {"\ufffd": 1}, 1),
    ({"k" * (MAX_PATH + 1): 1, "k" * MAX_PATH: 2}, {"k" * MAX_PATH: 2}, 1),
    ({"outer": {"k" * MAX_PATH: 2}}, {}, 1),
    # Numbers.
    ({"a": math.nan, "b": math.inf, "c": -math.inf}, {}, 3),
    ({"a": 2**63 - 1, "b": -(2**63)}, {"a": 2**63 - 1, "b": -(2**63)}, 0),
    ({"a": 2**63, "b": -(2**63) - 1}, {"a": "9223372036854775808", "b": "-9223372036854775809"}, 2),
    ({"a": [1, 2**64]}, {"a": ["1", "18446744073709551616"]}, 2),
    ({"a": 10**100_000}, {}, 1),
    # Texts.
    ({"a": "x\x00y", "b": "\ud800z", "c": "é😀\n"}, {"a": "xy", "b": "\ufffdz", "c": "é😀\n"}, 2),
    ({"a": "x" * (MAX_TEXT + 1)}, {"a": "x" * MAX_TEXT}, 1),
    # Limits.
    ({f"k{n}": n for n in range(MAX_PATHS + 3)}, {f"k{n}": n for n in range(MAX_PATHS)}, 3),
    ({"a": [{"b": n} for n in range(MAX_PATHS)], "c": [[{"d": 1}], None], "e": None}, ALL_OF_A, 1),
    (NESTED, {".".join("d" * MAX_DEPTH): '{"d":{"d":{"z":1}}}'}, 1),
    ({".".join("x" * (MAX_DEPTH + 1)): 1}, {}, 1),
    ({"a": TOO_DEEP}, {}, 1),
]


@pytest.mark.parametrize(("value", "safe", "changed"), GOLDEN)
def test_golden(value: dict[str, Any], safe: dict[str, Any], changed: int) -> None:
    assert safe_properties(value) == (safe, changed)
    assert [type(item) for item in safe_properties(value)[0].values()] == [type(item) for item in safe.values()]


def test_the_answer_is_a_new_dict() -> None:
    value = {"a": 1}
    assert safe_properties(value)[0] is not value


@given(JSON_OBJECTS)
def test_anything_becomes_flat_and_finite(value: dict[str, Any]) -> None:
    safe, _ = safe_properties(value)
    assert orjson.loads(orjson.dumps(safe)) == safe
    assert len(safe) <= MAX_PATHS
    for path, item in safe.items():
        segments = path.split(".")
        assert all(segments)
        assert len(path) <= MAX_PATH
        assert not any(".".join(segments[:end]) in safe for end in range(1, len(segments)))
        for scalar in item if isinstance(item, list) else [item]:
            assert isinstance(scalar, str | int | float)
            assert not isinstance(scalar, str) or (len(scalar) <= MAX_TEXT and "\0" not in scalar)


@given(JSON_OBJECTS)
def test_safe_properties_stay_as_they_are(value: dict[str, Any]) -> None:
    safe, _ = safe_properties(value)
    assert safe_properties(safe) == (safe, 0)


@given(st.dictionaries(st.text("ab", min_size=1), st.integers(-5, 5) | st.text("xyz") | st.booleans()))
def test_plain_properties_pass_unchanged(value: dict[str, Any]) -> None:
    assert safe_properties(value) == (value, 0)


def test_what_no_json_parser_gives_is_made_text() -> None:
    odd: dict[Any, Any] = {1: 2, "when": date(2026, 5, 1), "pair": (1, 2)}
    assert safe_properties(odd) == ({"1": 2, "when": "2026-05-01", "pair": [1, 2]}, 1)


@given(JSON_OBJECTS)
def test_the_short_cut_gives_the_same(value: dict[str, Any]) -> None:
    assert safe_properties(value) == flatten(value)
