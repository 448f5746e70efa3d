"""An envelope: one Kafka message holding many JSON lines, and the tick, which holds none."""

from collections.abc import Iterable, Iterator
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict

from schemas.topics import FORMAT_VERSION, HEADER_FORMAT, HEADER_GATEWAY, HEADER_KIND, HEADER_SEQUENCE

Headers = list[tuple[str, str | bytes | None]]

MAX_LINES = 200
"""Lines after which a gateway closes an envelope."""
MAX_BYTES = 256 * 1024
"""Bytes after which a gateway closes an envelope."""


class Tick(BaseModel):
    """A raw message that only says that time has passed; its own time is the broker's stamp."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    sender: str = ""


def join_lines(lines: Iterable[bytes]) -> bytes:
    """The value of an envelope. A line is one JSON object without a line break in it, as orjson writes them."""
    return b"\n".join(lines)


def portions(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Lines in their order, in as many envelopes as they need; a line that is too long for any gets its own."""
    if len(lines) == 1 or (len(lines) <= MAX_LINES and sum(map(len, lines)) + len(lines) <= MAX_BYTES):
        yield lines
        return
    start = size = 0
    for number, line in enumerate(lines):
        if number > start and (number - start >= MAX_LINES or size + len(line) > MAX_BYTES):
            yield lines[start:number]
            start, size = number, 0
        size += len(line) + 1
    yield lines[start:]


def split_lines(value: bytes) -> list[bytes]:
    """The lines of an envelope; blank ones are dropped. A value with none gives an empty list."""
    return [line for line in value.split(b"\n") if line and not line.isspace()]


def envelope_headers(gateway: str, sequence: int) -> Headers:
    """Headers of an envelope of gateway instance ``gateway``, its ``sequence``-th in this partition."""
    return [
        (HEADER_FORMAT, FORMAT_VERSION.encode()),
        (HEADER_KIND, b"envelope"),
        (HEADER_GATEWAY, gateway.encode()),
        (HEADER_SEQUENCE, str(sequence).encode()),
    ]


def tick_message(sender: str) -> tuple[bytes, Headers]:
    """Value and headers of a tick."""
    headers: Headers = [(HEADER_FORMAT, FORMAT_VERSION.encode()), (HEADER_KIND, b"tick")]
    return orjson.dumps(Tick(sender=sender).model_dump()), headers


def is_tick_value(value: bytes) -> bool:
    """Whether a message's value is a tick's: whatever its headers say, a value that holds events is none."""
    try:
        data = orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return isinstance(data, dict) and "payload" not in data


def is_tick(headers: Iterable[tuple[str, bytes | None]]) -> bool:
    """Whether a raw message is a tick, by its headers alone."""
    return any(name == HEADER_KIND and value == b"tick" for name, value in headers)
