"""What the gateway answers: refusals with a machine-readable reason, and the headers every answer carries."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

import orjson

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
RETRY_AFTER_SECONDS = 1
CORS_SECONDS = 7 * 24 * 3600

_ALLOW_ANY = (b"access-control-allow-origin", b"*")
_EXPOSE = (
    b"access-control-expose-headers",
    b"x-weir-reason, retry-after, request-id, x-request-id, ratelimit-limit, ratelimit-remaining, ratelimit-reset",
)
_PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Payload Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Answer(NamedTuple):
    """A whole answer, before the headers that every answer carries."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Refusal(Exception):
    """A request that is not taken. ``reason`` is one machine-readable word, ``message`` a sentence for people.

    A client may send the same again after a 5xx or 429, which carry ``Retry-After`` (seconds); after a 4xx other than
    these and 408 it would be in vain.
    """

    def __init__(
        self, status: int, reason: str, message: str, retry_after: int | None = None, headers: Headers | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = RETRY_AFTER_SECONDS if retry_after is None and status >= 500 else retry_after
        self.headers = headers or []
        self.vouched = False
        """The sender has proven its secret."""


def bad_request(reason: str, message: str) -> Refusal:
    """A request that can't be understood or stored as it is: 400."""
    return Refusal(400, reason, message)


def unavailable(reason: str, message: str) -> Refusal:
    """Not now: 503 with ``Retry-After``; nothing is known to be stored, and sending it again is right."""
    return Refusal(503, reason, message)


def unforeseen() -> Refusal:
    """An error of our own: 500. What went wrong is in the log and nobody else's business."""
    return Refusal(500, "internal_error", "Something went wrong here: send it again.")


def refusal_json(refusal: Refusal) -> Answer:
    """A refusal in our own shape, which is OpenPanel's with ``reason`` added."""
    body = {
        "status": refusal.status,
        "error": _PHRASES.get(refusal.status, "Error"),
        "message": refusal.message,
        "reason": refusal.reason,
    }
    return Answer(refusal.status, orjson.dumps(body))


def refusal_headers(refusal: Refusal) -> Headers:
    """Headers that tell programs why, and when to come again."""
    headers = [(b"x-weir-reason", refusal.reason.encode())]
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    return headers + refusal.headers


async def send_answer(send: Send, answer: Answer, extra: Headers | None = None) -> None:
    """Send a whole answer, readable from pages of any origin."""
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        _ALLOW_ANY,
        _EXPOSE,
        *answer.headers,
    ]
    if extra:
        headers += extra
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def send_preflight(send: Send, requested_headers: bytes | None) -> None:
    """Answer a browser's question before a request across origins: any origin and any header, for seven days."""
    headers = [
        _ALLOW_ANY,
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-allow-headers", requested_headers or b"*"),
        (b"access-control-max-age", str(CORS_SECONDS).encode()),
        (b"vary", b"access-control-request-headers"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
