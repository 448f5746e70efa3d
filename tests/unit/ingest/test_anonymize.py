"""Which texts are looked at as addresses."""

from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.anonymize import may_be_address, without_addresses
from ingest.client_ip import parse_address
from ingest.protocols.protocol import SentEvent
from schemas.address import truncate_ip
from schemas.raw_event import RawKind

ADDRESSES = st.ip_addresses().map(str)
SPELLINGS = st.one_of(
    ADDRESSES,
    ADDRESSES.map(str.upper),
    ADDRESSES.map(lambda text: f"[{text}]:443"),
    ADDRESSES.map(lambda text: f' "{text}" '),
    ADDRESSES.map(lambda text: f"{text}:8080"),
    ADDRESSES.map(lambda text: f"{text}%eth0"),
    st.text(st.sampled_from('0123456789abcdefABCDEF.:[]"% x'), max_size=45),
)


@given(SPELLINGS)
@example("::")
@example("::ffff:1.2.3.4")
def test_no_address_is_passed_over(text: str) -> None:
    assert may_be_address(text) or parse_address(text) is None


@given(SPELLINGS, st.sampled_from([{"a": None}, {"a": [None]}, {"b": 1, "a": {"x,": None}}]))
def test_no_payload_with_an_address_is_passed_over(text: str, shape: dict[str, Any]) -> None:
    payload = orjson.loads(orjson.dumps(shape).replace(b"null", orjson.dumps(text)))
    event = SentEvent(kind=RawKind.TRACK, payload=payload)
    short = without_addresses(event, ("81.2.69.142", "2001:db8::1"))
    address = parse_address(text)
    if address is not None and truncate_ip(str(address)) != str(address):
        assert orjson.dumps(text) not in orjson.dumps(short.payload)


def test_what_is_nested_too_deeply_to_be_written_is_left_to_be_refused() -> None:
    payload = orjson.loads(b'{"a":' + b"[" * 1_000 + b'"81.2.69.142"' + b"]" * 1_000 + b"}")
    event = SentEvent(kind=RawKind.TRACK, payload=payload)
    assert without_addresses(event, ("81.2.69.142",)) is event


def test_what_is_too_long_to_be_taken_is_not_searched() -> None:
    event = SentEvent(kind=RawKind.TRACK, payload={"a": "81.2.69.142 " * 100_000})
    assert without_addresses(event, ("81.2.69.142",)) is event
    recording = SentEvent(kind=RawKind.REPLAY, payload={"a": "81.2.69.142 " * 100_000})
    assert without_addresses(recording, ("81.2.69.142",)).payload == {"a": "81.2.69.0 " * 100_000}
