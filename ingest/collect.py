"""The way of a request: read, parsed, admitted, its events settled, made durable, and only then answered."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import orjson

from ingest.access import Admission
from ingest.answers import (
    Answer,
    Headers,
    Receive,
    Refusal,
    Scope,
    Send,
    bad_request,
    refusal_headers,
    send_answer,
    send_preflight,
    unavailable,
    unforeseen,
)
from ingest.body_encoding import decompress
from ingest.client_ip import FORWARDED, given_address
from ingest.gateway import Gateway
from ingest.limits import MAX_USER_AGENT, read_body, too_large
from ingest.protocols.protocol import Protocol, Request, SentEvent, Settled, Verdict
from ingest.sender import describe_sender
from schemas.event_id import canonical_event_id, new_event_id
from schemas.event_time import settle_event_time, time_refusal
from schemas.partition import partition_of
from schemas.raw_event import RawKind
from schemas.topics import MAX_RAW_MESSAGE_BYTES

log = logging.getLogger(__name__)

_REQUEST_IDS = (b"request-id", b"x-request-id")
"""Headers that come back with the answer as they came."""

RequestHeaders = Mapping[bytes, bytes]

_TIME_MESSAGES = {"event_too_old": "The event is older than the project keeps events."}


class Collect:
    """ASGI endpoint that takes events of one protocol."""

    def __init__(self, protocol: Protocol, gateway: Gateway) -> None:
        self._protocol = protocol
        self._gateway = gateway
        self._limit = protocol.max_body_bytes or gateway.settings.gateway_max_body_bytes
        self._accepted = {kind: gateway.metrics.accepted.labels(protocol.name, kind.value) for kind in RawKind}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = header_map(scope["headers"])
        if scope["method"] == "OPTIONS":
            await send_preflight(send, headers.get(b"access-control-request-headers"))
            return
        gateway = self._gateway
        extra = [(name, value) for name in _REQUEST_IDS if (value := headers.get(name))]
        gateway.busy.begin()
        try:
            answer = await self._take(scope, receive, headers)
            await send_answer(send, answer, extra)
        except Refusal as refusal:
            await self._refuse(send, refusal, extra)
        except Exception:  # the last resort of one request: logged, counted, and told as a 500
            log.exception("a request failed for an unforeseen reason")
            await self._refuse(send, unforeseen(), extra)
        finally:
            gateway.busy.end()

    async def _refuse(self, send: Send, refusal: Refusal, extra: Headers) -> None:
        self._count_refusal(refusal)
        await send_answer(send, self._protocol.refused(refusal), refusal_headers(refusal) + extra)

    def _count_refusal(self, refusal: Refusal) -> None:
        self._gateway.metrics.refused.labels(self._protocol.name, str(refusal.status), refusal.reason).inc()

    async def _take(self, scope: Scope, receive: Receive, headers: RequestHeaders) -> Answer:
        protocol, gateway = self._protocol, self._gateway
        if scope["method"] not in protocol.methods:
            raise Refusal(405, "method_not_allowed", f"Events are sent with {' or '.join(protocol.methods)}.")
        received_ms = time.time_ns() // 1_000_000
        body = await read_body(receive, headers.get(b"content-length"), self._limit)
        if (encoding := headers.get(b"content-encoding")) is not None:
            body = decompress(body, encoding.decode("latin-1"), self._limit)
        if not gateway.serving:
            raise unavailable("starting", "The gateway is starting.")
        request = Request(scope["method"], scope["path"], scope["query_string"], headers, body, received_ms)
        submission = protocol.parse(request)
        if isinstance(submission, Answer):
            return submission
        origin = headers.get(b"origin", b"").decode("latin-1")
        admission = gateway.access.admit(submission, origin)
        peer = scope["client"]
        bundle = Bundle(gateway, protocol.name, headers, peer[0] if peer else "", admission, received_ms)
        verdicts = [self._verdict(bundle, event) for event in submission.events]
        await bundle.durable()
        for event in submission.events:
            if isinstance(event, SentEvent):
                self._accepted[event.kind].inc()
        return protocol.accepted(request, verdicts)

    def _verdict(self, bundle: "Bundle", event: SentEvent | Refusal) -> Verdict:
        if not self._protocol.partial:
            if isinstance(event, Refusal):
                raise event
            return bundle.add(event)
        try:
            if isinstance(event, Refusal):
                raise event
            return bundle.add(event)
        except Refusal as refusal:
            if refusal.status >= 500:
                raise  # nothing of it is the event's fault: all of the request shall come again
            self._count_refusal(refusal)
            return refusal


class Bundle:
    """The events of one request on their way to Kafka: what each means is settled when it is added."""

    def __init__(
        self,
        gateway: Gateway,
        protocol: str,
        headers: RequestHeaders,
        peer: str,
        admission: Admission,
        received_ms: int,
    ) -> None:
        self._gateway = gateway
        self._project = admission.project
        self._received_ms = received_ms
        self._ip = gateway.client_ip(headers, peer)
        self._sender = describe_sender(headers)
        self._protocol = protocol
        self._client_id = admission.client_id
        self.lines: dict[int, list[bytes]] = {}
        """Raw events by partition, in the order they were added."""

    def add(self, event: SentEvent) -> Settled:
        """Settle time, device, session and partition of an event.

        :raises Refusal: 400 for an event that can't be stored, 413 for one that is too large, 503 without a salt.
        """
        project, received_ms, sender = self._project, self._received_ms, self._sender
        time_ms = settle_event_time(received_ms, event.client_ms, event.sent_ms)
        refusal = time_refusal(time_ms, received_ms, project.max_age_ms)
        if refusal is not None:
            raise bad_request(refusal, _TIME_MESSAGES.get(refusal, "The event's time cannot be stored."))
        ip = (given_address(event.ip) if event.ip else "") or self._ip
        user_agent = sender.user_agent if event.user_agent is None else event.user_agent[:MAX_USER_AGENT]
        visitors = self._gateway.visitors
        if event.device_id:
            visitor = visitors.given(project.id, event.device_id, time_ms)
        else:
            visitor = visitors.derived(project.id, ip, user_agent, time_ms, received_ms)
        event_id = canonical_event_id(project.id, event.event_id) if event.event_id else new_event_id(received_ms)
        line = _dump(
            {
                "version": 1,
                "kind": event.kind.value,
                "event_id": event_id,
                "project_id": project.id,
                "device_id": visitor.device_id,
                "session_id": visitor.session_id,
                "profile_id": event.profile_id,
                "time": time_ms,
                "received_at": received_ms,
                "sent_at": event.sent_ms,
                "ip": ip,
                "user_agent": user_agent,
                "hints": sender.hints,
                "protocol": self._protocol,
                "client_id": self._client_id,
                "sdk_name": sender.sdk_name,
                "sdk_version": sender.sdk_version,
                "payload": event.payload,
            }
        )
        # Without a device: an operation goes with its profile, an event anywhere, but always to the same place.
        owner = visitor.device_id or (event_id if event.kind is RawKind.TRACK else event.profile_id) or event_id
        partition = partition_of(project.id, owner, self._gateway.producer.partitions)
        self.lines.setdefault(partition, []).append(line)
        return Settled(event_id, visitor.device_id, visitor.session_id)

    async def durable(self) -> None:
        """Return when Kafka has all of them.

        :raises Refusal: 503, when that is not known to be so.
        """
        add = self._gateway.envelopes.add
        futures = [add(partition, lines) for partition, lines in self.lines.items()]
        if len(futures) == 1:
            await futures[0]
        else:
            await asyncio.gather(*futures)


def header_map(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by lower-case name; of repeated ones the last counts, except that forwarders' lines are joined."""
    found = dict(headers)
    if len(found) != len(headers) and FORWARDED in found:
        found[FORWARDED] = b",".join(value for name, value in headers if name == FORWARDED)
    return found


def _dump(raw: dict[str, Any]) -> bytes:
    try:
        line = orjson.dumps(raw)
    except TypeError as error:
        # What came from JSON fails to be JSON again for one reason only.
        raise bad_request("too_deep", "The properties are nested too deeply.") from error
    if len(line) > MAX_RAW_MESSAGE_BYTES:
        raise too_large(MAX_RAW_MESSAGE_BYTES)
    return line
