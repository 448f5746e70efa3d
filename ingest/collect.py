"""The way of a request: read, parsed, admitted, its events settled, made durable, and only then answered."""

import asyncio
import logging
import time
from collections.abc import Mapping
from time import monotonic, perf_counter
from typing import NamedTuple

from ingest.access import Admission
from ingest.allowance import Allowance
from ingest.answers import (
    Answer,
    Headers,
    Receive,
    Refusal,
    Scope,
    Send,
    refusal_headers,
    send_answer,
    send_preflight,
    unavailable,
    unforeseen,
)
from ingest.body_encoding import decompress
from ingest.bundle import Bundle, RequestHeaders
from ingest.client_ip import FORWARDED
from ingest.gateway import Gateway
from ingest.limits import TooLargeAltogether, read_body, room_for_events
from ingest.protocols.protocol import EventsLater, Protocol, Request, SentEvent, Settled, Submission, Verdict
from ingest.rules import BotDropped
from ingest.turns import ALWAYS_SMALL, AT_ONCE, Turn
from schemas.raw_event import RawKind

log = logging.getLogger(__name__)

_REQUEST_IDS = (b"request-id", b"x-request-id")
"""Headers that come back with the answer as they came."""
_TURN_SECONDS = 0.005
"""A request is worked on for so long before others get their turn."""


class _Work:
    """The time that is spent on a request alone, from when this is made."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = perf_counter()

    @property
    def seconds(self) -> float:
        """So far."""
        return perf_counter() - self._since

    async def let_others(self) -> None:
        """Others get their turn, which is not counted."""
        paused = perf_counter()
        await asyncio.sleep(0)
        self._since += perf_counter() - paused


class _Admitted(NamedTuple):
    """A request that was let in, with the address it came from, its visitor's, and the limits that apply."""

    request: Request
    submission: Submission
    seen: str
    ip: str
    admission: Admission
    allowance: Allowance | None
    work: _Work


class Collect:
    """ASGI endpoint that takes events of one protocol."""

    def __init__(self, protocol: Protocol, gateway: Gateway) -> None:
        self._protocol = protocol
        self._gateway = gateway
        self._limit = protocol.max_body_bytes or gateway.settings.gateway_max_body_bytes
        self._room = room_for_events(self._limit, gateway.settings.gateway_in_flight_bytes)
        self._accepted = {kind: gateway.metrics.accepted.labels(protocol.name, kind.value) for kind in RawKind}
        self._sharing = {other.name: Collect(other, gateway) for other in protocol.among}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = header_map(scope["headers"])
        if scope["method"] == "OPTIONS":
            await send_preflight(send, headers.get(b"access-control-request-headers"))
            return
        gateway = self._gateway
        extra = _echoed(headers)
        peer = scope["client"]
        seen = gateway.client_ip.seen(headers, peer[0] if peer else "")
        gateway.busy.begin()
        spoken = self
        turn = AT_ONCE
        try:
            received_ms = self._begin(scope, headers, seen)
            body = await read_body(receive, headers.get(b"content-length"), self._limit, gateway.arriving)
            if len(body) > ALWAYS_SMALL:
                turn = await gateway.turns.begin(body, b"content-encoding" in headers)
            work = _Work()
            try:
                request = self._request(scope, headers, body, received_ms)
                if self._protocol.choose is not None:
                    chosen, request = self._protocol.choose(request)
                    spoken = self._sharing[chosen.name]
                admitted = spoken._admit(request, seen, work)
            except Refusal as refusal:
                gateway.rules.blame(refusal, seen, headers, work.seconds)
                raise
            if isinstance(admitted, Answer):
                answer = admitted
            elif admitted.allowance is None:
                answer = await spoken._settle(admitted, turn)
            else:
                answer = await spoken._take(admitted, admitted.allowance, turn, extra)
            await send_answer(send, answer, extra)
        except Refusal as refusal:
            await spoken._refuse(send, refusal, extra)
        except Exception:  # the last resort of one request: logged, counted, and told as a 500
            log.exception("a request failed for an unforeseen reason")
            await spoken._refuse(send, unforeseen(), extra)
        finally:
            turn.end()
            gateway.busy.end()

    async def _refuse(self, send: Send, refusal: Refusal, extra: Headers) -> None:
        self._count_refusal(refusal)
        if isinstance(refusal, BotDropped):
            answer = self._protocol.dropped(refusal.bot)
        else:
            answer = self._protocol.refused(refusal)
        await send_answer(send, answer, refusal_headers(refusal) + extra)

    def _count_refusal(self, refusal: Refusal) -> None:
        self._gateway.metrics.refused.labels(self._protocol.name, str(refusal.status), refusal.reason).inc()

    def _begin(self, scope: Scope, headers: RequestHeaders, seen: str) -> int:
        """Whether to read the request's body at all. Returns when it began to come."""
        if scope["method"] not in self._protocol.methods:
            methods = self._protocol.methods
            allowed = [(b"allow", ", ".join((*methods, "OPTIONS")).encode())]
            message = f"Events are sent with {' or '.join(methods)}."
            raise Refusal(405, "method_not_allowed", message, headers=allowed)
        received_ms = time.time_ns() // 1_000_000
        self._gateway.rules.before(seen, headers)
        return received_ms

    def _request(self, scope: Scope, headers: RequestHeaders, body: bytes, received_ms: int) -> Request:
        if (encoding := headers.get(b"content-encoding")) is not None:
            body = decompress(body, encoding.decode("latin-1"), self._limit)
        if not self._gateway.serving:
            raise unavailable("starting", "The gateway is starting.")
        return Request(scope["method"], scope["path"], scope["query_string"], headers, body, received_ms)

    def _admit(self, request: Request, seen: str, work: _Work) -> _Admitted | Answer:
        submission = self._protocol.parse(request)
        if isinstance(submission, Answer):
            return submission
        client_ip, rules = self._gateway.client_ip, self._gateway.rules
        ip = client_ip.stated(request.headers) or seen
        admission, allowance = rules.admit(submission, request.headers, seen, ip, request.received_ms)
        return _Admitted(request, submission, seen, ip, admission, allowance, work)

    async def _take(self, admitted: _Admitted, allowance: Allowance, turn: Turn, extra: Headers) -> Answer:
        """As `_settle`; ``extra``: headers of the answer, to which those are added that the limits want."""
        try:
            return await self._settle(admitted, turn)
        finally:
            extra += allowance.headers

    async def _settle(self, admitted: _Admitted, turn: Turn) -> Answer:
        """``turn``: ends when the events are settled."""
        protocol, gateway = self._protocol, self._gateway
        request, submission, _, ip, admission, allowance, _ = admitted
        bundle = Bundle(gateway, protocol.name, request.headers, ip, admission, request.received_ms, self._room)
        if submission.asks:
            return protocol.accepted(request, [bundle.asker()])
        events = submission.events
        if type(events) is tuple and len(events) == 1:
            verdicts = [self._only_verdict(bundle, events[0], admitted)]
        else:
            verdicts = await self._verdicts(bundle, admitted)
        # Kafka's time is nobody else's.
        turn.end()
        taken = sum(isinstance(verdict, Settled) for verdict in verdicts) if allowance is not None else 0
        if allowance is not None:
            allowance.take(taken)
        counts = bundle.counts
        try:
            durable = bundle.durable()
            # Made while Kafka has its time, and given only when all is durable. What is not held meanwhile need not be
            # fetched from far away to be let go.
            answer = protocol.accepted(request, verdicts)
            del bundle, verdicts
            await durable
        except Refusal:
            if allowance is not None:
                allowance.give_back(taken)
            raise
        self._count(counts, admitted)
        return answer

    def _count(self, counts: Mapping[RawKind, int], admitted: _Admitted) -> None:
        total = 0
        for kind, count in counts.items():
            self._accepted[kind].inc(count)
            total += count
        self._gateway.rules.taken(admitted.admission, total, admitted.request.received_ms)

    def _only_verdict(self, bundle: Bundle, event: SentEvent | Refusal, admitted: _Admitted) -> Verdict:
        """As `_verdicts`, of a request that brought one event."""
        try:
            if not isinstance(event, SentEvent):
                raise event
            return bundle.add(event)
        except Refusal as refusal:
            self._blame(refusal, admitted)
            return self._alone(refusal)

    async def _verdicts(self, bundle: Bundle, admitted: _Admitted) -> list[Verdict]:
        """What becomes of each event. Others get their turn in between: what an event takes is up to its sender."""
        verdicts = list[Verdict]()
        append, add = verdicts.append, bundle.add
        events = admitted.submission.events
        until = monotonic() + _TURN_SECONDS
        try:
            for event in events.one_by_one() if isinstance(events, EventsLater) else events:
                try:
                    if not isinstance(event, SentEvent):
                        raise event
                    append(add(event))
                except Refusal as refusal:
                    append(self._alone(refusal))
                if monotonic() > until:
                    await admitted.work.let_others()
                    until = monotonic() + _TURN_SECONDS
        except Refusal as refusal:
            self._blame(refusal, admitted)
            raise
        if verdicts and not any(isinstance(verdict, Settled) for verdict in verdicts):
            self._blame(verdicts[0], admitted)
        return verdicts

    def _blame(self, verdict: Verdict, admitted: _Admitted) -> None:
        """Nothing of the request is taken, and here is why."""
        if isinstance(verdict, Refusal):
            verdict.vouched = admitted.admission.verified
            self._gateway.rules.blame(verdict, admitted.seen, admitted.request.headers, admitted.work.seconds)

    def _alone(self, refusal: Refusal) -> Refusal:
        """The verdict of an event that is refused by itself, while others are taken."""
        if not self._protocol.partial or refusal.status >= 500 or isinstance(refusal, TooLargeAltogether):
            raise refusal  # not this event's fault: all of the request shall come again, or in parts
        self._count_refusal(refusal)
        return refusal


def _echoed(headers: RequestHeaders) -> Headers:
    """The headers that come back with the answer."""
    if _REQUEST_IDS[0] in headers or _REQUEST_IDS[1] in headers:
        return [(name, value) for name in _REQUEST_IDS if (value := headers.get(name))]
    return []


def header_map(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by lower-case name; of repeated ones the last counts, except that forwarders' lines are joined."""
    found = dict(headers)
    if len(found) != len(headers) and FORWARDED in found:
        found[FORWARDED] = b",".join(value for name, value in headers if name == FORWARDED)
    return found
