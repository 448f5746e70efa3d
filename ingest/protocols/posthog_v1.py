"""PostHog's newer capture protocol: ``POST /i/v1/analytics/events`` with a verdict for each event."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ingest.answers import Answer, Refusal, bad_request
from ingest.json_body import read_object
from ingest.protocols.posthog_body import MAX_BODY_BYTES, MAX_EVENTS
from ingest.protocols.posthog_events import read_event
from ingest.protocols.posthog_keys import another_key, is_of_another_key
from ingest.protocols.protocol import EventsLater, Protocol, Request, SentEvent, Submission, Verdict
from schemas.event_time import parse_iso_ms

_OPTIONS = {
    "cookieless_mode": "$cookieless_mode",
    "disable_skew_correction": "$ignore_sent_at",
    "product_tour_id": "$product_tour_id",
    "process_person_profile": "$process_person_profile",
}
"""Their name here, and as a property of the older protocol."""
_LIFTED = {"session_id": "$session_id", "window_id": "$window_id"}


def _parse(request: Request) -> Submission:
    scheme, _, token = request.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    sent = request.headers.get(b"posthog-request-timestamp", b"").decode("latin-1")
    library, _, version = request.headers.get(b"posthog-sdk-info", b"").decode("latin-1").partition("/")
    token = token.strip() if scheme.lower() == "bearer" else ""
    sent_ms = parse_iso_ms(sent)
    batch = _batch(request)

    def read() -> list[SentEvent | Refusal]:
        return [
            another_key()
            if is_of_another_key(event, token)
            else read_event(_older(event, library, version), request.received_ms, sent_ms)
            for event in batch
        ]

    return Submission(token, "", EventsLater(read), key_suffices=True)


def _batch(request: Request) -> list[Any]:
    batch = read_object(request.body).get("batch")
    if not isinstance(batch, list) or not batch:
        raise bad_request("no_events", "The body needs a batch: an array of events.")
    if len(batch) > MAX_EVENTS:
        raise bad_request("too_many_events", f"At most {MAX_EVENTS} events are taken at once.")
    return batch


def _older(event: Any, library: str, version: str) -> Any:
    """The event as the older protocol has it."""
    if not isinstance(event, dict):
        return event
    given, options = event.get("properties"), event.get("options")
    properties = {"$lib": library, "$lib_version": version, **(given if isinstance(given, dict) else {})}
    for source, names in ((options, _OPTIONS), (event, _LIFTED)):
        if isinstance(source, dict):
            properties.update({ours: source[theirs] for theirs, ours in names.items() if theirs in source})
    return {**event, "properties": properties}


def _accepted(request: Request, verdicts: Sequence[Verdict]) -> Answer:
    results = {}
    # The verdicts are told under the sender's own ids, which a refused event has nowhere else.
    for event, verdict in zip(_batch(request), verdicts, strict=True):
        event_id = event.get("uuid") if isinstance(event, dict) else None
        if isinstance(event_id, str):
            results[event_id] = {"result": "ok"}
            if isinstance(verdict, Refusal):
                results[event_id] = {"result": "drop", "details": verdict.reason}
    return Answer(200, orjson.dumps({"results": results}))


def _refused(refusal: Refusal) -> Answer:
    body = {"error": refusal.reason, "error_description": refusal.message, "error_uri": None}
    return Answer(refusal.status, orjson.dumps(body))


EVENTS = Protocol("posthog", _parse, _accepted, _refused, partial=True, max_body_bytes=MAX_BODY_BYTES)

V1: Mapping[str, Protocol] = {"/i/v1/analytics/events": EVENTS, "/i/v1/general/events": EVENTS}
