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
from ingest.json_body import MAX_TOKENS, read_json, read_object

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


FEW = 60_000
"""Of a shape whose repetition holds more than is read leniently and less than is read strictly."""


@pytest.mark.parametrize(
    ("shape", "times"),
    [
        (b"{},", 3_495_000),
        (b"1,", 3_495_000),
        (b'"",', 3_000_000),
        (b"[[[[[]]]]],", 900_000),
        (b'{"a":1},', 1_300_000),
        (b'"\\\\",', 2_000_000),
        (b'"\\"",', 2_000_000),
    ],
    ids=["objects", "numbers", "texts", "arrays", "keys", "backslashes", "quotes"],
)
def test_bodies_of_too_many_values_are_refused_unparsed(
    shape: bytes, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orjson, "loads", lambda _: pytest.fail("it was parsed"))
    monkeypatch.setattr(json, "loads", lambda _: pytest.fail("it was parsed"))
    for start in (b"[", b"[NaN,"):
        with pytest.raises(Refusal) as refused:
            read_json(start + shape * times + b"1]")
        assert (refused.value.status, refused.value.reason) == (413, "too_many_values")


@pytest.mark.parametrize("shape", [b"{},", b"1,", b'"",', b'"\xc3\xa4":1,'])
def test_less_is_read_leniently(shape: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    start, end = (b'{"":', b'"":1}') if b":" in shape else (b"[", b"1]")
    assert read_json(start + b"1," + shape * FEW + end)
    monkeypatch.setattr(json, "loads", lambda _: pytest.fail("it was parsed"))
    with pytest.raises(Refusal) as refused:
        read_json(start + b"NaN," + shape * (FEW * 2) + end)
    assert (refused.value.status, refused.value.reason) == (413, "too_many_values")


@pytest.mark.parametrize("text", [b"\\ud800" * 1_000_000, b"\xed\xa0\x80" * 200_000], ids=["escaped", "raw"])
def test_a_long_text_is_not_read_leniently(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda _: pytest.fail("it was parsed"))
    with pytest.raises(Refusal) as refused:
        read_json(b'["' + text + b'"]')
    assert refused.value.reason == "too_many_values"


def test_rich_batches_and_recordings_pass() -> None:
    rich = {f"property {number}": f"https://shop.example/a,b:c/{number}" for number in range(90)}
    batch = {"events": [{"type": "track", "payload": {"name": "a", "properties": rich}} for _ in range(2_000)]}
    assert len(read_object(orjson.dumps(batch))["events"]) == 2_000
    half = {"a": "\ud83d", **dict(list(rich.items())[:20])}
    lenient = {"batch": [{"event": "a", "properties": half} for _ in range(2_000)]}
    assert read_object(json.dumps(lenient).encode())["batch"][7]["properties"]["a"] == "\ufffd"
    # What stands within a text is no value, whatever it looks like.
    frame = orjson.dumps({"type": 3, "data": {"positions": [{"x": 1, "y": 2, "text": 'a"b\\'}]}}).decode()
    recording = orjson.dumps({"type": "replay", "payload": {"payload": frame * 60_000}})
    assert recording.count(b",") + recording.count(b":") > MAX_TOKENS
    assert len(read_object(recording)["payload"]["payload"]) == len(frame) * 60_000
