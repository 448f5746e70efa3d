"""Bounds on what one request may bring, and reading a body no further than they allow."""

from collections.abc import Callable, MutableMapping
from typing import Any

from ingest.answers import Receive, Refusal, bad_request
from ingest.arriving import Arriving
from schemas.raw_event import RawKind
from schemas.topics import MAX_RAW_MESSAGE_BYTES, MAX_REPLAY_MESSAGE_BYTES

_REPLAY = RawKind.REPLAY
MAX_USER_AGENT = 2_048
MAX_HINT = 512
"""Characters of one header that describes the client; what goes beyond is cut off."""
MAX_SDK_TEXT = 64
MAX_PROFILE_ID = 256
MAX_GROUP_ID = 128
MAX_GIVEN_DEVICE_ID = 64
MAX_SESSION_ID = 64
MAX_EVENT_NAME = 80
_SAID_AGAIN = 8 * 1024 * 1024
"""What a sender's headers and what is said of all events may add to a batch."""


def too_large(limit: int) -> Refusal:
    """The refusal of a body or event of more than ``limit`` bytes."""
    return Refusal(413, "too_large", f"At most {limit} bytes are taken at once.")


class TooLargeAltogether(Refusal):
    """The refusal of a request whose events together are too large, whatever each of them is."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, "too_large", f"The events of this request come to more than {limit} bytes: send fewer.")


def room_for_events(body_limit: int, in_flight_bytes: int) -> int:
    """How many bytes the events of a request may become, whose body may have ``body_limit``. What it says once for all
    its events is written into each: without a bound a megabyte would become gigabytes.
    """
    return min(2 * body_limit + _SAID_AGAIN, in_flight_bytes)


def line_limit(kind: RawKind) -> int:
    """How long an event of this kind may be, as JSON on the raw topic."""
    return MAX_REPLAY_MESSAGE_BYTES if kind is _REPLAY else MAX_RAW_MESSAGE_BYTES


async def read_body(receive: Receive, declared: bytes | None, limit: int, arriving: Arriving) -> bytes:
    """The request's body. ``declared`` is its Content-Length header.

    :raises Refusal: ``too_large`` as soon as it is known, without reading the rest; ``incomplete`` when the client
        went away in the middle; ``body_too_slow`` (408) and ``overloaded`` (503) as `Arriving.body` tells.
    """
    length = None
    if declared is not None and (not declared.isdigit() or len(declared) > 20 or (length := int(declared)) > limit):
        raise too_large(limit)
    with arriving.body() as body:
        message = await receive()
        chunk: bytes = message.get("body", b"")
        # The server says only with another, empty message that nothing follows, and each costs a thread's turn.
        if len(chunk) == length or (message["type"] == "http.request" and not message.get("more_body")):
            if len(chunk) > limit:
                raise too_large(limit)
            return chunk
        return await _read(message, receive, length, limit, body.more)


async def _read(
    message: MutableMapping[str, Any], receive: Receive, length: int | None, limit: int, count: Callable[[int], None]
) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
        count(len(chunk))
        if size == length or not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()
    raise bad_request("incomplete", "The body ended too early.")
