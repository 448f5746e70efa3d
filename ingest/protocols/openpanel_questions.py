"""``GET /track/device-id``: older SDKs ask who they are before they send."""

from collections.abc import Sequence

import orjson

from ingest.answers import Answer, bad_request
from ingest.protocols.openpanel import NAME, credentials, refused
from ingest.protocols.protocol import Protocol, Request, Settled, Submission, Verdict


def _parse(request: Request) -> Submission:
    if not request.headers.get(b"user-agent"):
        raise bad_request("missing_user_agent", "Missing header: user-agent")
    client_id, client_secret = credentials(request.headers, {})
    return Submission(client_id, client_secret, (), asks=True)


def _answered(_: Request, verdicts: Sequence[Verdict]) -> Answer:
    (verdict,) = verdicts
    if not isinstance(verdict, Settled):
        return refused(verdict)
    message = "current session exists" if verdict.session_id else "No session exists"
    body = {
        "deviceId": verdict.device_id,
        "sessionId": verdict.session_id,
        "message": f"{message} for this device id",
    }
    return Answer(200, orjson.dumps(body))


DEVICE_ID = Protocol(NAME, _parse, _answered, refused, methods=("GET",))
