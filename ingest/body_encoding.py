"""Compressed bodies, unpacked no further than a body may be large."""

import zlib
from collections.abc import Callable

import brotli
import zstandard

from ingest.answers import Refusal, bad_request
from ingest.limits import too_large

_CHUNK = 64 * 1024


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding: gzip, deflate (with or without zlib's frame), br, zstd or identity.

    :raises Refusal: 415 for another encoding, 400 ``broken_encoding``, 413 as soon as more than ``limit`` bytes come.
    """
    unpack = _DECODERS.get(encoding.strip().lower())
    if unpack is None:
        raise Refusal(415, "unknown_encoding", "Bodies may be compressed with gzip, deflate, br or zstd.")
    try:
        return unpack(body, limit)
    except (zlib.error, brotli.error, zstandard.ZstdError, EOFError) as error:
        raise bad_request("broken_encoding", f"The body is not {encoding.strip().lower()}.") from error


def _inflate(body: bytes, limit: int, window: int) -> bytes:
    decoder = zlib.decompressobj(window)
    unpacked: bytes = decoder.decompress(body, limit + 1)
    if len(unpacked) > limit:
        raise too_large(limit)
    if not decoder.eof:
        raise EOFError
    return unpacked


def _deflate(body: bytes, limit: int) -> bytes:
    try:
        return _inflate(body, limit, zlib.MAX_WBITS)
    except zlib.error:
        return _inflate(body, limit, -zlib.MAX_WBITS)


def _brotli(body: bytes, limit: int) -> bytes:
    decoder = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    part: bytes = decoder.process(body, output_buffer_limit=_CHUNK)
    while True:
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
        if decoder.is_finished():
            return b"".join(parts)
        if decoder.can_accept_more_data() and not part:
            raise EOFError
        part = decoder.process(b"", output_buffer_limit=_CHUNK)


def _zstd(body: bytes, limit: int) -> bytes:
    decoder = zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024).decompressobj()
    parts, size = [], 0
    # In small pieces, because one piece is always unpacked whole.
    for start in range(0, len(body), 1_024):
        part = decoder.decompress(body[start : start + 1_024])
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
    if not decoder.eof:
        raise EOFError
    return b"".join(parts)


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "": lambda body, _: body,
    "identity": lambda body, _: body,
    "gzip": lambda body, limit: _inflate(body, limit, zlib.MAX_WBITS | 16),
    "x-gzip": lambda body, limit: _inflate(body, limit, zlib.MAX_WBITS | 16),
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
