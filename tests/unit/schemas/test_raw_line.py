"""``RawLine`` against ``RawEvent``: what is decoded quickly is what the published definition says."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.raw_event import RawEvent, RawKind
from schemas.raw_line import RawLine, decode_line, raw_line

FIELDS = tuple(RawEvent.model_fields)
TEXT = st.text(max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | TEXT
    | st.sampled_from([2**53, 2**53 + 1, -(2**53), -(2**53) - 1, 1.0, 1, True, "1", "x" * 64, "é" * 65, "x" * 2_049])
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5
)
GOOD = {
    "version": 1,
    "kind": "track",
    "event_id": "0b2c7e5a-3b1d-4c2e-9f8a-1d2c3b4a5e6f",
    "project_id": "shop",
    "device_id": "device",
    "time": 1_772_625_600_000,
    "hints": {"accept-language": "de"},
    "payload": {"name": "click", "properties": {"price": 1.5}},
}
EVENTS = st.builds(
    lambda some, more: {**some, **more},
    st.sets(st.sampled_from(list(GOOD))).map(lambda left: {k: v for k, v in GOOD.items() if k not in left}),
    st.dictionaries(st.sampled_from(FIELDS) | TEXT, JSON, max_size=3)
    | st.dictionaries(st.just("kind"), st.sampled_from(list(RawKind)).map(str), max_size=1),
)


def fields(event: RawEvent | RawLine) -> list[Any]:
    return [getattr(event, name) for name in FIELDS]


def agree(line: bytes) -> None:
    """What is decoded quickly is what the model makes of it; what the model takes from others is taken over."""
    quick = decode_line(line)
    try:
        model = RawEvent.model_validate_json(line)
    except ValidationError:
        assert quick is None
        return
    assert repr(fields(raw_line(model))) == repr(fields(model))
    if quick is not None:
        assert repr(fields(quick)) == repr(fields(model))


def test_the_fields_are_the_same() -> None:
    assert RawLine.__struct_fields__ == FIELDS
    assert decode_line(orjson.dumps(GOOD)) is not None


def test_what_nobody_reads_is_utf_8_too() -> None:
    line = orjson.dumps({**GOOD, "more": "x"})
    for place in (b'"more"', b'"x"'):
        damaged = line.replace(place, place[:-1] + b'\x80"')
        assert decode_line(damaged) is None
        agree(damaged)
    assert decode_line(line.replace(b'"x"', '"é"'.encode())) is not None


@settings(max_examples=400, deadline=None)
@given(EVENTS, st.data())
def test_what_is_decoded_is_what_the_model_says(event: dict[str, Any], data: st.DataObject) -> None:
    line = bytearray(_json(event))
    agree(bytes(line))
    if data.draw(st.booleans(), "damaged"):
        line[data.draw(st.integers(0, len(line) - 1), "place")] = data.draw(st.integers(0, 127), "byte")
        agree(bytes(line))


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"18446744073709551616",
            b"-9223372036854775809",
            b"9" * 40,
            b"1e400",
            b"1e-400",
            b"-0",
            b"-0.0",
            b"1E2",
            b"01",
        ),
        *(
            b"1.",
            b".5",
            b"-",
            b"1e",
            b"+1",
            b"NaN",
            b"Infinity",
            b"tru",
            b"[1,]",
            b'{"a":1,}',
            b'{"a":1,"a":2}',
            b"",
            b"'",
        ),
        *(
            b'"\\ud83d\\ude00"',
            b'"\\ud800"',
            b'"\\ud800x"',
            b'"\\u0000"',
            b'"\x01"',
            b'"\x7f"',
            b'"\\x"',
            b'"\\/"',
            b'"a\nb"',
        ),
        *(
            b'"\xff"',
            b'"\xc0\x80"',
            b'"\xed\xa0\x80"',
            b"\xef\xbb\xbf1",
            b"\x0b1",
            b"1 ",
            b"//",
            b"[" * 100 + b"]" * 100,
        ),
    ],
    ids=ascii,
)
def test_what_parsers_disagree_on(value: bytes) -> None:
    for where in (b'"payload":{"properties":%b}', b'"payload":{},"time":%b', b'"payload":{},"hints":{"a":%b}'):
        agree(b'{"kind":"track","project_id":"shop",%b}' % (where % value))


def _json(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
