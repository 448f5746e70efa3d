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


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_streams_one_behind_the_other_are_one_body(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """RFC 1952 2.2, RFC 8878 3: what ``cat`` makes of two files is one."""
    parts = [b"first", b"", bytes(range(256)) * 1_000, b"last"]
    whole = b"".join(parts)
    assert decompress(b"".join(map(pack, parts)), encoding, len(whole)) == whole
    with pytest.raises(Refusal) as refused:
        decompress(b"".join(map(pack, parts)), encoding, len(whole) - 1)
    assert refused.value.status == 413


def test_frames_to_be_skipped_are_skipped() -> None:
    skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
    assert decompress(skipped + zstandard.compress(b"{}") + skipped, "zstd", 10) == b"{}"


@pytest.mark.parametrize(("encoding", "pack"), PACKERS[1:])
@pytest.mark.parametrize("rest", [b"\0", b"junk", b"\x1f\x8b", b"{}" * 40_000])
@pytest.mark.parametrize("data", [b"{}", bytes(range(256)) * 1_000])
def test_what_follows_the_end_is_broken(
    encoding: str, pack: Callable[[bytes], bytes], rest: bytes, data: bytes
) -> None:
    with pytest.raises(Refusal) as refused:
        decompress(pack(data) + rest, encoding, 1_000_000)
    assert (refused.value.status, refused.value.reason) == (400, "broken_encoding")


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_streams_without_end_are_broken(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Refusal) as refused:
        decompress(pack(b"") * 2_000, encoding, 1_000_000)
    assert refused.value.reason == "broken_encoding"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
@given(data=st.binary(max_size=200))
def test_anything_else_is_refused_too(encoding: str, data: bytes) -> None:
    with suppress(Refusal):
        assert len(decompress(data, encoding, 10_000)) <= 10_000


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(Refusal) as refused:
        decompress(b"", "compress", 10)
    assert (refused.value.status, refused.value.reason) == (415, "unknown_encoding")
