"""The format of a segment: a mark, then records, each with its length and a checksum before it.

A record says everything about a closed envelope, so that another process can send it as it was. What a process that
died was still writing ends a segment: it is shorter than it says. Anything else that is not what was written is damage;
the records behind it are found again, because no other bytes look like the beginning of one: JSON has no zero bytes.
"""

import re
import struct
from typing import NamedTuple
from zlib import crc32

import orjson

from schemas.envelope import Headers
from schemas.topics import HEADER_SEQUENCE

MARK = b"WEIRSPL1"
"""The first bytes of a segment: its kind and version."""
_FRAME = struct.Struct("<II")
_BODY = struct.Struct("<IQII")
FRAME_BYTES = _FRAME.size
MAX_RECORD_BYTES = 64 * 1024 * 1024
_HEADERS_BEGIN = b'[["'
_BEFORE_HEADERS = FRAME_BYTES + _BODY.size
_NUMBER = re.compile(rb'\["%s","(\d{1,18})"\]' % HEADER_SEQUENCE.encode())


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


class Damage(NamedTuple):
    """Bytes [``start``, ``stop``) of a segment that are not what was written; ``numbers`` of the envelopes that were
    there, as far as they can be read.
    """

    start: int
    stop: int
    numbers: tuple[int, ...]

    @property
    def envelopes(self) -> int:
        """How many are lost, at least: none with the mark alone."""
        return 0 if self.stop <= len(MARK) else len(self.numbers) or 1


class Scan(NamedTuple):
    """What a segment holds, in its order. ``torn``: bytes at its end that are the beginning of a record."""

    found: list[Found]
    damaged: list[Damage]
    torn: int


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


def scan(data: bytes) -> Scan:
    """All intact records of a segment, those behind damaged ones too."""
    found: list[Found] = []
    damaged: list[Damage] = []
    position = len(MARK) if data.startswith(MARK) else 0
    while position < len(data):
        end = _end_of_record(data, position)
        if end is not None:
            partition, stored_ms, _, _ = _BODY.unpack_from(data, position + FRAME_BYTES)
            found.append(Found(position, partition, stored_ms))
            position = end
            continue
        following = _next_record(data, position)
        if following is None and _is_torn(data[position:]):
            return Scan(found, damaged, len(data) - position)
        stop = len(data) if following is None else following
        numbers = tuple(int(number) for number in _NUMBER.findall(data, position, stop))
        damaged.append(Damage(position, stop, numbers))
        position = stop
    return Scan(found, damaged, 0)


def _end_of_record(data: bytes, position: int) -> int | None:
    """Where the intact record at this position ends; None if there is none."""
    frame = data[position : position + FRAME_BYTES]
    length = body_length(frame)
    if length is None:
        return None
    end = position + FRAME_BYTES + length
    return end if _is_intact(frame, data[position + FRAME_BYTES : end]) else None


def _next_record(data: bytes, position: int) -> int | None:
    """Where the next intact record begins behind this position."""
    headers = data.find(_HEADERS_BEGIN, position + _BEFORE_HEADERS)
    while headers >= 0:
        start = headers - _BEFORE_HEADERS
        if start > position and _end_of_record(data, start) is not None:
            return start
        headers = data.find(_HEADERS_BEGIN, headers + 1)
    return None


def _is_torn(rest: bytes) -> bool:
    """Whether a process died while it wrote this: a record that ends early, a part of the mark, or space for either
    that was never filled.
    """
    if len(rest) < FRAME_BYTES or not rest.strip(b"\0"):
        return True
    length, checksum = _FRAME.unpack_from(rest)
    there = len(rest) - FRAME_BYTES
    # One that is whole but for its length was not torn.
    return there < length <= MAX_RECORD_BYTES and bool(checksum != _checksum(there, rest[FRAME_BYTES:]))


def _is_intact(frame: bytes, body: bytes) -> bool:
    length, checksum = _FRAME.unpack(frame)
    return length == len(body) and bool(checksum == _checksum(length, body))


def _checksum(length: int, body: bytes) -> int:
    # With the length in it: one that was damaged must not find a checksum that fits by starting elsewhere.
    return crc32(body, length)


def _text(value: str | bytes | None) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value
