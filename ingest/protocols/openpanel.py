"""The OpenPanel protocol: ``POST /track`` with ``{"type": …, "payload": …}``, spoken by the official SDKs."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ingest.answers import TEXT, Answer, Refusal, refusal_json
from ingest.json_body import request_object
from ingest.protocols.openpanel_operations import Parser, parse_operation
from ingest.protocols.protocol import Protocol, Request, Settled, Submission, Verdict
from schemas.topics import MAX_REPLAY_MESSAGE_BYTES

NAME = "openpanel"
_CREDENTIALS = (
    (b"openpanel-client-id", b"openpanel-client-secret"),
    (b"mixan-client-id", b"mixan-client-secret"),
)


def credentials(headers: Mapping[bytes, bytes], body: Mapping[str, Any]) -> tuple[str, str]:
    """Client id and secret, empty where there is none."""
    # Tag managers that can't set headers put them into the body; ``mixan`` is the product's old name.
    for id_name, secret_name in _CREDENTIALS:
        client_id = headers.get(id_name)
        if client_id:
            secret = headers.get(secret_name, b"")
            return client_id.decode("latin-1"), secret.decode("latin-1")
    given, given_secret = body.get("clientId"), body.get("clientSecret")
    return given if isinstance(given, str) else "", given_secret if isinstance(given_secret, str) else ""


def parse_with(request: Request, parser: Parser) -> Submission:
    """The submission of one event, which ``parser`` makes of the body."""
    body = request_object(request)
    event = parser(body)
    client_id, client_secret = credentials(request.headers, body)
    return Submission(client_id, client_secret, (event,))


def accepted(_: Request, verdicts: Sequence[Verdict]) -> Answer:
    """What the SDKs remember: device and session."""
    (verdict,) = verdicts
    if isinstance(verdict, Settled):
        return Answer(200, orjson.dumps({"deviceId": verdict.device_id, "sessionId": verdict.session_id}))
    return refused(verdict)


def refused(refusal: Refusal) -> Answer:
    """The SDKs take 401 as final and expect OpenPanel's plain words with it."""
    if refusal.status == 401:
        return Answer(401, f"Ingestion: {refusal.message}".encode(), TEXT)
    return refusal_json(refusal)


TRACK = Protocol(
    NAME,
    lambda request: parse_with(request, parse_operation),
    accepted,
    refused,
    max_body_bytes=MAX_REPLAY_MESSAGE_BYTES,
)
"""All types; only a piece of a recording may be larger than a megabyte."""
