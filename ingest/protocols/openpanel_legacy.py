"""OpenPanel's older and short forms: the operation is named by the path, and the body is its payload alone."""

from collections.abc import Callable, Sequence
from typing import Any

from ingest.answers import TEXT, Answer
from ingest.json_body import read_object
from ingest.protocols.openpanel import NAME, accepted, parse_with, refused
from ingest.protocols.openpanel_operations import (
    Parser,
    id_text,
    parse_decrement,
    parse_identify,
    parse_increment,
    parse_track,
)
from ingest.protocols.protocol import Protocol, Request, Settled, Submission, Verdict
from ingest.protocols.unlink import parse_unlink


def _parse_with(parser: Parser) -> Callable[[Request], Submission]:
    return lambda request: parse_with(request, parser)


def _ok(_: Request, verdicts: Sequence[Verdict]) -> Answer:
    return _plain("ok", verdicts)


def _profile(request: Request, verdicts: Sequence[Verdict]) -> Answer:
    body: dict[str, Any] = read_object(request.body)
    return _plain(id_text(body.get("profileId")), verdicts)


def _plain(text: str, verdicts: Sequence[Verdict]) -> Answer:
    (verdict,) = verdicts
    return Answer(202, text.encode(), TEXT) if isinstance(verdict, Settled) else refused(verdict)


EVENT = Protocol(NAME, _parse_with(parse_track), _ok, refused)
PROFILE = Protocol(NAME, _parse_with(parse_identify), _profile, refused)
PROFILE_INCREMENT = Protocol(NAME, _parse_with(parse_increment), _profile, refused)
PROFILE_UNLINK = Protocol(NAME, _parse_with(parse_unlink), _ok, refused)
PROFILE_DECREMENT = Protocol(NAME, _parse_with(parse_decrement), _profile, refused)

IDENTIFY = Protocol(NAME, _parse_with(parse_identify), accepted, refused)
INCREMENT = Protocol(NAME, _parse_with(parse_increment), accepted, refused)
DECREMENT = Protocol(NAME, _parse_with(parse_decrement), accepted, refused)
