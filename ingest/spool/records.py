"""The format of a segment: a mark, then records, each with its length and a checksum before it.

A record says everything about a closed envelope, so that another process can send it as it was. What a process that
died was still writing ends a segment: it fails its checksum, and what is before it is whole.
"""

import struct
from typing import NamedTuple
from zlib import crc32

import orjson

from schemas.envelope import Headers

MARK = b"WEIRSPL1"
"""The first bytes of a segment: its kind and version."""
_FRAME = struct.Struct("<II")
_BODY = struct.Struct("<IQII")
FRAME_BYTES = _FRAME.size
MAX_RECORD_BYTES = 64 * 1024 * 1024


class Spooled(NamedTuple):
    """A closed envelope, and since when (Unix milliseconds) it is on disk."""

    partition: int
    stored_ms: int
    lines: int
    headers: Headers
    value: bytes


class Found(NamedTuple):
    """Where a segment has a record, and what is to be known of it without reading it."""

    position: int
    partition: int
    stored_ms: int


def encode(envelope: Spooled) -> bytes:
    """The record of an envelope. Headers are ASCII, as all of ours."""
    headers = orjson.dumps([[name, _text(value)] for name, value in envelope.headers])
    head = _BODY.pack(envelope.partition, envelope.stored_ms, envelope.lines, len(headers))
    body = b"".join((head, headers, envelope.value))
    length = len(body)
    return _FRAME.pack(length, _checksum(length, body)) + body


def body_length(frame: bytes) -> int | None:
    """How long the body after these `FRAME_BYTES` bytes says it is; None if no record begins so."""
    if len(frame) < FRAME_BYTES:
        return None
    length: int = _FRAME.unpack_from(frame)[0]
    return length if _BODY.size <= length <= MAX_RECORD_BYTES else None


def decode(frame: bytes, body: bytes) -> Spooled | None:
    """The envelope of a record, or None if it is not what was written."""
    if not _is_intact(frame, body):
        return None
    partition, stored_ms, lines, size = _BODY.unpack_from(body)
    end = _BODY.size + size
    given = orjson.loads(body[_BODY.size : end])
    headers: Headers = [(name, None if text is None else text.encode("latin-1")) for name, text in given]
    return Spooled(partition, stored_ms, lines, headers, body[end:])


def scan(data: bytes) -> tuple[list[Found], int]:
    """The intact records a segment begins with, and where they end. What is no segment holds none and ends at 0."""
    if not data.startswith(MARK):
        return [], 0
    found: list[Found] = []
    position = len(MARK)
    while True:
        frame = data[position : position + FRAME_BYTES]
        length = body_length(frame)
        if length is None:
            return found, position
        body = data[position + FRAME_BYTES : position + FRAME_BYTES + length]
        if not _is_intact(frame, body):
            return found, position
        partition, stored_ms, _, _ = _BODY.unpack_from(body)
        found.append(Found(position, partition, stored_ms))
        position += FRAME_BYTES + length


def _is_intact(frame: bytes, body: bytes) -> bool:
    length, checksum = _FRAME.unpack(frame)
    return length == len(body) and bool(checksum == _checksum(length, body))


def _checksum(length: int, body: bytes) -> int:
    # With the length in it: one that was damaged must not find a checksum that fits by starting elsewhere.
    return crc32(body, length)


def _text(value: str | bytes | None) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value
