"""One device's step: repeats → session → identity → rows. Knows no Kafka.

A ``Device`` is a device's state while a batch is computed; ``take`` applies one prepared event to it and appends the
rows that follow. What is wrong with an event was found out before (``prepare``), so nothing here is refused.
"""

from collections.abc import Callable
from typing import Any

import orjson

from schemas.event import Source, Surroundings
from schemas.event_id import derived_event_id
from schemas.event_time import clickhouse_time, month_of
from schemas.profile import ProfileOpKind
from schemas.raw_event import RawKind, ReplayPayload
from streams.identity import links_of
from streams.payloads import Change
from streams.prepare import Place, Prepared
from streams.replay import chunk_row
from streams.ring import Ring
from streams.rows import Rows
from streams.sessions import Session, begin, close, extend, joins
from streams.touch import touch_of

_START_BEFORE_MS = 100
_END_AFTER_MS = 1_000


class Device:
    """State of one device of one project. ``current`` and ``earlier`` are the sessions remembered, ``arrival`` the
    stamp of its newest message, ``emitted`` what each session touched in this batch was when the batch began,
    ``link_version`` the version of its newest link to a profile, ``session_owner`` what its session ids are made from:
    the device id, but for a ``misplaced`` device, whose key belongs to another partition.
    """

    __slots__ = (
        "arrival",
        "current",
        "device_id",
        "earlier",
        "emitted",
        "link_version",
        "misplaced",
        "profile_id",
        "project_id",
        "ring",
        "session_owner",
    )

    def __init__(
        self, project_id: str, device_id: str, state: bytes | None, load: Callable[[int], bytes | None]
    ) -> None:
        data: dict[str, Any] = orjson.loads(state) if state is not None else {}
        self.project_id = project_id
        self.device_id = device_id
        self.current: Session | None = data.get("current")
        self.earlier: Session | None = data.get("earlier")
        self.arrival: int = data.get("arrival", 0)
        self.profile_id: str = data.get("profile", "")
        self.link_version: int = data.get("link", 0)
        self.ring = Ring(data.get("ring", 0), load)
        self.emitted: dict[str, Session | None] = {}
        self.misplaced = False
        self.session_owner = device_id

    def encode(self) -> bytes:
        """The state to be stored; the ring's segments are stored beside it."""
        data = {
            "current": self.current,
            "earlier": self.earlier,
            "arrival": self.arrival,
            "profile": self.profile_id,
            "link": self.link_version,
            "ring": self.ring.filling,
        }
        return orjson.dumps({key: value for key, value in data.items() if value})

    def touched_sessions(self) -> list[tuple[Session | None, Session]]:
        """(as emitted before this batch or None, as it is now) of each session this batch changed."""
        return [(was, self._touched[session_id]) for session_id, was in self.emitted.items()]

    @property
    def _touched(self) -> dict[str, Session]:
        return {s["session_id"]: s for s in (self.current, self.earlier) if s is not None}

    @property
    def is_open(self) -> bool:
        """Whether the current session has not ended yet."""
        return self.current is not None and not self.current["is_closed"]


def take(device: Device, event: Prepared, place: Place, rows: Rows) -> bool:
    """Apply one event; False if the device sent it before and nothing happened."""
    if not device.ring.add(event.id_hash):
        return False
    device.arrival = max(device.arrival, place.stamp)
    named = event.raw.profile_id
    linked = list(links_of(device, event, place))
    for link in linked:
        rows.identity(device.project_id, link, event.time, place)
    if event.raw.kind is not RawKind.TRACK:
        _operate(device, event, place, rows)
        if linked and device.current is not None and joins(device.current, event.time):
            _say_touch(device.current, event, place, rows)
        return True
    if event.bot or not device.device_id:
        session_id = "" if event.bot else event.raw.session_id
        rows.event(_event_row(event, device, named, session_id, event.source, place), month_of(event.time))
        return True
    session = _session_of(device, event, named, place, rows)
    source = {name: session[name] for name in event.source} if _has_source(session) else event.source
    rows.event(_event_row(event, device, named, session["session_id"], source, place), month_of(event.time))
    rows.count("session_events", session["session_month"])
    return True


def _operate(device: Device, event: Prepared, place: Place, rows: Rows) -> None:
    """What is no event of its own: a link, a piece of a recording, operations on profiles and groups."""
    if isinstance(event.payload, ReplayPayload):
        rows.replay(chunk_row(event.raw, event.payload, place.stamp), place)
    # Groups may be given to somebody unknown: then they are of the device's own record, and of the person by its link.
    profile_id = event.raw.profile_id or device.device_id
    for change in event.changes:
        rows.operation(change, profile_id, event, place)


def end_current(device: Device, place: Place, rows: Rows) -> None:
    """The current session is over: mark it and say so, once. Does nothing if it has ended."""
    session = device.current
    if session is None or session["is_closed"]:
        return
    _touch(device, session)
    device.current = close(session)
    row = _session_event("session_end", device.current, device.current["ended"] + _END_AFTER_MS, place)
    row["duration_ms"] = session["ended"] - session["started"]
    row["path"], row["origin"] = session["exit_path"], session["exit_origin"]
    rows.event(row, month_of(device.current["ended"] + _END_AFTER_MS))


def _session_of(device: Device, event: Prepared, profile_id: str, place: Place, rows: Rows) -> Session:
    """The session the event belongs to, as it is with the event in it."""
    for name in ("current", "earlier"):
        session: Session | None = getattr(device, name)
        if session is not None and joins(session, event.time):
            _touch(device, session)
            extended = extend(session, event, profile_id)
            setattr(device, name, extended)
            if profile_id and (session["profile_id"], session["started"]) != (profile_id, extended["started"]):
                _say_touch(extended, event, place, rows)
            return extended
    late = device.current is not None and event.time < device.current["started"]
    if not late:
        end_current(device, place, rows)
    begun = begin(device.project_id, device.device_id, device.session_owner, event, profile_id, late)
    # The session that falls out of memory is emitted as it stands: nothing will change it any more.
    if device.earlier is not None and device.earlier["session_id"] in device.emitted:
        rows.session(device.emitted.pop(device.earlier["session_id"]), device.earlier, place)
    if late:
        device.earlier = begun
    else:
        device.earlier, device.current = device.current, begun
    device.emitted[begun["session_id"]] = None
    rows.count("sessions", begun["session_month"])
    _say_touch(begun, event, place, rows)
    start = _session_event("session_start", begun, event.time - _START_BEFORE_MS, place)
    start["path"], start["origin"] = event.columns["path"], event.columns["origin"]
    rows.event(start, month_of(event.time - _START_BEFORE_MS))
    return begun


def _say_touch(session: Session, event: Prepared, place: Place, rows: Rows) -> None:
    """The session is a visit of the profile that the event names, if it names one."""
    if event.raw.profile_id:
        change = Change(ProfileOpKind.TOUCH, touch_of(session), time=session["started"])
        rows.operation(change, event.raw.profile_id, event, place)


def _touch(device: Device, session: Session) -> None:
    """Remember what the session was before this batch changed it."""
    device.emitted.setdefault(session["session_id"], session)


def _has_source(session: Session) -> bool:
    return bool(session["referrer"] or session["referrer_name"] or session["utm_source"])


def _event_row(
    event: Prepared, device: Device, profile_id: str, session_id: str, source: dict[str, str], place: Place
) -> dict[str, Any]:
    return {
        "project_id": device.project_id,
        "event_id": event.event_id,
        "name": event.name,
        "device_id": device.device_id,
        "session_id": session_id,
        "profile_id": profile_id,
        **event.columns,
        **source,
        **event.surroundings,
        "bot": event.bot,
        "duration_ms": 0,
        "revenue": event.revenue,
        "currency": event.currency,
        "properties": event.properties,
        "synthesized": 0,
        "raw_epoch": place.epoch,
        "raw_partition": place.partition,
        "raw_offset": place.offset,
        "raw_line": place.line,
    }


_OF_SESSION = (*Source.model_fields, *Surroundings.model_fields)


def _session_event(name: str, session: Session, time: int, place: Place) -> dict[str, Any]:
    """``session_start`` or ``session_end`` of a session: everything but name, time and page is the session's own."""
    moment = clickhouse_time(time)
    return {
        "project_id": session["project_id"],
        "event_id": derived_event_id(f"{session['project_id']}:{session['session_id']}:{name}"),
        "name": name,
        "device_id": session["device_id"],
        "session_id": session["session_id"],
        "profile_id": session["profile_id"],
        "created_at": moment,
        "received_at": clickhouse_time(place.stamp),
        "path": "",
        "origin": "",
        "title": "",
        "language": "",
        "screen": "",
        "sdk_name": "",
        "sdk_version": "",
        "ip": "",
        "groups": (),
        **{column: session[column] for column in _OF_SESSION},
        "bot": "",
        "duration_ms": 0,
        "revenue": 0,
        "currency": "",
        "properties": {},
        "synthesized": 1,
        "raw_epoch": place.epoch,
        "raw_partition": place.partition,
        "raw_offset": place.offset,
        "raw_line": place.line,
    }
