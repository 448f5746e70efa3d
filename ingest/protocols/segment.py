"""Segment's HTTP API and RudderStack's, which is the same in other words: ``POST /v1/{track,page,…,batch}``."""

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import orjson

from ingest.answers import TEXT, Answer, Refusal, bad_request, refusal_headers
from ingest.json_body import read_object, request_object
from ingest.protocols.protocol import (
    EventsLater,
    Protocol,
    Request,
    SentEvent,
    Submission,
    Verdict,
    basic_credentials,
)
from ingest.protocols.segment_messages import Shared, time_of, translate
from ingest.protocols.segment_start import SOURCE_CONFIG
from ingest.protocols.translation import object_of, text_of

MAX_BODY = 4_096_000
"""RudderStack's bound; Segment's libraries stop at 500 kB."""
MAX_MESSAGES = 2_500
_MAX_NESTING = 8
_MAX_FIELDS = 256
_KINDS = ("track", "page", "screen", "identify", "group", "alias")
_GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent picture of one pixel."""

_FRESH = ((b"cache-control", b"no-store"),)

Parse = Callable[[Request], Submission | Answer]
Accepted = Callable[[Request, Sequence[Verdict]], Answer]


def _single(kind: str) -> Parse:
    def parse(request: Request) -> Submission:
        message = read_object(request.body)
        client_id, secret = _credentials(request, message)
        _check_key(message, client_id)
        return Submission(client_id, secret, translate(message, kind, Shared({}, None)), key_suffices=True)

    return parse


def _batch(request: Request, *, of_one_key: bool = False) -> Submission:
    body = request_object(request)
    messages = body.get("batch")
    if not isinstance(messages, list) or not messages:
        raise bad_request("empty_batch", "The body needs a batch: an array with at least one message.")
    if len(messages) > MAX_MESSAGES:
        raise bad_request("too_many_events", f"A batch has at most {MAX_MESSAGES} messages.")
    client_id, secret = _credentials(request, body, object_of(messages[0]))
    _check_key(body, client_id)
    if of_one_key:
        for message in messages:
            _check_key(object_of(message), client_id)
    shared = Shared(object_of(body.get("context")), time_of(body.get("sentAt")))
    return Submission(client_id, secret, EventsLater(lambda: _read_all(messages, client_id, shared)), key_suffices=True)


def _read_all(messages: list[object], write_key: str, shared: Shared) -> list[SentEvent | Refusal]:
    events: list[SentEvent | Refusal] = []
    for index, message in enumerate(messages):
        try:
            events += _of_batch(message, write_key, shared)
        except Refusal as refusal:
            events.append(Refusal(refusal.status, refusal.reason, f"batch[{index}]: {refusal.message}"))
    return events


def _of_batch(message: object, write_key: str, shared: Shared) -> list[SentEvent]:
    if not isinstance(message, dict):
        raise bad_request("not_an_object", "A message is a JSON object.")
    _check_key(message, write_key)
    return translate(message, text_of(message.get("type")), shared)


def _pixel(kind: str) -> Parse:
    def parse(request: Request) -> Submission:
        message: dict[str, Any] = {}
        try:
            fields = parse_qsl(request.query.decode("latin-1"), max_num_fields=_MAX_FIELDS)
        except ValueError as error:
            raise bad_request("too_many_fields", f"A pixel has at most {_MAX_FIELDS} fields.") from error
        for key, value in fields:
            _put(message, key.split("."), value)
        client_id, secret = _credentials(request, message)
        _check_key(message, client_id)
        return Submission(client_id, secret, translate(message, kind, Shared({}, None)), key_suffices=True)

    return parse


def _put(message: dict[str, Any], keys: list[str], value: str) -> None:
    # A pixel's fields are dotted paths: properties.price, context.page.url.
    for key in keys[: min(len(keys), _MAX_NESTING) - 1]:
        inner = message.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        message = inner
    message[keys[-1]] = value


def _credentials(request: Request, *bodies: Mapping[str, Any]) -> tuple[str, str]:
    """The write key, and the secret if there is one: of the header, the body, its first message or the query."""
    given = basic_credentials(request.headers)
    if given[0]:
        return given
    for body in bodies:
        if key := text_of(body.get("writeKey")):
            return key, ""
    keys = parse_qs(request.query.decode("latin-1")).get("writeKey") if request.query else None
    return keys[0] if keys else "", ""


def _check_key(message: Mapping[str, Any], write_key: str) -> None:
    """A message of another key belongs into another project: it is not counted to this one.

    :raises Refusal: ``another_key``.
    """
    if text_of(message.get("writeKey")) not in ("", write_key):
        raise bad_request("another_key", "The messages of one request have one writeKey.")


def _no_metrics(_: Request) -> Answer:
    # What analytics.js tells of itself: nothing that we keep.
    return Answer(200, orjson.dumps({"success": True}))


def _verdicts(success: Callable[[Sequence[Refusal]], Answer], failure: Callable[[Refusal], Answer]) -> Accepted:
    """The answer to what was taken; as to a request that was not, if there was nothing good in it."""

    def accepted(_: Request, verdicts: Sequence[Verdict]) -> Answer:
        refused = [verdict for verdict in verdicts if isinstance(verdict, Refusal)]
        if not refused or len(refused) < len(verdicts):
            return success(refused)
        answer = failure(refused[0])
        return answer._replace(headers=(*answer.headers, *refusal_headers(refused[0])))

    return accepted


def _success(refused: Sequence[Refusal]) -> Answer:
    answer: dict[str, Any] = {"success": True}
    if refused:
        answer["rejected"] = [{"reason": refusal.reason, "message": refusal.message} for refusal in refused]
    return Answer(200, orjson.dumps(answer))


def _failure(refusal: Refusal) -> Answer:
    body = {"success": False, "code": refusal.reason, "message": refusal.message}
    return Answer(refusal.status, orjson.dumps(body))


def _ok(_: Sequence[Refusal]) -> Answer:
    return Answer(200, b"ok", TEXT)


def _plain(refusal: Refusal) -> Answer:
    return Answer(refusal.status, refusal.message.encode(), TEXT)


def _picture(_: Sequence[Refusal]) -> Answer:
    return Answer(200, _GIF, b"image/gif", _FRESH)


def _no_picture(refusal: Refusal) -> Answer:
    # Still a picture, so that no page shows a broken one.
    return Answer(refusal.status, _GIF, b"image/gif", _FRESH)


def _segment(parse: Parse) -> Protocol:
    return Protocol("segment", parse, _verdicts(_success, _failure), _failure, partial=True, max_body_bytes=MAX_BODY)


def _rudderstack(parse: Parse) -> Protocol:
    if parse is _batch:
        # The answer has no room for the messages that are not taken: one of another key refuses them all.
        parse = partial(_batch, of_one_key=True)
    return Protocol("rudderstack", parse, _verdicts(_ok, _plain), _plain, partial=True, max_body_bytes=MAX_BODY)


def _parsers() -> dict[str, Parse]:
    singles = {kind: _single(kind) for kind in _KINDS}
    letters = {kind[0]: parse for kind, parse in singles.items()}
    return {**singles, **letters, "batch": _batch, "b": _batch, "import": _batch, "m": _no_metrics}


def _routes() -> dict[str, Protocol]:
    routes: dict[str, Protocol] = {}
    for name, parse in _parsers().items():
        # Without a prefix nobody tells which of the two it is; their libraries look at the status alone.
        routes[f"/v1/{name}"] = routes[f"/segment/v1/{name}"] = _segment(parse)
        routes[f"/rudderstack/v1/{name}"] = _rudderstack(parse)
    for prefix in ("", "/rudderstack"):
        routes[f"{prefix}/beacon/v1/batch"] = _rudderstack(_batch)
        for kind in ("track", "page"):
            routes[f"{prefix}/pixel/v1/{kind}"] = Protocol(
                "rudderstack", _pixel(kind), _verdicts(_picture, _no_picture), _no_picture, methods=("GET",)
            )
        routes[f"{prefix}/sourceConfig"] = SOURCE_CONFIG
    return routes


ROUTES: Mapping[str, Protocol] = _routes()
