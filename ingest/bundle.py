"""The events of one request: each settled into a line of the raw topic, then all of them made durable."""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from ingest.access import Admission
from ingest.anonymize import Shortener, shortener
from ingest.answers import Refusal, bad_request
from ingest.client_ip import given_address
from ingest.gateway import Gateway
from ingest.limits import MAX_USER_AGENT, TooLargeAltogether, line_limit, too_large
from ingest.protocols.protocol import WHOSE, SentEvent, Settled
from ingest.sender import RequestSender, describe_sender
from ingest.visitor import Visitor
from schemas.address import truncate_ip
from schemas.envelope import portions
from schemas.event_id import canonical_event_id, derived_event_id, new_event_ids
from schemas.event_time import settle_event_time, time_refusal
from schemas.partition import partition_of
from schemas.raw_event import RawKind
from schemas.topics import MAX_RAW_MESSAGE_BYTES

_TRACK = RawKind.TRACK
"""Members of an enumeration are slow to find, and this is done for every event."""

_LONGEST_KEY = 256
RequestHeaders = Mapping[bytes, bytes]
_Place = tuple[str, str, str, int, bool]
"""What a visitor is found by: device, user agent, address, time, and whether a session may begin."""

_TIME_MESSAGES = {"event_too_old": "The event is older than the project keeps events."}


class _Moment:
    """A time that an event may have, and what its sender said it is."""

    __slots__ = ("client_ms", "said", "time_ms")

    def __init__(self, client_ms: int | None, time_ms: int) -> None:
        self.client_ms = client_ms
        self.time_ms = time_ms
        self.said = b'","time":%d,"payload":' % time_ms


class _Alike:
    """What an event became that was taken, for those that say the same of their sender: most of a batch do.

    ``head`` is their line up to the id, ``lines`` where it goes (None: that depends on its id). ``settled``: no other
    device than the visitor's is to be looked for, at whatever time.
    """

    __slots__ = (
        *("begins", "head", "kind", "limit", "lines", "moment", "place", "settled", "shortener", "visitor", "whose"),
    )

    def __init__(
        self,
        event: SentEvent,
        visitor: Visitor,
        place: _Place,
        moment: _Moment,
        shortener: Shortener | None,
        head: bytes,
        lines: list[bytes] | None,
    ) -> None:
        self.kind = event.kind
        self.limit = line_limit(event.kind)
        self.whose = event[WHOSE]
        self.begins = event.kind is _TRACK
        self.visitor = visitor
        self.place = place
        self.settled = False
        self.moment = moment
        self.shortener = shortener
        self.head = head
        self.lines = lines


class Bundle:
    """The events of one request on their way to Kafka: what each means is settled when it is added."""

    def __init__(
        self,
        gateway: Gateway,
        protocol: str,
        headers: RequestHeaders,
        ip: str,
        admission: Admission,
        received_ms: int,
        room: int = 16 * MAX_RAW_MESSAGE_BYTES,
    ) -> None:
        """``room``: bytes that all its events together may have."""
        self._gateway = gateway
        self._most = self._room = room
        self._project = admission.project
        self._admission = admission
        self._screens = gateway.rules.screens(admission)
        self._screened: set[tuple[str, str, str]] = set()
        """Whose events are taken: most of a batch are one person's."""
        self._received_ms = received_ms
        self._ip = ip
        self._sender = sender = describe_sender(headers)
        self._key = _name_of(headers[b"idempotency-key"]) if b"idempotency-key" in headers else ""
        self._asked = 0
        self._protocol = protocol
        self._write_sender(sender)
        self._new_ids = new_event_ids(received_ms)
        self._alike: _Alike | None = None
        self._last: tuple[SentEvent, Visitor, _Place, _Moment, Shortener | None, bytes, list[bytes] | None] | None = (
            None
        )
        """What `_Alike` is made of when another event comes: most requests bring one."""
        self._visitors: dict[_Place, Visitor] = {}
        self._named: dict[tuple[str, str], Settled] = {}
        """What the events became that have ids of their sender's, by device and id."""
        self._by_owner: dict[str, list[bytes]] = {}
        self.lines: dict[int, list[bytes]] = {}
        """Raw events by partition, in the order they were added."""
        self.counts: dict[RawKind, int] = {}
        """How many of each kind were added."""

    def add(self, event: SentEvent) -> Settled:
        """Settle time, device, session and partition of an event.

        :raises Refusal: 400 for an event that can't be stored, 401 for one that is filtered, 413 for one that is too
            large, 503 without a salt; `BotDropped`; `TooLargeAltogether` when nothing of the request can be taken.
        """
        given_id = event.event_id
        if self._key:
            # Without an id of its own, the request's key names the event: its n-th.
            self._asked += 1
            given_id = given_id or f"{self._key}:{self._asked}"
        event_id = canonical_event_id(self._project.id, given_id) if given_id else next(self._new_ids)
        alike = self._alike
        if alike is None and self._last is not None:
            alike = self._alike = _Alike(*self._last)
            alike.settled = self._is_settled(alike)
        if alike is not None and event[WHOSE] == alike.whose and event.kind is alike.kind:
            settled = self._add_alike(alike, event, given_id, event_id)
            if settled is not None:
                return settled
        return self._add_other(event, given_id, event_id)

    def _add_alike(self, alike: _Alike, event: SentEvent, given_id: str, event_id: str) -> Settled | None:
        """As `add`, of an event that says the same as one before it; None if it is not the same after all."""
        visitor, moment = alike.visitor, alike.moment
        if given_id and (visitor.device_id, event_id) in self._named:
            return None
        if event.client_ms != moment.client_ms:
            moment = _Moment(event.client_ms, self._time(event))
            if not self._is_visitor(alike, moment.time_ms, event_id):
                return None
        payload = event.payload if alike.shortener is None else alike.shortener.event(event).payload
        line = self._line(alike.head, event_id, moment, payload, alike.limit)
        lines = alike.lines if alike.lines is not None else self._lines_of(event, visitor.device_id, event_id)
        lines.append(line)
        self.counts[alike.kind] = self.counts.get(alike.kind, 0) + 1
        settled = tuple.__new__(Settled, (event_id, *visitor))
        if moment is not alike.moment:
            alike.moment = moment
            if alike.begins:
                self._session_changed(visitor.device_id, moment.time_ms, event_id)
        if given_id and alike.begins:
            self._named[visitor.device_id, event_id] = settled
        return settled

    def _is_settled(self, alike: _Alike) -> bool:
        given, user_agent, ip, *_ = alike.place
        found = alike.visitor.device_id
        if given or not found:
            return bool(found)
        # Under the salt before, the newer device would have to be looked for first.
        newest = self._gateway.visitors.newest_device(self._project.id, ip, user_agent, self._received_ms)
        return found == newest

    def _is_visitor(self, alike: _Alike, time_ms: int, event_id: str) -> bool:
        """Whether the visitor of events alike is that of one at another time, too: in the same session."""
        device_id, session_id = alike.visitor
        if alike.settled:
            joined = self._gateway.sessions.join(self._project.id, device_id, time_ms, extend=False)
            if joined is not None:
                return joined == session_id
        given, user_agent, ip, _, other = alike.place
        return alike.visitor == self._visitor((given, user_agent, ip, time_ms, other), event_id)

    def _add_other(self, event: SentEvent, given_id: str, event_id: str) -> Settled:
        """As `add`, of an event that is not like the one before it."""
        if event.claims_revenue:
            self._admission.check_claim(event)
        sent = event
        time_ms = self._time(event)
        ip = (event.ip and given_address(event.ip)) or self._ip
        user_agent = self._sender.user_agent if event.user_agent is None else event.user_agent[:MAX_USER_AGENT]
        if self._screens and (who := (event.profile_id, ip, user_agent)) not in self._screened:
            self._gateway.rules.screen(self._admission, *who)
            self._screened.add(who)
        moment = _Moment(event.client_ms, time_ms)
        place = event.device_id, user_agent, ip, time_ms, event.kind is not _TRACK
        visitor = self._visitor(place, event_id)
        short: Shortener | None = None
        if self._project.anonymize_ip:
            # Nothing needs all of it any more, so it is not written down.
            short = shortener((ip, event.ip, self._ip))
            event, user_agent, sender = short.event(event), short.agent(user_agent), short.sender(self._sender)
            ip = truncate_ip(ip)
            if sender is not self._written:
                self._write_sender(sender)
        # The worker takes the first of those that have one id.
        first = self._named.get((visitor.device_id, event_id)) if given_id else None
        settled = first or tuple.__new__(Settled, (event_id, *visitor))
        head = self._line_head(event, settled, ip, user_agent)
        also_id = f"{given_id}:also" if given_id else ""
        lines = self._write(event, settled, head, moment, also_id, ip, user_agent)
        # Not before: what is refused changes nothing of its visitor's session.
        if first is None:
            self._remember(place, visitor, event_id)
            if given_id and event.kind is _TRACK:
                self._named[visitor.device_id, event_id] = settled
            if event.also is None:
                placed = visitor.device_id or (event.kind is not _TRACK and event.profile_id)
                self._alike = None
                self._last = sent, visitor, place, moment, short, head, lines if placed else None
        return settled

    def _remember(self, place: _Place, visitor: Visitor, event_id: str) -> None:
        """An event of the visitor's was taken."""
        *_, time_ms, other = place
        if place not in self._visitors:
            if not other:
                self._session_changed(visitor.device_id, time_ms, event_id)
            self._visitors[place] = visitor

    def _session_changed(self, device_id: str, time_ms: int, event_id: str) -> None:
        """An event made a session of the device's, or made it longer: whatever was found before may be found elsewhere
        now.
        """
        self._gateway.visitors.remember(self._project.id, device_id, time_ms, event_id)
        self._visitors.clear()

    def _write(
        self, event: SentEvent, settled: Settled, head: bytes, moment: _Moment, also_id: str, ip: str, user_agent: str
    ) -> list[bytes]:
        """Put the event, and what came in one with it, among the lines: both or none. Returns where it was put."""
        line = self._line(head, settled.event_id, moment, event.payload, line_limit(event.kind))
        also = event.also
        if also is None:
            return self._put(event, settled, line)
        other_id = canonical_event_id(self._project.id, also_id) if also_id else next(self._new_ids)
        other_head = self._line_head(also, settled, ip, user_agent)
        other_line = self._line(other_head, other_id, moment, also.payload, line_limit(also.kind))
        lines = self._put(event, settled, line)
        self._put(also, settled._replace(event_id=other_id), other_line)
        return lines

    def _write_sender(self, sender: RequestSender) -> None:
        """What the next lines say of the sender; their head is what all of them begin with."""
        self._written = sender
        head = _remembered_head if sender.common else _head
        self._head = head(self._project.id, self._protocol, self._admission.client_id, sender)

    def _visitor(self, place: _Place, event_id: str) -> Visitor:
        found = self._visitors.get(place)
        if found is not None:
            return found
        device_id, user_agent, ip, time_ms, other = place
        visitors, project_id, begins = self._gateway.visitors, self._project.id, "" if other else event_id
        if device_id:
            return visitors.given(project_id, device_id, time_ms, begins)
        return visitors.derived(project_id, ip, user_agent, time_ms, self._received_ms, begins)

    def asker(self) -> Settled:
        """Who sends the request, and the session it has now, if any.

        :raises Refusal: 503 without a salt.
        """
        visitor = self._gateway.visitors.live(self._project.id, self._ip, self._sender.user_agent, self._received_ms)
        return Settled("", visitor.device_id, visitor.session_id)

    def _time(self, event: SentEvent) -> int:
        if event.client_ms is None:
            return self._received_ms
        time_ms = settle_event_time(self._received_ms, event.client_ms, event.sent_ms)
        refusal = time_refusal(time_ms, self._received_ms, self._project.max_age_ms)
        if refusal is not None:
            raise bad_request(refusal, _TIME_MESSAGES.get(refusal, "The event's time cannot be stored."))
        return time_ms

    def _line_head(self, event: SentEvent, settled: Settled, ip: str, user_agent: str) -> bytes:
        """A line up to the event's id, behind which stands what differs between events alike."""
        own = {
            "kind": event.kind.value,
            "received_at": self._received_ms,
            "device_id": settled.device_id,
            "session_id": settled.session_id,
            "profile_id": event.profile_id,
            "sent_at": event.sent_ms,
            "ip": ip,
            "user_agent": user_agent,
            "sdk_name": event.sdk_name or self._written.sdk_name,
            "sdk_version": event.sdk_version or self._written.sdk_version,
        }
        try:
            return b"".join((self._head, orjson.dumps(own)[1:-1], b',"event_id":"'))
        except TypeError as error:
            raise _too_deep() from error

    def _line(self, head: bytes, event_id: str, moment: _Moment, payload: dict[str, Any], limit: int) -> bytes:
        try:
            line = b"".join((head, event_id.encode(), moment.said, orjson.dumps(payload), b"}"))
        except TypeError as error:
            raise _too_deep() from error
        size = len(line)
        if size > limit:
            raise too_large(limit)
        if size > self._room:
            raise TooLargeAltogether(self._most)
        self._room -= size
        return line

    def _put(self, event: SentEvent, settled: Settled, line: bytes) -> list[bytes]:
        lines = self._lines_of(event, settled.device_id, settled.event_id)
        lines.append(line)
        self.counts[event.kind] = self.counts.get(event.kind, 0) + 1
        return lines

    def _lines_of(self, event: SentEvent, device_id: str, event_id: str) -> list[bytes]:
        # Without a device: an operation goes with its profile, an event anywhere, but always to the same place.
        owner = device_id or (event.kind is not _TRACK and event.profile_id) or event_id
        lines = self._by_owner.get(owner)
        if lines is None:
            partition = partition_of(self._project.id, owner, self._gateway.producer.partitions)
            lines = self._by_owner[owner] = self.lines.setdefault(partition, [])
        return lines

    def durable(self) -> asyncio.Future[Any]:
        """Hand all of them over. The future is done when they are durable; it raises `Refusal` (503) when that is not
        known to be so.

        :raises Refusal: 503, at once, as `Envelopes.add`.
        """
        add = self._gateway.envelopes.add
        if len(self.lines) == 1:
            ((partition, lines),) = self.lines.items()
            if len(lines) == 1:
                return add(partition, lines)
        futures = [add(partition, portion) for partition, lines in self.lines.items() for portion in portions(lines)]
        return futures[0] if len(futures) == 1 else asyncio.gather(*futures)


def _name_of(key: bytes) -> str:
    """An Idempotency-Key, in so few characters that a batch may have it in the id of each event."""
    text = key.decode("latin-1")
    return text if len(text) <= _LONGEST_KEY else derived_event_id(text)


def _head(project_id: str, protocol: str, client_id: str, sender: RequestSender) -> bytes:
    """What the lines of a sender have in common, up to the first field that differs."""
    same = {
        "version": 1,
        "project_id": project_id,
        "hints": orjson.Fragment(sender.hints),
        "protocol": protocol,
        "client_id": client_id,
    }
    return orjson.dumps(same)[:-1] + b","


_remembered_head = lru_cache(maxsize=768)(_head)


def _too_deep() -> Refusal:
    # What came from JSON fails to be JSON again for one reason only.
    return bad_request("too_deep", "The properties are nested too deeply.")
