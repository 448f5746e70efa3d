"""Texts that the npm package lz-string packed with ``compressToBase64``, unpacked."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.answers import Refusal
from ingest.protocols.lz_string import MAX_PACKED, unpack_lz_string

LIMIT = 1_000
LONG = "B418ZXTt/DFOS1b0c17Pd/wYUcSaWeRZVdTbXfQ408y62+x519z73/wMFDhI0WPETJU6TNlyZQA="
"""3,000 times x."""


@pytest.mark.parametrize(
    ("packed", "text"),
    [
        ("OYJwbw+wpgBIyOQ0LwbgAPaA", "größe ✓ 😀"),
        ("IY1/kA==", "a" * 20),
        ("IZA=", "a"),
        ("Q===", ""),
        ("N4IghiBcDaCMA0AmeBmAuvEAjK4sGMwCjCCQBfIA", '{"a":[1,2,3],"b":"abcabcabcabc"}'),
        ("rwbAIDYPYHYKZA==", "\ufffd lone"),
    ],
)
def test_what_was_packed_is_unpacked(packed: str, text: str) -> None:
    assert unpack_lz_string(packed, LIMIT) == text


@pytest.mark.parametrize("packed", ["", "%", "IZ", "IY1/", "AAAA", "////", "größe"])
def test_what_is_no_such_text(packed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack_lz_string(packed, LIMIT)


def test_it_is_unpacked_no_further_than_its_bound() -> None:
    assert unpack_lz_string(LONG, 3_000) == "x" * 3_000
    for packed, limit in ((LONG, 2_999), ("A" * (MAX_PACKED + 1), LIMIT)):
        with pytest.raises(Refusal) as refused:
            unpack_lz_string(packed, limit)
        assert (refused.value.status, refused.value.reason) == (413, "too_large")


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", max_size=200))
def test_any_text_is_unpacked_or_refused(packed: str) -> None:
    with suppress(ValueError, Refusal):
        assert len(unpack_lz_string(packed, LIMIT)) <= LIMIT
