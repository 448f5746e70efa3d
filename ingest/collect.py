"""The way of a request: read, parsed, admitted, its events settled, made durable, and only then answered."""

import asyncio
import logging
import time
from collections.abc import Iterable
from time import monotonic
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
from ingest.turns import Turn
from schemas.raw_event import RawKind

log = logging.getLogger(__name__)

_REQUEST_IDS = (b"request-id", b"x-request-id")
"""Headers that come back with the answer as they came."""
_TURN_SECONDS = 0.005
"""A request is worked on for so long before others get their turn."""


class _Work:
    """The time that was spent on a request alone, in seconds, from when this is made until `pause`."""

    __slots__ = ("_since", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.go_on()

    def go_on(self) -> None:
        self._since = time.perf_counter()

    def pause(self) -> None:
        self.seconds += time.perf_counter() - self._since


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
        extra = [(name, value) for name in _REQUEST_IDS if (value := headers.get(name))]
        peer = scope["client"]
        seen = gateway.client_ip.seen(headers, peer[0] if peer else "")
        gateway.busy.begin()
        spoken = self
        turn = Turn(None)
        try:
            body, received_ms = await self._read(scope, receive, headers, seen)
            turn = await gateway.turns.begin(body, b"content-encoding" in headers)
            work = _Work()
            try:
                request = self._request(scope, headers, body, received_ms)
                if self._protocol.choose is not None:
                    chosen, request = self._protocol.choose(request)
                    spoken = self._sharing[chosen.name]
                admitted = spoken._admit(request, seen, work)
            except Refusal as refusal:
                work.pause()
                gateway.rules.blame(refusal, seen, headers, work.seconds)
                raise
            work.pause()
            answer = admitted if isinstance(admitted, Answer) else await spoken._take(admitted, turn, extra)
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

    async def _read(self, scope: Scope, receive: Receive, headers: RequestHeaders, seen: str) -> tuple[bytes, int]:
        """The body as it came, and when it began to."""
        if scope["method"] not in self._protocol.methods:
            methods = self._protocol.methods
            allowed = [(b"allow", ", ".join((*methods, "OPTIONS")).encode())]
            message = f"Events are sent with {' or '.join(methods)}."
            raise Refusal(405, "method_not_allowed", message, headers=allowed)
        received_ms = time.time_ns() // 1_000_000
        self._gateway.rules.before(seen, headers)
        declared = headers.get(b"content-length")
        return await read_body(receive, declared, self._limit, self._gateway.arriving), received_ms

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

    async def _take(self, admitted: _Admitted, turn: Turn, extra: Headers) -> Answer:
        """``turn``: ends when the events are settled; ``extra``: headers of the answer, to which those are added that
        the rules want.
        """
        try:
            return await self._settle(turn, admitted)
        finally:
            if admitted.allowance is not None:
                extra += admitted.allowance.headers

    async def _settle(self, turn: Turn, admitted: _Admitted) -> Answer:
        protocol, gateway = self._protocol, self._gateway
        request, submission, _, ip, admission, allowance, _ = admitted
        bundle = Bundle(gateway, protocol.name, request.headers, ip, admission, request.received_ms, self._room)
        if submission.asks:
            return protocol.accepted(request, [bundle.asker()])
        verdicts = await self._verdicts(bundle, admitted)
        # Kafka's time is nobody else's.
        turn.end()
        if allowance is None:
            await bundle.durable()
        else:
            taken = sum(isinstance(verdict, Settled) for verdict in verdicts)
            allowance.take(taken)
            try:
                await bundle.durable()
            except Refusal:
                allowance.give_back(taken)
                raise
        gateway.rules.taken(admission, sum(bundle.counts.values()), request.received_ms)
        for kind, count in bundle.counts.items():
            self._accepted[kind].inc(count)
        return protocol.accepted(request, verdicts)

    async def _verdicts(self, bundle: Bundle, admitted: _Admitted) -> list[Verdict]:
        """What becomes of each event. Others get their turn in between: what an event takes is up to its sender."""
        verdicts = list[Verdict]()
        try:
            events = admitted.submission.events
            given = events.one_by_one() if isinstance(events, EventsLater) else events
            await self._judge(bundle, given, admitted.work, verdicts)
        except Refusal as refusal:
            self._blame(refusal, admitted)
            raise
        if verdicts and not any(isinstance(verdict, Settled) for verdict in verdicts):
            self._blame(verdicts[0], admitted)
        return verdicts

    async def _judge(
        self, bundle: Bundle, events: Iterable[SentEvent | Refusal], work: _Work, verdicts: list[Verdict]
    ) -> None:
        work.go_on()
        until = monotonic() + _TURN_SECONDS
        try:
            for event in events:
                verdicts.append(self._verdict(bundle, event))
                if monotonic() > until:
                    work.pause()
                    await asyncio.sleep(0)
                    work.go_on()
                    until = monotonic() + _TURN_SECONDS
        finally:
            work.pause()

    def _blame(self, verdict: Verdict, admitted: _Admitted) -> None:
        """Nothing of the request is taken, and here is why."""
        if isinstance(verdict, Refusal):
            verdict.vouched = admitted.admission.verified
            self._gateway.rules.blame(verdict, admitted.seen, admitted.request.headers, admitted.work.seconds)

    def _verdict(self, bundle: Bundle, event: SentEvent | Refusal) -> Verdict:
        try:
            if isinstance(event, Refusal):
                raise event
            return bundle.add(event)
        except Refusal as refusal:
            if not self._protocol.partial or refusal.status >= 500 or isinstance(refusal, TooLargeAltogether):
                raise  # not this event's fault: all of the request shall come again, or in parts
            self._count_refusal(refusal)
            return refusal


def header_map(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by lower-case name; of repeated ones the last counts, except that forwarders' lines are joined."""
    found = dict(headers)
    if len(found) != len(headers) and FORWARDED in found:
        found[FORWARDED] = b",".join(value for name, value in headers if name == FORWARDED)
    return found
