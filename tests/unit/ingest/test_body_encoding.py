"""Compressed bodies."""

import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ingest.answers import Refusal
from ingest.body_encoding import decompress


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("identity", bytes),
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", _raw_deflate),
    ("br", brotli.compress),
    ("zstd", zstandard.compress),
]


@pytest.mark.parametrize(("encoding", "pack"), PACKERS)
@given(data=st.binary(max_size=5_000))
def test_what_was_packed_comes_out(encoding: str, pack: Callable[[bytes], bytes], data: bytes) -> None:
    assert decompress(pack(data), f" {encoding.upper()} ", 5_000) == data


@pytest.mark.parametrize(("encoding", "pack"), PACKERS[1:])
def test_a_bomb_is_refused_and_what_is_cut_short_is_broken(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Refusal) as refused:
        decompress(pack(bytes(50_000_000)), encoding, 1_000_000)
    assert refused.value.status == 413
    with pytest.raises(Refusal) as refused:
        decompress(pack(bytes(range(256)) * 40)[:-12], encoding, 1_000_000)
    assert (refused.value.status, refused.value.reason) == (400, "broken_encoding")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
@given(data=st.binary(max_size=200))
def test_anything_else_is_refused_too(encoding: str, data: bytes) -> None:
    with suppress(Refusal):
        assert len(decompress(data, encoding, 10_000)) <= 10_000


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(Refusal) as refused:
        decompress(b"", "compress", 10)
    assert (refused.value.status, refused.value.reason) == (415, "unknown_encoding")
