"""Paths that several protocols use, told apart by the shape of the body; each has a prefix where nothing is guessed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ingest.answers import Refusal
from ingest.json_body import read_json
from ingest.protocols.openpanel import TRACK
from ingest.protocols.posthog import CAPTURE
from ingest.protocols.protocol import Protocol, Request
from ingest.protocols.segment import ROUTES as SEGMENT_ROUTES

_SEGMENT_BATCH = SEGMENT_ROUTES["/segment/v1/batch"]
_OPENPANEL_STARTS = (b'{"type"', b'{"payload"', b'{"clientId"')
_KEYS_OF_POSTHOG = frozenset({"api_key", "token", "$token", "event", "batch", "distinct_id", "$distinct_id"})


def _choose_track(request: Request) -> Protocol:
    # Nearly all requests are OpenPanel's, whose clients begin in few ways: the body is parsed once.
    if request.body.startswith(_OPENPANEL_STARTS):
        return TRACK
    if not request.body.lstrip().startswith((b"{", b"[")):
        return CAPTURE if request.body.startswith((b"data=", b"compression=", b"\x1f\x8b")) else TRACK
    shape = _shape(request.body)
    if isinstance(shape, list):
        return CAPTURE
    return CAPTURE if "type" not in shape and not _KEYS_OF_POSTHOG.isdisjoint(shape) else TRACK


def _choose_batch(request: Request) -> Protocol:
    if b"authorization" in request.headers:
        return _SEGMENT_BATCH
    # Only a body that may be Segment's is parsed for this.
    if b'"writeKey"' not in request.body:
        return CAPTURE
    shape = _shape(request.body)
    return _SEGMENT_BATCH if isinstance(shape, dict) and "writeKey" in shape else CAPTURE


def _shape(body: bytes) -> dict[str, Any] | list[Any]:
    try:
        value = read_json(body)
    except Refusal:
        return {}
    return value if isinstance(value, dict | list) else {}


ROUTES: Mapping[str, Protocol] = {
    "/track": replace(TRACK, choose=_choose_track, among=(TRACK, CAPTURE)),
    "/batch": replace(CAPTURE, choose=_choose_batch, among=(CAPTURE, _SEGMENT_BATCH), methods=("POST",)),
}
