"""Sessions: which one an event belongs to, and what it makes of it. Pure; ``docs/sessions.md`` has the rules.

A session in state is a dict with the columns of ``schemas.session.Session`` that do not follow from others; its times
``started`` and ``ended`` are milliseconds. It is changed in place: whoever has to take back what was said keeps a copy.
"""

from operator import itemgetter
from typing import Any

from schemas.event_time import clickhouse_time
from schemas.session_id import SESSION_TIMEOUT_MS, session_bucket, session_id, session_month
from streams.prepare import Prepared

Session = dict[str, Any]

_KEPT = (
    *("project_id", "session_id", "session_month", "device_id", "profile_id", "event_count", "screen_view_count"),
    *("is_closed", "revenue", "currency", "entry_path", "entry_origin", "exit_path", "exit_origin", "version"),
)
_kept = itemgetter(*_KEPT)

MAX_REVENUE = 2**62
"""Minor units that a session's revenue stops at: its sums must stay within 64 bits."""


def joins(session: Session, time: int) -> bool:
    """Whether an event of that time falls into the session: not over 30 minutes before its start or after its end."""
    started: int = session["started"]
    ended: int = session["ended"]
    return started - SESSION_TIMEOUT_MS <= time <= ended + SESSION_TIMEOUT_MS


def begin(project_id: str, device_id: str, session_owner: str, event: Prepared, profile_id: str, late: bool) -> Session:
    """A new session of one event, its id made from ``session_owner``. A ``late`` one (before the device's current
    session) is closed from the start.
    """
    bucket = session_bucket(event.time)
    page = event.page
    return {
        "project_id": project_id,
        "session_id": session_id(project_id, session_owner, bucket),
        "session_month": session_month(bucket),
        "device_id": device_id,
        "profile_id": profile_id,
        "started": event.time,
        "ended": event.time,
        "event_count": 1,
        "screen_view_count": int(event.is_screen_view),
        "is_closed": int(late),
        "revenue": event.revenue,
        "currency": event.currency,
        "entry_path": page["path"],
        "entry_origin": page["origin"],
        "exit_path": page["path"],
        "exit_origin": page["origin"],
        "version": 0,
        **event.source,
        **event.surroundings,
    }


def extend(session: Session, event: Prepared, profile_id: str) -> None:
    """Add one more event to the session, wherever in its time the event lies."""
    time, page = event.time, event.page
    path = page["path"]
    if time >= session["ended"]:
        session["ended"] = time
        if path:
            session["exit_path"], session["exit_origin"] = path, page["origin"]
    if path and (time < session["started"] or not session["entry_path"]):
        session["entry_path"], session["entry_origin"] = path, page["origin"]
    if time < session["started"]:
        session["started"] = time
    session["event_count"] += 1
    if event.is_screen_view:
        session["screen_view_count"] += 1
    if event.revenue:
        session["revenue"] = min(session["revenue"] + event.revenue, MAX_REVENUE)
        session["currency"] = session["currency"] or event.currency
    if profile_id:
        session["profile_id"] = profile_id


def close(session: Session) -> None:
    """The session has ended for good; a late event may still join it."""
    session["is_closed"] = 1


def session_row(session: Session, sign: int, coordinates: dict[str, int]) -> dict[str, Any]:
    """The row of ``weir.sessions`` that says this session (+1) or takes it back (-1), without the columns that are
    those of its first event (``device.Device.beginning``).
    """
    started, ended = session["started"], session["ended"]
    row = dict(zip(_KEPT, _kept(session), strict=True))
    row["started_at"] = clickhouse_time(started)
    row["ended_at"] = clickhouse_time(ended)
    row["duration_ms"] = ended - started
    row["is_bounce"] = int(session["screen_view_count"] <= 1)
    row["sign"] = sign
    row.update(coordinates)
    return row
