"""Sessions as the workers see them, so that an answer can carry the session's own id."""

from collections import OrderedDict
from datetime import datetime
from threading import Lock
from typing import NamedTuple

import orjson

from ingest.follower import Follower, Record
from schemas.envelope import split_lines
from schemas.session_id import SESSION_TIMEOUT_MS, session_bucket, session_id
from schemas.topics import SESSIONS

LOOKBACK_MS = SESSION_TIMEOUT_MS + 5 * 60_000
"""How much of ``weir.sessions`` is read before the gateway is ready."""
_FORGOTTEN_REMEMBERED = 4_096
_RETRACTED = b'"sign":-1'


class SessionRow(NamedTuple):
    """What a worker says of a session; times in milliseconds."""

    id: str
    version: int
    started_ms: int
    ended_ms: int


class _Session:
    """A session as it is known here; ``version`` 0 as long as no worker has spoken of it. ``began_ms`` is the time of
    the event that began it here. ``earlier`` is the device's session remembered beside this one, its current.
    """

    __slots__ = ("began_ms", "earlier", "ended_ms", "id", "started_ms", "version")

    def __init__(self, row: SessionRow, earlier: "_Session | None" = None) -> None:
        self.id, self.version, self.started_ms, self.ended_ms = row
        self.began_ms = self.started_ms
        self.earlier = earlier

    def joins(self, time_ms: int) -> bool:
        """The workers' rule: not over 30 minutes before its start or after its end."""
        return self.started_ms - SESSION_TIMEOUT_MS <= time_ms <= self.ended_ms + SESSION_TIMEOUT_MS

    def grow(self, version: int, started_ms: int, ended_ms: int) -> None:
        # Sessions only grow, and what was told here may be on its way to the worker still.
        self.version = max(self.version, version)
        self.started_ms = min(self.started_ms, started_ms)
        self.ended_ms = max(self.ended_ms, ended_ms)


class LiveSessions:
    """The current and one earlier session of each device, the least recently changed device forgotten when there are
    too many.

    The workers decide; ``join`` and ``begin`` do to this memory what the worker will do to its own, so that the answer
    is right before the worker has seen the event, and while it is behind or away. What a worker says stands. The
    thread that reads the workers' rows and the event loop share it: a session may be seen a moment late, never broken.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._devices: OrderedDict[tuple[str, str], _Session] = OrderedDict()
        self._forgotten: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._devices)

    def join(self, project_id: str, device_id: str, time_ms: int, *, extend: bool) -> str | None:
        """Id of the device's session that an event of that time falls into, or None if there is none; ``extend``: the
        event is one that makes a session longer.
        """
        session = self._devices.get((project_id, device_id))
        if session is None:
            return None
        if not session.joins(time_ms):
            session = session.earlier
            if session is None or not session.joins(time_ms):
                return None
        if extend:
            if time_ms > session.ended_ms:
                session.ended_ms = time_ms
            elif time_ms < session.started_ms:
                session.started_ms = time_ms
        return session.id

    def beginning(self, project_id: str, device_id: str, time_ms: int, event_id: str) -> str:
        """Id of the session that an event would begin which falls into none; nothing changes."""
        current = self._devices.get((project_id, device_id))
        late = current is not None and time_ms < current.started_ms
        owner = f"{device_id}:late:{event_id}" if late else device_id
        return session_id(project_id, owner, session_bucket(time_ms))

    def begin(self, project_id: str, device_id: str, time_ms: int, event_id: str) -> str:
        """Begin the session of an event that falls into none, and tell its id."""
        key = (project_id, device_id)
        with self._lock:
            current = self._devices.get(key)
            begun_id = self.beginning(project_id, device_id, time_ms, event_id)
            begun = _Session(SessionRow(begun_id, 0, time_ms, time_ms), current)
            if current is None or time_ms >= current.started_ms:
                self._set_current(key, begun)
            else:
                self._forget(current.earlier)
                begun.earlier, current.earlier = None, begun
            return begun_id

    def put(self, project_id: str, device_id: str, row: SessionRow) -> None:
        """Take a session's newest row."""
        key = (project_id, device_id)
        with self._lock:
            current = self._devices.get(key)
            if current is None:
                self._set_current(key, _Session(row))
                return
            earlier = current.earlier
            if row.id == current.id:
                current.grow(*row[1:])
            elif earlier is not None and row.id == earlier.id:
                earlier.grow(*row[1:])
                self._give_up(key, current, earlier)
            elif self._give_up(key, current, _Session(row, earlier)):
                pass
            elif row.started_ms >= current.started_ms:
                self._set_current(key, _Session(row, current))
            elif self._replaces(earlier, current, row):
                current.earlier = _Session(row)
            self._devices.move_to_end(key)

    def _replaces(self, earlier: _Session | None, current: _Session, row: SessionRow) -> bool:
        """Whether an older session is the one beside the current. While the worker is behind, it speaks of sessions
        that were known and forgotten here.
        """
        if row.id in self._forgotten:
            return False
        if earlier is None or not earlier.version:
            return earlier is None or _Session(row).joins(earlier.began_ms)
        return bool(current.version)

    def _give_up(self, key: tuple[str, str], guessed: _Session, real: _Session) -> bool:
        """Put the worker's session in the place of one begun here that it can't be beside of; whether it was so."""
        if guessed.version or not real.joins(guessed.began_ms):
            return False
        real.grow(0, guessed.started_ms, guessed.ended_ms)
        self._devices[key] = real
        return True

    def _forget(self, session: _Session | None) -> None:
        if session is not None:
            self._forgotten[session.id] = None
            if len(self._forgotten) > _FORGOTTEN_REMEMBERED:
                self._forgotten.popitem(last=False)

    def _set_current(self, key: tuple[str, str], session: _Session) -> None:
        if session.earlier is not None:
            self._forget(session.earlier.earlier)
            session.earlier.earlier = None
        self._devices[key] = session
        if len(self._devices) > self._capacity:
            self._devices.popitem(last=False)


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
            session = SessionRow(row["session_id"], row["version"], *times)
            key = row["project_id"], row["device_id"]
        except (KeyError, TypeError, ValueError):
            # Not a session row: the store makes it a dead letter; here it is only not news.
            return
        self._sessions.put(*key, session)


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text + "+00:00").timestamp() * 1000)
