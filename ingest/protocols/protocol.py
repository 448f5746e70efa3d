"""What a protocol is to the gateway: a parser of requests, and the dialect of its answers."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, overload

import orjson

from ingest.answers import Answer, Refusal
from schemas.bots import Bot
from schemas.raw_event import RawKind


class Request(NamedTuple):
    """One request, read to its end. ``headers`` have lower-case names; ``body`` is decompressed; ``query`` is what
    stands behind the question mark, as it came. ``value`` is the body's JSON where it had to be read to tell whose
    request it is.
    """

    method: str
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    received_ms: int
    value: Any = None


class SentEvent(NamedTuple):
    """One event as its sender put it. Empty texts and None stand for what was not said.

    ``device_id``, ``ip``, ``user_agent`` and the SDK were given by the sender in place of what the request would tell;
    ``client_ms`` is the sender's time of the event, ``sent_ms`` its clock at sending (milliseconds). ``payload`` has
    the shape that ``schemas.raw_event`` names for the kind.
    """

    kind: RawKind
    payload: dict[str, Any]
    event_id: str = ""
    profile_id: str = ""
    device_id: str = ""
    ip: str = ""
    sent_ms: int | None = None
    user_agent: str | None = None
    also: "SentEvent | None" = None
    """What came in one with the event (who its person is): of the same visitor and time, taken or refused with it."""
    sdk_name: str = ""
    sdk_version: str = ""
    claims_revenue: bool = False
    """It says something of money, or takes a link back, for which neither an allowed origin nor a public name is proof
    enough.
    """
    client_ms: int | None = None


WHOSE = slice(SentEvent._fields.index("profile_id"), SentEvent._fields.index("client_ms"))
"""What an event says of its sender, in one piece: all but what it is, its id and its time."""


class EventsLater(Sequence[SentEvent | Refusal]):
    """Events that are made when they are first asked for: after the key was checked, whose owner may have that work
    done. ``make`` raises nothing, and nor does what it returns.
    """

    def __init__(self, make: Callable[[], Iterable[SentEvent | Refusal]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> list[SentEvent | Refusal]:
        return list(self._make())

    def one_by_one(self) -> Iterable[SentEvent | Refusal]:
        """The events, each made as late as can be, and not kept. Nothing may be asked for after that."""
        return self.__dict__.get("_made") or self._make()

    @overload
    def __getitem__(self, index: int) -> SentEvent | Refusal: ...

    @overload
    def __getitem__(self, index: slice) -> list[SentEvent | Refusal]: ...

    def __getitem__(self, index: int | slice) -> SentEvent | Refusal | list[SentEvent | Refusal]:
        return self._made[index]

    def __iter__(self) -> Iterator[SentEvent | Refusal]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


class Submission(NamedTuple):
    """What one request brought: credentials as they were given, and in their order the events, with a refusal in the
    place of each that can't be taken.
    """

    client_id: str
    client_secret: str
    events: Sequence[SentEvent | Refusal]
    key_suffices: bool = False
    """The protocol knows no secret: the client's id is its write key. A page's origin must be allowed all the same."""
    domain: str = ""
    """The protocol knows no client: the project is the one that allows pages of this domain."""
    asks: bool = False
    """It brings no events and asks who its sender is: the one verdict has an empty session if there is none now."""


class Settled(NamedTuple):
    """What an event that was taken became."""

    event_id: str
    device_id: str
    session_id: str


Verdict = Settled | Refusal


def basic_credentials(headers: Mapping[bytes, bytes]) -> tuple[str, str]:
    """User and password of HTTP's basic authentication: a client's id and, if it has one, its secret. Empty where
    there is none.
    """
    scheme, _, encoded = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return "", ""
    try:
        given = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return "", ""
    user, _, password = given.partition(":")
    return user, password


def bot_answer(bot: Bot) -> Answer:
    """OpenPanel's words for a crawler."""
    return Answer(202, orjson.dumps({"bot": bot._asdict()}))


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol on the wire.

    ``parse`` raises `Refusal` for a request it can't take, and returns an `Answer` for one that brings no events.
    ``accepted`` makes the answer that is given once all that was taken is durable; verdicts are in the order of the
    events.
    ``refused`` makes the answer to a request that was not taken at all, in the words the protocol's clients expect.
    """

    name: str
    parse: Callable[[Request], Submission | Answer]
    accepted: Callable[[Request, Sequence[Verdict]], Answer]
    refused: Callable[[Refusal], Answer]
    partial: bool = False
    """Whether the good events of a request are taken when others are refused; else the first refusal refuses all."""
    methods: tuple[str, ...] = ("POST",)
    dropped: Callable[[Bot], Answer] = bot_answer
    """Makes the answer to a request of a crawler, which was not stored and must not come again."""
    max_body_bytes: int | None = None
    """Largest decompressed body; None: the gateway's setting."""
    choose: "Callable[[Request], tuple[Protocol, Request]] | None" = None
    """On a path that several protocols share: whose request it is, one of ``among``, and the request with what was
    read of it for that. The rest of the protocol then serves only for what happens before the body is read.
    """
    among: "tuple[Protocol, ...]" = ()
