"""Compressed bodies, unpacked no further than a body may be large."""

import zlib
from collections.abc import Callable
from functools import cache
from typing import Protocol

import brotli
import zstandard

from ingest.answers import Refusal, bad_request
from ingest.limits import too_large

_CHUNK = 64 * 1024
_ZSTD_CHUNK = 1_024
_STREAMS = 1_000
"""Members or frames of a body: each costs 10 us, though nothing be in it."""


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding: gzip, deflate (with or without zlib's frame), br, zstd or identity.

    gzip and zstd may be several members or frames, as files are put one behind the other.

    :raises Refusal: 415 for another encoding; 400 ``broken_encoding``, also when something follows the end; 413 as
        soon as more than ``limit`` bytes come.
    """
    unpack = _DECODERS.get(encoding.strip().lower())
    if unpack is None:
        raise Refusal(415, "unknown_encoding", "Bodies may be compressed with gzip, deflate, br or zstd.")
    try:
        return unpack(body, limit)
    except (zlib.error, brotli.error, zstandard.ZstdError, EOFError) as error:
        raise bad_request("broken_encoding", f"The body is not {encoding.strip().lower()}.") from error


class _Decoder(Protocol):
    """Unpacks one stream: of gzip a member, of zstd a frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, room: int, /) -> bytes: ...


@cache
def _zstd_context() -> zstandard.ZstdDecompressor:
    # Made once, because that costs more than a small body; one body is unpacked after the other.
    return zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024)


class _ZstdFrame:
    """A decoder of zstd's, which knows no bound on what comes out of a piece."""

    def __init__(self) -> None:
        self._decoder = _zstd_context().decompressobj()

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, _: int, /) -> bytes:
        return self._decoder.decompress(data)


def _streams(body: bytes, limit: int, new_decoder: Callable[[], _Decoder], piece: int, most: int = _STREAMS) -> bytes:
    """What one stream after the other holds, at most so many of them; nothing else may follow. Fed in pieces, because
    the rest is copied at the end of each stream, and a piece of zstd's is always unpacked whole.
    """
    parts: list[bytes] = []
    size = start = 0
    for _ in range(most):
        decoder = new_decoder()
        while not decoder.eof:
            if start >= len(body):
                raise EOFError
            given = body[start : start + piece]
            part = decoder.decompress(given, limit + 1 - size)
            start += len(given) - len(decoder.unused_data)
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
        if start == len(body):
            return b"".join(parts)
    raise EOFError


def _gzip(body: bytes, limit: int) -> bytes:
    return _streams(body, limit, lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), _CHUNK)


def _deflate(body: bytes, limit: int) -> bytes:
    try:
        return _streams(body, limit, zlib.decompressobj, _CHUNK, 1)
    except zlib.error:
        return _streams(body, limit, lambda: zlib.decompressobj(-zlib.MAX_WBITS), _CHUNK, 1)


def _zstd(body: bytes, limit: int) -> bytes:
    return _streams(body, limit, _ZstdFrame, _ZSTD_CHUNK)


def _brotli(body: bytes, limit: int) -> bytes:
    decoder = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    # The last byte by itself: a stream that is whole without it has something behind it.
    for given in (body[:-1], body[-1:]):
        if decoder.is_finished():
            raise EOFError
        part: bytes = decoder.process(given, output_buffer_limit=_CHUNK)
        while True:
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
            if decoder.is_finished() or (decoder.can_accept_more_data() and not part):
                break
            part = decoder.process(b"", output_buffer_limit=_CHUNK)
    if not decoder.is_finished():
        raise EOFError
    return b"".join(parts)


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "": lambda body, _: body,
    "identity": lambda body, _: body,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
