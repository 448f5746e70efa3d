"""``GET /track/pixel.gif``: an event told by an image's address, for pages and mails without JavaScript."""

from base64 import b64decode
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from ingest.answers import Answer, bad_request
from ingest.protocols.openpanel import refused
from ingest.protocols.openpanel_operations import parse_track
from ingest.protocols.protocol import Protocol, Request, Settled, Submission, Verdict

_GIF = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""One transparent point."""
_NEVER_CACHED = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))
_MAX_PARAMETERS = 100
_MEANINGS = {"path": "__path", "referrer": "__referrer", "title": "__title", "device_id": "__deviceId"}


def _parse(request: Request) -> Submission:
    try:
        given = parse_qsl(request.query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        raise bad_request("too_many_parameters", f"An address has at most {_MAX_PARAMETERS} parameters.") from error
    properties: dict[str, Any] = {_MEANINGS.get(name, name): value for name, value in given}
    client_id = properties.pop("client_id", "")
    payload = {
        "name": properties.pop("name", "screen_view"),
        "profileId": properties.pop("profile_id", None) or None,
        "properties": properties,
    }
    page = request.headers.get(b"referer")
    if page and not properties.get("__path"):
        # What an image is asked for by is the page it stands on.
        properties["__path"] = page.decode("latin-1")
    event = parse_track(payload)
    # Images are asked for without an Origin header and can't bring a secret: the client's id has to do.
    return Submission(client_id, "", (event,), key_suffices=True)


def _accepted(_: Request, verdicts: Sequence[Verdict]) -> Answer:
    (verdict,) = verdicts
    return Answer(200, _GIF, b"image/gif", _NEVER_CACHED) if isinstance(verdict, Settled) else refused(verdict)


PIXEL = Protocol("pixel", _parse, _accepted, refused, methods=("GET",))
