"""``POST /track/batch``, Weir's own: many OpenPanel operations in one request, and a verdict for each."""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import orjson

from ingest.answers import Answer, Refusal, bad_request
from ingest.json_body import request_object
from ingest.protocols.openpanel import credentials, refused
from ingest.protocols.openpanel_operations import parse_operation
from ingest.protocols.protocol import EventsLater, Protocol, Request, SentEvent, Settled, Submission, Verdict
from schemas.event_time import parse_iso_ms

MAX_EVENTS = 2_000
MAX_BODY_BYTES = 5_000_000
_MAX_ID = 256
_MAX_MS = 2**53


def _parse(request: Request) -> Submission:
    body = request_object(request)
    given = body.get("events")
    if not isinstance(given, list) or not given:
        raise bad_request("missing_events", "The body needs events: an array of at least one.")
    if len(given) > MAX_EVENTS:
        raise Refusal(413, "too_many_events", f"At most {MAX_EVENTS} events are taken at once.")
    sent_ms = _moment(body, "sentAt")
    client_id, client_secret = credentials(request.headers, body)
    return Submission(client_id, client_secret, EventsLater(lambda: map(_entry, _let_go(given), repeat(sent_ms))))


def _let_go(given: list[Any]) -> Iterator[Any]:
    """Each entry, kept no longer: to let go of all of them at the end costs more than while they are at hand."""
    given.reverse()
    while given:
        yield given.pop()


def _entry(entry: object, sent_ms: int | None) -> SentEvent | Refusal:
    try:
        if not isinstance(entry, dict):
            raise bad_request("not_an_object", "An event must be an object.")
        event = parse_operation(entry)
        event_id = _event_id(entry["id"]) if "id" in entry else ""
        client_ms = _moment(entry, "timestamp") if "timestamp" in entry else None
        if "sentAt" in entry:
            sent_ms = _moment(entry, "sentAt") or sent_ms
    except Refusal as refusal:
        return refusal
    if not event_id and client_ms is None and sent_ms is None:
        return event
    client_ms = event.client_ms if client_ms is None else client_ms
    # By place, because a replacement by name costs as much as all the rest of this.
    kind, payload, _, profile_id, device_id, ip, _, agent, also, sdk_name, sdk_version, claims, _ = event
    changed = kind, payload, event_id, profile_id, device_id, ip, sent_ms, agent, also, sdk_name, sdk_version, claims
    return tuple.__new__(SentEvent, (*changed, client_ms))


def _event_id(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID:
        raise bad_request("invalid_id", f"id must be a text of 1 to {_MAX_ID} characters.")
    return value


def _moment(holder: dict[str, Any], name: str) -> int | None:
    """A time in ISO 8601 or in milliseconds since the epoch; None for null or nothing."""
    value = holder.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        found = parse_iso_ms(value)
        if found is not None:
            return found
    elif not isinstance(value, bool) and isinstance(value, int | float) and abs(value) <= _MAX_MS:
        return int(value)
    raise bad_request("invalid_time", f"{name} must be a time in ISO 8601 or milliseconds since 1970.")


def _accepted(_: Request, verdicts: Sequence[Verdict]) -> Answer:
    results: list[dict[str, Any]] = []
    append = results.append
    taken = 0
    for verdict in verdicts:
        if isinstance(verdict, Settled):
            event_id, device_id, session_id = verdict
            append({"status": 200, "eventId": event_id, "deviceId": device_id, "sessionId": session_id})
            taken += 1
        else:
            append({"status": verdict.status, "reason": verdict.reason, "message": verdict.message})
    return Answer(200, orjson.dumps({"accepted": taken, "refused": len(results) - taken, "results": results}))


BATCH = Protocol("batch", _parse, _accepted, refused, partial=True, max_body_bytes=MAX_BODY_BYTES)
