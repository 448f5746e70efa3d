"""Envelopes, ticks and the headers of dead letters."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.envelope import (
    MAX_BYTES,
    MAX_LINES,
    Headers,
    Tick,
    envelope_headers,
    is_tick,
    join_lines,
    portions,
    split_lines,
    tick_message,
)

OBJECTS = st.dictionaries(st.text(max_size=5), st.text() | st.integers(-(2**53), 2**53), max_size=5)


def received(headers: Headers) -> list[tuple[str, bytes | None]]:
    """As a consumer sees them: bytes."""
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in headers]


@given(st.lists(OBJECTS))
def test_lines_come_out_as_they_went_in(objects: list[dict[str, object]]) -> None:
    lines = split_lines(join_lines(orjson.dumps(one) for one in objects))
    assert [orjson.loads(line) for line in lines] == objects


def test_blank_lines_are_no_lines() -> None:
    assert split_lines(b'\n{"a":1}\r\n \n\t\n{"b":2}\n') == [b'{"a":1}\r', b'{"b":2}']
    assert split_lines(b"") == []
    assert split_lines(b"\n \n") == []


def test_envelope_headers_name_gateway_and_number() -> None:
    headers = dict(received(envelope_headers("gateway-1", 42)))
    assert headers == {"weir-format": b"1", "weir-kind": b"envelope", "weir-gateway": b"gateway-1", "weir-seq": b"42"}
    assert not is_tick(headers.items())


def test_tick_is_known_by_its_headers_alone() -> None:
    value, headers = tick_message("worker-1")
    assert is_tick(received(headers))
    assert Tick.model_validate_json(value).sender == "worker-1"


def test_a_message_without_headers_is_an_envelope() -> None:
    assert not is_tick([])
    assert not is_tick([("weir-kind", None), ("other", b"tick")])


def test_dead_letter_headers() -> None:
    letter = DeadLetter(
        value=b"{",
        stage="parse",
        reason="not_json",
        detail="d" * 600 + "\ud800",
        project_id="\ud800",
        topic=topics.RAW,
        epoch=2,
        partition=3,
        offset=2**40,
        line=7,
        stamp_ms=1_780_000_000_000,
        log_epoch=4,
    )
    assert dict(received(letter.headers())) == {
        "weir-format": b"1",
        "weir-stage": b"parse",
        "weir-reason": b"not_json",
        "weir-detail": b"d" * 500,
        "weir-project": b"?",
        "weir-topic": b"weir.raw",
        "weir-epoch": b"2",
        "weir-partition": b"3",
        "weir-offset": str(2**40).encode(),
        "weir-line": b"7",
        "weir-stamp": b"1780000000000",
        "weir-log-epoch": b"4",
    }


def test_many_lines_go_in_envelopes_of_bounded_size_in_their_order() -> None:
    small, large = b"x" * 100, b"y" * MAX_BYTES
    lines = [small] * (2 * MAX_LINES + 1) + [large, large, small]
    found = list(portions(lines))
    assert [line for portion in found for line in portion] == lines
    assert [len(portion) for portion in found] == [MAX_LINES, MAX_LINES, 1, 1, 1, 1]
    assert list(portions([large + large])) == [[large + large]]
