"""What a PostHog request carries: events and their token, taken out of forms, base64 and compression."""

import base64
import binascii
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from ingest.answers import bad_request
from ingest.body_encoding import decompress
from ingest.json_body import request_json
from ingest.protocols.lz_string import unpack_lz_string
from ingest.protocols.posthog_keys import token_of, token_of_events
from ingest.protocols.protocol import Request
from schemas.event_time import parse_iso_ms

MAX_BODY_BYTES = 10 * 1024 * 1024
"""The clients keep their batches below 6 MB."""
MAX_EVENTS = 10_000

_GZIP = b"\x1f\x8b"
_LZ_STRING = ("lz64", "lz-string")
_LONGEST_MILLISECONDS = 15
"""Digits; what is longer is no time."""


class Posted(NamedTuple):
    """Events as they came, none of them looked at. ``sent_ms``: the sender's clock at sending."""

    token: str
    events: list[Any]
    sent_ms: int | None


def read_posted(request: Request) -> Posted:
    """The events of a request in any of the shapes that clients of all ages send.

    :raises Refusal: ``not_json``, ``not_an_object``, ``no_events``, ``too_many_events``, ``broken_encoding``,
        ``too_large``, ``too_many_values``.
    """
    query = _pairs(request.query)
    value = request_json(request._replace(body=_content(request, query)))
    envelope = value if isinstance(value, dict) else {}
    batch = envelope.get("batch")
    events = batch if isinstance(batch, list) else value if isinstance(value, list) else [value]
    if not isinstance(value, dict | list):
        raise bad_request("not_an_object", "The body must be an event, an array of events, or an object with a batch.")
    if not events:
        raise bad_request("no_events", "The request brings no events.")
    if len(events) > MAX_EVENTS:
        raise bad_request("too_many_events", f"At most {MAX_EVENTS} events are taken at once.")
    return Posted(token_of(envelope) or token_of_events(events), events, _sent_ms(envelope, query))


def _content(request: Request, query: dict[str, str]) -> bytes:
    body, compression = request.body, query.get("compression", "")
    if request.method == "GET":
        body = query.get("data", "").encode()
    elif body.startswith((b"data=", b"compression=")):
        form = _pairs(body)
        body, compression = form.get("data", "").encode(), form.get("compression", compression)
    # Clients fall back to plain JSON without always saying so: what it looks like decides, not what was said.
    if not body.startswith(_GZIP) and not body.lstrip().startswith((b"{", b"[")) and body:
        body = _from_lz_string(body) if compression.lower() in _LZ_STRING else _from_base64(body)
    return decompress(body, "gzip", MAX_BODY_BYTES) if body.startswith(_GZIP) else body


def _from_lz_string(body: bytes) -> bytes:
    try:
        packed = body.decode("ascii").strip().replace(" ", "+")
        return unpack_lz_string(packed, MAX_BODY_BYTES).encode()
    except ValueError as error:
        raise bad_request("broken_encoding", "The body is not what lz-string makes in base64.") from error


def _from_base64(body: bytes) -> bytes:
    try:
        # A plus sign that was not escaped in a form came as a space.
        return base64.b64decode(body.strip().replace(b" ", b"+"), validate=True)
    except binascii.Error as error:
        raise bad_request("not_json", "The body is neither JSON nor base64.") from error


def _pairs(text: bytes) -> dict[str, str]:
    if not text:
        return {}
    try:
        return dict(parse_qsl(text.decode("latin-1"), keep_blank_values=True, max_num_fields=64))
    except ValueError:
        return {}


def _sent_ms(envelope: dict[str, Any], query: dict[str, str]) -> int | None:
    stated = envelope.get("sent_at")
    if isinstance(stated, str):
        return parse_iso_ms(stated)
    milliseconds = query.get("_", "")
    usable = milliseconds.isascii() and milliseconds.isdigit() and len(milliseconds) <= _LONGEST_MILLISECONDS
    return int(milliseconds) if usable else None
