"""Bodies as browsers, and others, write them."""

import json
import math
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.answers import Refusal
from ingest.json_body import read_object

TEXTS = st.text(st.characters(categories=None, codec=None))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
@example({"a": "\ud800", "b": math.nan, "c": 10**400, "d": -(2**70)})
def test_whatever_is_json_to_javascript_or_python_can_be_written_again(value: dict[str, Any]) -> None:
    read = read_object(json.dumps(value).encode())
    assert orjson.loads(orjson.dumps(read)) == read


@pytest.mark.parametrize("digits", [b"1" * 5_000, b"-" + b"9" * 4_301])
def test_a_number_without_measure_is_null_and_costs_nothing_else(digits: bytes) -> None:
    assert read_object(b'{"a":' + digits + b',"b":1,"c":-9223372036854775808,"d":18446744073709551615}') == {
        "a": None,
        "b": 1,
        "c": -(2**63),
        "d": 2**64 - 1,
    }


@given(st.binary(max_size=60))
def test_nothing_but_a_refusal_is_raised(body: bytes) -> None:
    with suppress(Refusal):
        read_object(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"nothing", "not_json"),
        (b'{"a":"\xff"}', "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"[1]", "not_an_object"),
        (b'"a"', "not_an_object"),
        (b"null", "not_an_object"),
    ],
)
def test_what_is_refused_and_why(body: bytes, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_object(body)
    assert refused.value.reason == reason
