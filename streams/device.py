"""One device's step: repeats → session → identity → rows. Knows no Kafka.

A ``Device`` is a device's state while a batch is computed; ``take`` applies one prepared event to it and appends the
rows that follow. What is wrong with an event was found out before (``prepare``), so nothing here is refused.
"""

from collections.abc import Callable, Container
from operator import itemgetter
from typing import Any

from schemas.event import Source, Surroundings
from schemas.event_id import derived_event_id
from schemas.event_time import MAX_FUTURE_MS, MAX_SKEW_MS, clickhouse_time, month_of
from schemas.profile import ProfileOpKind
from schemas.raw_event import RawKind, ReplayPayload
from schemas.session_id import SESSION_TIMEOUT_MS
from streams.columns import Columns, remembered_columns
from streams.device_state import decode_device, encode_device, heard_of, kept_sessions
from streams.enrich.measures import add_previous_view
from streams.identity import links_of
from streams.payloads import Change
from streams.prepare import BLANK_EVENT, Place, Prepared
from streams.replay import chunk_row
from streams.ring import Ring
from streams.rows import Rows
from streams.sessions import Session, begin, close, extend, joins
from streams.touch import touch_of

_START_BEFORE_MS = 100
_END_AFTER_MS = 1_000
REMEMBERED_MS = 24 * 3_600_000
"""Whatever began longer ago may have been forgotten with its device, which is kept for twice as long: the id of its
half hour may have been used."""
_IDS_USED_MS = SESSION_TIMEOUT_MS + MAX_SKEW_MS + 2 * MAX_FUTURE_MS
"""A session that was erased may have begun minutes ahead of the log, in a half hour that lasts from there."""


class Device:
    """State of one device of one project, and what a batch needs of it.

    Kept: ``current`` and ``earlier`` are the sessions remembered, ``arrival`` the stamp of its newest message,
    ``link_version`` the version of its newest link to a profile. ``forgotten_at``: the stamp at which sessions of it
    were erased; their ids are never used again. ``viewed``: path and time (0: none yet) of the newest screen view of
    the current session. ``placed``: how many partitions there were when it was found out that its key belongs to this
    one, negative if to another, 0 before that.

    Of the batch: ``is_known``: it has sent something before; ``key``: where its state lies; ``session_owner``: what its
    session ids are made from, the device id, but for a misplaced device, whose key belongs to another partition.
    ``emitted``: what each session touched was when the batch began; ``beginnings``: what sessions began with, by id,
    as far as it was needed; ``newest``: the newest row of its events (see ``live.Seen``).
    """

    __slots__ = (
        "arrival",
        "beginnings",
        "current",
        "device_id",
        "earlier",
        "emitted",
        "forgotten_at",
        "is_known",
        "key",
        "link_version",
        "newest",
        "placed",
        "profile_id",
        "project_id",
        "ring",
        "session_owner",
        "viewed",
    )

    def __init__(
        self, project_id: str, device_id: str, state: bytes | None, load: Callable[[int], bytes | None]
    ) -> None:
        self.project_id = project_id
        self.device_id = device_id
        self.current: Session | None = None
        self.earlier: Session | None = None
        self.arrival = 0
        self.key = b""
        self.is_known = state is not None
        self.profile_id = ""
        self.link_version = 0
        self.forgotten_at = 0
        self.viewed = ("", 0)
        self.placed = 0
        filling, segment = 0, b""
        if state is not None:
            kept = decode_device(state)
            _, self.arrival = heard_of(state)
            self.profile_id, self.link_version = kept.profile_id, kept.link_version
            self.forgotten_at = kept.forgotten_at
            self.viewed = (kept.viewed_path, kept.viewed_at)
            self.placed = kept.placed
            filling, segment = kept.filling, kept.segment
            self.current, self.earlier = kept_sessions(kept, project_id, device_id)
        self.ring = Ring(filling, segment, load)
        self.emitted: dict[str, Session | None] = {}
        self.beginnings: dict[str, tuple[Columns, Columns]] = {}
        self.newest: tuple[dict[str, Any], tuple[Columns, ...]] | None = None
        self.session_owner = device_id

    def encode(self) -> bytes:
        """The state to be stored; the ring's full segments are stored beside it."""
        link, ring = (self.profile_id, self.link_version), (self.ring.filling, self.ring.segment)
        sessions = (self.current, self.earlier)
        return encode_device(self.arrival, link, ring, *sessions, self.forgotten_at, self.viewed, self.placed)

    def touched_sessions(self) -> list[tuple[Session | None, Session]]:
        """(as emitted before this batch or None, as it is now) of each session this batch changed."""
        remembered = {s["session_id"]: s for s in (self.current, self.earlier) if s is not None}
        return [(was, remembered[session_id]) for session_id, was in self.emitted.items()]

    def beginning(self, session: Session) -> tuple[Columns, Columns]:
        """Where a session came from, and by which device and place: never changed, so the same in all its rows."""
        begun = self.beginnings.get(session["session_id"])
        if begun is None:
            source = remembered_columns(_SOURCE, _source(session))
            begun = source, remembered_columns(_SURROUNDINGS, _surroundings(session))
            self.beginnings[session["session_id"]] = begun
        return begun

    def flush(self, place: Place, rows: Rows) -> None:
        """Emit what the batch changed so far."""
        for was, now in self.touched_sessions():
            if was != now:
                rows.session(was, now, place, *self.beginning(now))
        self.emitted = {}

    def forget_sessions(self, session_ids: Container[str] | None, stamp: int) -> None:
        """Forget these sessions, or all, after a ``flush``: nothing joins them, and their ids are not used again."""
        if self.current is not None and (session_ids is None or self.current["session_id"] in session_ids):
            self.current, self.viewed = None, ("", 0)
        if self.earlier is not None and (session_ids is None or self.earlier["session_id"] in session_ids):
            self.earlier = None
        self.forgotten_at = stamp

    @property
    def is_open(self) -> bool:
        """Whether the current session has not ended yet."""
        return self.current is not None and not self.current["is_closed"]


def take(device: Device, event: Prepared, place: Place, rows: Rows) -> bool:
    """Apply one event; False if the device sent it before and nothing happened."""
    if not device.ring.add(event.id_hash):
        return False
    if place.stamp > device.arrival:
        device.arrival = place.stamp
    device.is_known = True
    kind, named = event.raw.kind, event.raw.profile_id
    if kind is not RawKind.TRACK:
        _operate(device, event, place, rows)
        return True
    if named:
        _link(device, event, place, rows)
    columns = event.columns
    if event.bot or not device.device_id:
        columns["session_id"] = "" if event.bot else event.raw.session_id
        rows.event(columns, place, month_of(event.time), (event.source, *event.more))
        return True
    session = _session_of(device, event, named, place, rows)
    columns["session_id"] = session["session_id"]
    if event.is_screen_view and session is device.current:
        _view(device, event)
    shared = (_source_of(device, session, event), *event.more)
    rows.event(columns, place, month_of(event.time), shared, session["session_month"])
    if device.newest is None or device.newest[0]["created_at"] <= columns["created_at"]:
        device.newest = (columns, shared)
    return True


def _link(device: Device, event: Prepared, place: Place, rows: Rows) -> bool:
    """Say the links that an event makes or takes back; whether there are any."""
    linked = list(links_of(device, event, place))
    for link in linked:
        rows.identity(device.project_id, link, event.time, place)
    return bool(linked)


def _view(device: Device, event: Prepared) -> None:
    """Add to the properties of a screen view in the current session what page was looked at before it and how long.
    The first has none before it, and one that comes later than another that followed it tells nothing.
    """
    path, time = device.viewed
    if event.time < time:
        return
    device.viewed = (event.page["path"], event.time)
    if time:
        add_previous_view(event.columns["properties"], path, event.time - time)


def _operate(device: Device, event: Prepared, place: Place, rows: Rows) -> None:
    """What is no event of its own: a link, a piece of a recording, operations on profiles and groups."""
    linked = _link(device, event, place, rows)
    if isinstance(event.payload, ReplayPayload):
        rows.replay(chunk_row(event.raw, event.payload, place.stamp), place)
    # Groups may be given to somebody unknown: then they are of the device's own record, and of the person by its link.
    profile_id = event.raw.profile_id or device.device_id
    for change in event.changes:
        rows.operation(change, profile_id, event, place)
    if linked and device.current is not None and joins(device.current, event.time):
        _say_touch(device.current, event, place, rows)


def end_current(device: Device, place: Place, rows: Rows) -> None:
    """The current session is over: mark it and say so, once. Does nothing if it has ended."""
    session = device.current
    if session is None or session["is_closed"]:
        return
    _touch(device, session)
    close(session)
    ended = session["ended"] + _END_AFTER_MS
    row = _session_event("session_end", session, ended, place)
    row["duration_ms"] = session["ended"] - session["started"]
    row["path"], row["origin"] = session["exit_path"], session["exit_origin"]
    rows.event(row, place, month_of(ended), device.beginning(session))


def _session_of(device: Device, event: Prepared, profile_id: str, place: Place, rows: Rows) -> Session:
    """The session the event belongs to, as it is with the event in it."""
    session = device.current
    if session is None or not joins(session, event.time):
        session = device.earlier
        if session is None or not joins(session, event.time):
            return _begin(device, event, profile_id, place, rows)
    if session["session_id"] not in device.emitted:
        _touch(device, session)
    was = (session["profile_id"], session["started"]) if profile_id else None
    extend(session, event, profile_id)
    if was is not None and was != (profile_id, session["started"]):
        _say_touch(session, event, place, rows)
    return session


def _begin(device: Device, event: Prepared, profile_id: str, place: Place, rows: Rows) -> Session:
    """A session that begins with the event."""
    late = device.current is not None and event.time < device.current["started"]
    if not late:
        end_current(device, place, rows)
    session_owner = device.session_owner
    is_old = event.time < max(place.stamp - REMEMBERED_MS, device.forgotten_at + _IDS_USED_MS)
    if late or is_old:
        session_owner = f"{session_owner}:late:{event.event_id}"
        # The event itself may be one that was there before, and is forgotten by the ring, or with its device.
        if device.ring.has_forgotten:
            session_owner = f"{session_owner}:{place.epoch}:{place.offset}:{place.line}"
        elif is_old:
            session_owner = f"{session_owner}:{place.stamp}"
    begun = begin(device.project_id, device.device_id, session_owner, event, profile_id, late)
    # The session that falls out of memory is emitted as it stands: nothing will change it any more.
    if device.earlier is not None and device.earlier["session_id"] in device.emitted:
        was = device.emitted.pop(device.earlier["session_id"])
        rows.session(was, device.earlier, place, *device.beginning(device.earlier))
    if late:
        device.earlier = begun
    else:
        device.earlier, device.current = device.current, begun
        device.viewed = ("", 0)
    device.emitted[begun["session_id"]] = None
    device.beginnings[begun["session_id"]] = (event.source, event.surroundings)
    rows.count("sessions", begun["session_month"])
    _say_touch(begun, event, place, rows)
    start = _session_event("session_start", begun, event.time - _START_BEFORE_MS, place)
    start["path"], start["origin"] = event.page["path"], event.page["origin"]
    rows.event(start, place, month_of(event.time - _START_BEFORE_MS), (event.source, event.surroundings))
    return begun


def _say_touch(session: Session, event: Prepared, place: Place, rows: Rows) -> None:
    """The session is a visit of the profile that the event names, if it names one."""
    if event.raw.profile_id:
        change = Change(ProfileOpKind.TOUCH, touch_of(session), time=session["started"])
        rows.operation(change, event.raw.profile_id, event, place)


def _touch(device: Device, session: Session) -> None:
    """Remember what the session was before this batch changes it."""
    if session["session_id"] not in device.emitted:
        device.emitted[session["session_id"]] = session.copy()


def _source_of(device: Device, session: Session, event: Prepared) -> Columns:
    """Where the event came from: as its session did, if that came from somewhere."""
    if not (session["referrer"] or session["referrer_name"] or session["utm_source"]):
        return event.source
    return device.beginning(session)[0]


_SOURCE = tuple(Source.model_fields)
_SURROUNDINGS = tuple(Surroundings.model_fields)
_source, _surroundings = itemgetter(*_SOURCE), itemgetter(*_SURROUNDINGS)


def _session_event(name: str, session: Session, time: int, place: Place) -> dict[str, Any]:
    """``session_start`` or ``session_end`` of a session: everything but name, time and page is the session's own. Where
    it came from is not in it: those columns are shared.
    """
    return {
        **BLANK_EVENT,
        "project_id": session["project_id"],
        "event_id": derived_event_id(f"{session['project_id']}:{session['session_id']}:{name}"),
        "name": name,
        "device_id": session["device_id"],
        "session_id": session["session_id"],
        "profile_id": session["profile_id"],
        "created_at": clickhouse_time(time),
        "received_at": clickhouse_time(place.stamp),
        "synthesized": 1,
        "raw_line": place.line,
    }
