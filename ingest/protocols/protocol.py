"""What a protocol is to the gateway: a parser of requests, and the dialect of its answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ingest.answers import Refusal
from schemas.raw_event import RawKind


class SentEvent(NamedTuple):
    """One event as its sender put it. Empty texts and None stand for what was not said.

    ``device_id`` and ``ip`` were given by the sender in place of what the request would tell; ``client_ms`` is the
    sender's time of the event, ``sent_ms`` its clock at sending (milliseconds). ``payload`` has the shape that
    ``schemas.raw_event`` names for the kind.
    """

    kind: RawKind
    payload: dict[str, Any]
    event_id: str = ""
    profile_id: str = ""
    device_id: str = ""
    ip: str = ""
    client_ms: int | None = None
    sent_ms: int | None = None


class Submission(NamedTuple):
    """What one request brought: credentials as they were given, and events in order, all of one device."""

    client_id: str
    client_secret: str
    events: list[SentEvent]
    needs_secret: bool
    """It claims something (revenue) that an allowed origin alone is no proof for."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol on the wire.

    ``parse`` takes the JSON body and the request's headers (lower-case names) and raises `Refusal` for what it can't
    take. ``accepted`` makes the body of a 200 from device and session id. ``refused`` makes body and content type of
    a refusal, in the words the protocol's clients expect.
    """

    name: str
    parse: Callable[[dict[str, Any], Mapping[bytes, bytes]], Submission]
    accepted: Callable[[str, str], bytes]
    refused: Callable[[Refusal], tuple[bytes, bytes]]
