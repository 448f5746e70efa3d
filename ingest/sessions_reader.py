"""Live sessions as the workers see them, so that an answer can carry the session's own id."""

from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple

import orjson

from ingest.follower import Follower, Record
from schemas.envelope import split_lines
from schemas.session_id import SESSION_TIMEOUT_MS
from schemas.topics import SESSIONS

LOOKBACK_MS = SESSION_TIMEOUT_MS + 5 * 60_000
"""How much of ``weir.sessions`` is read before the gateway is ready."""
_RETRACTED = b'"sign":-1'


class LiveSession(NamedTuple):
    """A session at its newest version; times in milliseconds."""

    id: str
    version: int
    started_ms: int
    ended_ms: int


class LiveSessions:
    """Sessions by project and device, the least recently changed forgotten when there are too many.

    One thread writes, another reads; a reader may see a session a moment late, never a broken one.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._sessions: OrderedDict[tuple[str, str], LiveSession] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def live_id(self, project_id: str, device_id: str, time_ms: int) -> str | None:
        """Id of the device's session an event of that time belongs to, or None if it has to begin one."""
        session = self._sessions.get((project_id, device_id))
        if session is None:
            return None
        # Not more than the timeout before or after it: the same rule as the workers'.
        if session.started_ms - SESSION_TIMEOUT_MS <= time_ms <= session.ended_ms + SESSION_TIMEOUT_MS:
            return session.id
        return None

    def put(self, project_id: str, device_id: str, session: LiveSession, *, closed: bool) -> None:
        """Take a session's newest row. A closed session is forgotten, a late one does not displace a younger."""
        key = (project_id, device_id)
        known = self._sessions.get(key)
        if known is not None and _is_older(session, known):
            return
        if closed:
            if known is not None:
                del self._sessions[key]
            return
        self._sessions[key] = session
        self._sessions.move_to_end(key)
        while len(self._sessions) > self._capacity:
            self._sessions.popitem(last=False)


def _is_older(session: LiveSession, known: LiveSession) -> bool:
    if session.id == known.id:
        return session.version < known.version
    return session.ended_ms < known.ended_ms


class SessionsReader(Follower):
    """Follows ``weir.sessions`` from 35 minutes ago on, committed rows only."""

    def __init__(self, bootstrap: str, sessions: LiveSessions) -> None:
        super().__init__(SESSIONS, bootstrap, lookback_ms=LOOKBACK_MS)
        self._sessions = sessions

    def take(self, record: Record) -> None:
        """Apply the rows of one envelope that are in force (sign 1)."""
        if record.value is None:
            return
        for line in split_lines(record.value):
            if _RETRACTED not in line:
                self._take_row(line)

    def _take_row(self, line: bytes) -> None:
        try:
            row = orjson.loads(line)
            if row["sign"] != 1:
                return
            times = _milliseconds(row["started_at"]), _milliseconds(row["ended_at"])
            session = LiveSession(row["session_id"], row["version"], *times)
            key = row["project_id"], row["device_id"]
            closed = bool(row["is_closed"])
        except (KeyError, TypeError, ValueError):
            # Not a session row: the store makes it a dead letter; here it is only not news.
            return
        self._sessions.put(*key, session, closed=closed)


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text + "+00:00").timestamp() * 1000)
