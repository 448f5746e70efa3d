"""A session: rows of ``weir.sessions`` come in pairs, so that sums over ``sign`` are always right."""

from schemas.event import Source, Surroundings
from schemas.row import DerivedRow, Flag, Int8, Int64, Time, UInt32


class Session(Source, Surroundings, DerivedRow):
    """A session at one ``version``. To change it, the row last emitted goes out again with sign −1 and the new one
    with sign +1. ``session_month`` (``yyyymm``) comes from the id and never changes.
    """

    project_id: str
    session_id: str
    session_month: UInt32
    device_id: str
    profile_id: str
    """The profile that its events named last; empty where they named none."""
    started_at: Time
    ended_at: Time
    """Time of the last event."""
    duration_ms: Int64
    event_count: UInt32
    """Events stored with this session id, screen views included, synthesized ones not."""
    screen_view_count: UInt32
    is_bounce: Flag
    """1 while the session has at most one screen view."""
    is_closed: Flag
    revenue: Int64
    currency: str
    entry_path: str
    entry_origin: str
    exit_path: str
    exit_origin: str
    sign: Int8
    version: UInt32
