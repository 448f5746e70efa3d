"""PostHog's capture protocol: ``/i/v0/e``, ``/e``, ``/capture``, ``/batch`` and others, spoken by its libraries."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from ingest.answers import Answer, Refusal, bad_request, refusal_headers
from ingest.protocols.posthog_body import MAX_BODY_BYTES, Posted, read_posted
from ingest.protocols.posthog_config import ASKED
from ingest.protocols.posthog_events import read_event
from ingest.protocols.posthog_keys import another_key, is_of_another_key
from ingest.protocols.posthog_v1 import V1
from ingest.protocols.protocol import EventsLater, Protocol, Request, SentEvent, Submission, Verdict
from schemas.bots import Bot

_TAKEN = Answer(200, b'{"status":"Ok"}')


def _read(request: Request) -> Posted:
    posted = read_posted(request)
    if any(is_of_another_key(event, posted.token) for event in posted.events):
        # The answer has no room for the events that are not taken.
        raise another_key()
    return posted


def _submission(request: Request, posted: Posted) -> Submission:
    def read() -> list[SentEvent | Refusal]:
        return [read_event(event, request.received_ms, posted.sent_ms) for event in posted.events]

    return Submission(posted.token, "", EventsLater(read), key_suffices=True)


def _parse(request: Request) -> Submission:
    return _submission(request, _read(request))


def _parse_engage(request: Request) -> Submission:
    posted = _read(request)
    named = [{"event": "$identify", **event} if isinstance(event, dict) else event for event in posted.events]
    return _submission(request, posted._replace(events=named))


def _parse_recording(request: Request) -> Submission:
    """Recordings are understood and counted, and not stored."""
    posted = _read(request)
    refusal = bad_request("recording_not_stored", "Recordings of PostHog's are not stored.")
    events: list[SentEvent | Refusal] = [refusal for _ in posted.events]
    return Submission(posted.token, "", events, key_suffices=True)


def _accepted(request: Request, verdicts: Sequence[Verdict]) -> Answer:
    refusals = [verdict for verdict in verdicts if isinstance(verdict, Refusal)]
    blamed = [refusal for refusal in refusals if refusal.status >= 400 and refusal.reason != "recording_not_stored"]
    if len(refusals) == len(verdicts) and blamed:
        return refused(blamed[0])._replace(headers=tuple(refusal_headers(blamed[0])))
    return Answer(204, b"") if b"beacon=1" in request.query.split(b"&") else _TAKEN


def refused(refusal: Refusal) -> Answer:
    """The libraries read ``detail`` and take a status from 400 to 499 as final."""
    kind = "authentication_error" if refusal.status == 401 else "server_error" if refusal.status >= 500 else ""
    body = {"type": kind or "validation_error", "code": refusal.reason, "detail": refusal.message, "attr": None}
    return Answer(refusal.status, orjson.dumps(body))


def _dropped(_: Bot) -> Answer:
    return _TAKEN


_METHODS = ("POST", "GET")
CAPTURE = Protocol(
    "posthog", _parse, _accepted, refused, True, _METHODS, dropped=_dropped, max_body_bytes=MAX_BODY_BYTES
)
_ENGAGE = replace(CAPTURE, parse=_parse_engage)
_RECORDING = replace(CAPTURE, parse=_parse_recording)

_OWN: Mapping[str, Protocol] = {
    "/i/v0/e": CAPTURE,
    "/e": CAPTURE,
    "/capture": CAPTURE,
    "/i/v0/ai/batch": CAPTURE,
    "/engage": _ENGAGE,
    "/s": _RECORDING,
    **V1,
    **ASKED,
}

ROUTES: Mapping[str, Protocol] = {
    **_OWN,
    **{f"/posthog{path}": protocol for path, protocol in _OWN.items()},
    "/posthog/batch": CAPTURE,
    "/posthog/track": CAPTURE,
}
"""``/batch`` and ``/track`` themselves are shared with other protocols: see ``shared_paths``."""
