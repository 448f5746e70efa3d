"""Paths that several protocols use, told apart by the shape of the body; each has a prefix where nothing is guessed."""

from collections.abc import Mapping
from dataclasses import replace

from ingest.answers import Refusal
from ingest.json_body import read_json
from ingest.protocols.openpanel import TRACK
from ingest.protocols.posthog import CAPTURE
from ingest.protocols.protocol import Protocol, Request
from ingest.protocols.segment import ROUTES as SEGMENT_ROUTES

_SEGMENT_BATCH = SEGMENT_ROUTES["/segment/v1/batch"]
_OPENPANEL_STARTS = (b'{"type"', b'{"payload"', b'{"clientId"')
_KEYS_OF_POSTHOG = frozenset({"api_key", "token", "$token", "event", "batch", "distinct_id", "$distinct_id"})


def _choose_track(request: Request) -> tuple[Protocol, Request]:
    # Nearly all requests are OpenPanel's, whose clients begin in few ways.
    if request.body.startswith(_OPENPANEL_STARTS):
        return TRACK, request
    if not request.body.lstrip().startswith((b"{", b"[")):
        packed = request.body.startswith((b"data=", b"compression=", b"\x1f\x8b"))
        return CAPTURE if packed else TRACK, request
    request = _read(request)
    shape = request.value
    if isinstance(shape, list):
        return CAPTURE, request
    posthog = isinstance(shape, dict) and "type" not in shape and not _KEYS_OF_POSTHOG.isdisjoint(shape)
    return CAPTURE if posthog else TRACK, request


def _choose_batch(request: Request) -> tuple[Protocol, Request]:
    if b"authorization" in request.headers:
        return _SEGMENT_BATCH, request
    # Only a body that may be Segment's is parsed for this.
    if b'"writeKey"' not in request.body:
        return CAPTURE, request
    request = _read(request)
    segment = isinstance(request.value, dict) and "writeKey" in request.value
    return _SEGMENT_BATCH if segment else CAPTURE, request


def _read(request: Request) -> Request:
    try:
        return request._replace(value=read_json(request.body))
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        # Whoever's it is finds out again, which costs no more than what is broken does.
        return request


ROUTES: Mapping[str, Protocol] = {
    "/track": replace(TRACK, choose=_choose_track, among=(TRACK, CAPTURE)),
    "/batch": replace(CAPTURE, choose=_choose_batch, among=(CAPTURE, _SEGMENT_BATCH), methods=("POST",)),
}
