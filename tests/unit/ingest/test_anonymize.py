"""Which texts are looked at as addresses."""

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.anonymize import may_be_address, without_addresses
from ingest.client_ip import parse_address
from ingest.protocols.protocol import SentEvent
from schemas.address import truncate_ip
from schemas.raw_event import RawKind

ADDRESSES = st.ip_addresses().map(str)
SPACES = st.text([space for code in range(0x3100) if (space := chr(code)).isspace()], max_size=3)
SPELLINGS = st.one_of(
    ADDRESSES,
    ADDRESSES.map(str.upper),
    ADDRESSES.map(lambda text: f"[{text}]:443"),
    ADDRESSES.map(lambda text: f' "{text}" '),
    ADDRESSES.map(lambda text: f"{text}:8080"),
    ADDRESSES.map(lambda text: f"{text}%eth0"),
    st.tuples(SPACES, ADDRESSES, SPACES).map("".join),
    st.text(st.sampled_from('0123456789abcdefABCDEF.:[]"% x'), max_size=45),
)


@given(SPELLINGS)
@example("::")
@example("\u00a0198.51.100.77")
@example("\x1f198.51.100.77")
@example("::ffff:1.2.3.4")
def test_no_address_is_passed_over(text: str) -> None:
    assert may_be_address(text) or parse_address(text) is None


@example("\u00a0198.51.100.77", {"a": None})
@example("\x1f198.51.100.77", {"a": None})
@example("\u3000[198.51.100.77]", {"a": None})
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


FOUR, SIX = "81.2.69.142", "2a00:23c8:1234:5678::9"
WITHIN = {
    "user81.2.69.142px": "user81.2.69.0px",
    "at 81%2E2%2E69%2e142": "at 81.2.69.0",
    "%2281.2.69.142%22": "%2281.2.69.0%22",
    "%252281%252E2%252E69%252E142": "%252281.2.69.0",
    "see ::ffff:5102:458e.": "see ::ffff:5102:4500.",
    "see 0:0:0:0:0:FFFF:5102:458E": "see 0:0:0:0:0:FFFF:5102:4500",
    "a=%3A%3Affff%3A5102%3A458e": "a=%3A%3Affff%3A5102:4500",
    "by 64:ff9b::5102:458e": "by 64:ff9b::5102:4500",
    "by 2002:5102:458e::1": "by 2002:5102:4500::1",
    "client2a00:23C8:1234:5678:0:0:0:9": "client2a00:23c8:1234::",
    "2a00:23c8:1234:5678:0000::0009/x": "2a00:23c8:1234::/x",
    "%202a00%3a23c8%3a1234%3a5678%3a%3a9": "%202a00:23c8:1234::",
    "11.81.2.69.142": "11.81.2.69.142",
    "181.2.69.142, 81.2.69.1421": "181.2.69.142, 81.2.69.1421",
    "or 2a00:23c8:1234:5678::9a": "or 2a00:23c8:1234:5678::9a",
}


@pytest.mark.parametrize("text", WITHIN, ids=[str(number) for number in range(len(WITHIN))])
def test_the_visitors_address_is_found_in_any_spelling_within_a_text(text: str) -> None:
    event = SentEvent(kind=RawKind.TRACK, payload={"a": text, "b": {text: [text]}})
    short = WITHIN[text]
    assert without_addresses(event, (FOUR, SIX)).payload == {"a": short, "b": {short: [short]}}


def test_whose_network_is_translated_has_two_addresses() -> None:
    event = SentEvent(kind=RawKind.TRACK, payload={"a": f"of {FOUR}"})
    for seen in ("64:ff9b::5102:458e", "2002:5102:458e::1"):
        assert without_addresses(event, (seen,)).payload == {"a": "of 81.2.69.0"}


def test_an_sdk_names_no_address() -> None:
    event = SentEvent(kind=RawKind.TRACK, payload={}, sdk_name=f"web {FOUR}", sdk_version=FOUR)
    short = without_addresses(event, (FOUR,))
    assert (short.sdk_name, short.sdk_version) == ("web 81.2.69.0", "81.2.69.0")


@pytest.mark.parametrize("text", ["::" * 1_000, "2a00:23c8:" * 1_000, "2a00" + ":0" * 5_000, "0:" * 5_000, "ffff:" * 9])
def test_what_only_looks_like_the_address_is_left(text: str) -> None:
    event = SentEvent(kind=RawKind.TRACK, payload={"a": f"{text}, {FOUR}"})
    assert without_addresses(event, (FOUR, SIX)).payload == {"a": f"{text}, 81.2.69.0"}
