"""Umami's protocol: ``POST /api/send`` with ``{"type": …, "payload": …}``, and ``/api/batch`` with an array of them."""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import orjson

from ingest.answers import Answer, Refusal, bad_request
from ingest.json_body import read_json, read_object
from ingest.limits import MAX_USER_AGENT
from ingest.protocols.protocol import EventsLater, Protocol, Request, SentEvent, Submission, Verdict
from ingest.protocols.translation import (
    PAGE_VIEW,
    event_name,
    id_text,
    own_properties,
    profile_of,
    revenue_event,
    text_of,
)
from schemas.bots import Bot
from schemas.raw_event import RawKind

MAX_EVENTS = 2_000
_CURRENCY = "USD"
"""What revenue without a currency counts as here; Umami itself leaves it out."""
_MEASURES = ("lcp", "inp", "cls", "fcp", "ttfb", "duration")
_OF_AN_ERROR = ("name", "message", "stack", "handled", "release", "environment", "tags", "fingerprint")
_LONGEST_ENGAGEMENT_MS = 24 * 3_600_000
_OVERRIDES = (("browser", "__browser"), ("os", "__os"), ("device", "__device"))
_MAX_EVENT_ID = 256
_LAST_TIME = 2**43
_LONGEST_TIME = 15
"""Digits; what is longer is no time."""
_CODES = {403: "forbidden", 413: "payload-too-large", 429: "too-many-requests"}
_BEEP = Answer(200, b'{"beep":"boop"}')
_ALIVE = Answer(200, b'{"ok":true}')


def _parse_send(request: Request) -> Submission:
    body = read_object(request.body)
    if not isinstance(body.get("payload"), dict):
        raise _missing_payload()
    website = _website(body)
    return Submission(website, "", EventsLater(lambda: [_read_one_of(body, website)]), key_suffices=True)


def _parse_batch(request: Request) -> Submission:
    bodies = read_json(request.body)
    if not isinstance(bodies, list) or not bodies:
        raise bad_request("no_events", "The body must be an array of events.")
    if len(bodies) > MAX_EVENTS:
        raise bad_request("too_many_events", f"At most {MAX_EVENTS} events are taken at once.")
    website = next((found for body in bodies if (found := _website(body))), "")
    events = EventsLater(lambda: map(_read_one_of, bodies, repeat(website)))
    return Submission(website, "", events, key_suffices=True)


def _read_one_of(body: Any, website: str) -> SentEvent | Refusal:
    try:
        if not isinstance(body, dict):
            raise bad_request("not_an_object", "An event must be a JSON object.")
        if _website(body) not in ("", website):
            raise bad_request("another_website", "The events of one request belong to one website.")
        return _read(body)
    except Refusal as refusal:
        return refusal


def _website(body: Any) -> str:
    payload = body.get("payload") if isinstance(body, dict) else None
    return text_of(payload.get("website")) if isinstance(payload, dict) else ""


def _missing_payload() -> Refusal:
    return bad_request("missing_payload", "The body needs a payload: an object.")


def _read(body: dict[str, Any]) -> SentEvent:
    kind, payload = body.get("type", "event"), body.get("payload")
    if not isinstance(payload, dict):
        raise _missing_payload()
    data = payload.get("data")
    if data is not None and not isinstance(data, dict):
        raise bad_request("invalid_data", "data must be an object.")
    frame = SentEvent(
        RawKind.TRACK,
        {},
        profile_id=profile_of(payload.get("id")),
        ip=text_of(payload.get("ip")),
        client_ms=_time(payload.get("timestamp")),
        user_agent=text_of(payload.get("userAgent"), MAX_USER_AGENT) or None,
        sdk_name="umami",
    )
    if kind == "identify" and frame.profile_id:
        return frame._replace(kind=RawKind.IDENTIFY, payload={"properties": own_properties(data)})
    if kind == "error":
        event_id = text_of(payload.get("eventId"), _MAX_EVENT_ID)
        frame = frame._replace(event_id=event_id, client_ms=_time(payload.get("timestamp"), 1))
    properties = {**own_properties(data), **_page(payload), **_told_of(kind, payload)}
    event = frame._replace(payload={"name": _name(kind, payload), "properties": properties, "groups": []})
    if kind != "event" or not data:
        return event
    return event._replace(also=revenue_event(event, data.get("revenue"), data.get("currency"), _CURRENCY))


def _name(kind: object, payload: dict[str, Any]) -> str:
    if kind == "event":
        return event_name(payload["name"]) if payload.get("name") else PAGE_VIEW
    if kind in ("identify", "performance", "engagement", "error"):
        # What is said of somebody without a name belongs to the visit: an event of its own keeps it.
        return str(kind)
    raise bad_request("unknown_type", "There is no such type of request.")


def _told_of(kind: object, payload: dict[str, Any]) -> dict[str, Any]:
    """What only this type of request says."""
    if kind == "performance":
        return {key: payload[key] for key in _MEASURES if isinstance(payload.get(key), int | float)}
    if kind == "error":
        return {key: told for key in _OF_AN_ERROR if (told := payload.get(key)) not in (None, "", {}, [])}
    if kind == "engagement":
        time = payload.get("engagement")
        if isinstance(time, bool) or not isinstance(time, int) or not 0 < time <= _LONGEST_ENGAGEMENT_MS:
            raise bad_request("invalid_engagement", "An engagement needs its milliseconds, a day's at most.")
        return {"engagement_time": time}
    return {}


def _page(payload: dict[str, Any]) -> dict[str, str]:
    """Where the event happened, in our words."""
    url, host = text_of(payload.get("url")), text_of(payload.get("hostname"))
    absolute = "://" in url or not host or not url
    referrer = text_of(payload.get("referrer"))
    page = {
        "__path": url if absolute else f"https://{host}{'' if url.startswith('/') else '/'}{url}",
        # A path is a page of the same site, which is no referrer.
        "__referrer": referrer if "://" in referrer else "",
        "__title": text_of(payload.get("title")),
        "__language": text_of(payload.get("language")),
        "__screen": text_of(payload.get("screen")),
        "tag": id_text(payload.get("tag")),
    }
    page |= {ours: text_of(payload.get(theirs)) for theirs, ours in _OVERRIDES}
    return {key: value for key, value in page.items() if value}


def _time(stated: object, milliseconds: int = 1_000) -> int | None:
    """The time in milliseconds; ``milliseconds``: of the unit it is told in."""
    if isinstance(stated, str) and stated.isascii() and stated.isdigit() and len(stated) <= _LONGEST_TIME:
        stated = int(stated)
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not 0 < stated < _LAST_TIME:
        return None
    return int(stated * milliseconds)


def _told(verdict: Verdict) -> dict[str, Any]:
    if isinstance(verdict, Refusal):
        return _problem(verdict) if verdict.status >= 400 else {"beep": "boop"}
    cache = f"{verdict.device_id}.{verdict.session_id}"
    return {"cache": cache, "sessionId": verdict.device_id, "visitId": verdict.session_id}


def _accepted_send(_: Request, verdicts: Sequence[Verdict]) -> Answer:
    return Answer(200, orjson.dumps(_told(verdicts[0])))


def _accepted_batch(_: Request, verdicts: Sequence[Verdict]) -> Answer:
    answers = [_told(verdict) for verdict in verdicts]
    failed = [{"index": index, "response": told} for index, told in enumerate(answers) if "error" in told]
    cache = next((told["cache"] for told in reversed(answers) if "cache" in told), None)
    processed = len(answers) - len(failed)
    body = {"size": len(answers), "processed": processed, "errors": len(failed), "details": failed, "cache": cache}
    return Answer(200, orjson.dumps(body))


def _problem(refusal: Refusal) -> dict[str, Any]:
    # Umami knows no 401: a website it doesn't know is a bad request, and what a rule keeps out is forbidden.
    status = refusal.status
    if status == 401:
        status = 403 if refusal.reason.startswith("filtered_") else 400
    code = _CODES.get(status, "server-error" if status >= 500 else "bad-request")
    return {"error": {"message": refusal.message, "code": code, "status": status, "reason": refusal.reason}}


def refused(refusal: Refusal) -> Answer:
    """In the shape that Umami's clients read, with our reason added."""
    body = _problem(refusal)
    return Answer(body["error"]["status"], orjson.dumps(body))


def _dropped(_: Bot) -> Answer:
    return _BEEP


def _beat(_: Request) -> Answer:
    return _ALIVE


SEND = Protocol("umami", _parse_send, _accepted_send, refused, dropped=_dropped)
BATCH = Protocol("umami", _parse_batch, _accepted_batch, refused, partial=True, dropped=_dropped)
HEARTBEAT = Protocol("umami", _beat, _accepted_send, refused, methods=("GET",))

_OWN: Mapping[str, Protocol] = {"/api/send": SEND, "/api/batch": BATCH, "/api/heartbeat": HEARTBEAT}

ROUTES: Mapping[str, Protocol] = {**_OWN, **{f"/umami{path}": protocol for path, protocol in _OWN.items()}}
