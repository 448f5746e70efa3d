"""Which device and session an event belongs to."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from ingest.access import Access
from ingest.answers import unavailable
from ingest.sessions_reader import LiveSessions
from schemas.device_id import device_hash
from schemas.session_id import session_bucket, session_id

_DAY_MS = 24 * 3_600_000
_hash = lru_cache(maxsize=16_384)(device_hash)


class Visitor(NamedTuple):
    """Both empty for an event of a server that named no device."""

    device_id: str
    session_id: str


SERVER = Visitor("", "")


@lru_cache(maxsize=8_192)
def is_server(user_agent: str) -> bool:
    """Whether a program sent this and no browser or app: no user agent, or a single word (``curl/8.1``, ``node``)."""
    return len(user_agent.split()) < 2


@lru_cache(maxsize=16)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * _DAY_MS // 1000, UTC).strftime("%Y-%m-%d")


class Visitors:
    """Finds the visitor of an event."""

    def __init__(self, access: Access, sessions: LiveSessions) -> None:
        self._access = access
        self._sessions = sessions

    def given(self, project_id: str, device_id: str, time_ms: int) -> Visitor:
        """The visitor of an event whose sender named the device."""
        live = self._sessions.live_id(project_id, device_id, time_ms)
        return Visitor(device_id, live or session_id(project_id, device_id, session_bucket(time_ms)))

    def derived(self, project_id: str, ip: str, user_agent: str, time_ms: int, received_ms: int) -> Visitor:
        """The visitor behind an address and a user agent; a program gets none.

        Yesterday's salt is tried second, so a visit survives midnight: a session that lives on under yesterday's
        device keeps it.

        :raises Refusal: ``no_salt``, 503, while not one salt is known.
        """
        if is_server(user_agent):
            return SERVER
        today = received_ms // _DAY_MS
        salt = self._access.newest_salt(_day(today))
        if salt is None:
            raise unavailable("no_salt", "The gateway has no salt to make device ids with.")
        device_id = _hash(salt, project_id, ip, user_agent)
        live = self._sessions.live_id(project_id, device_id, time_ms)
        if live is not None:
            return Visitor(device_id, live)
        before = self._access.salt(_day(today - 1))
        if before is not None and before is not salt:
            earlier = _hash(before, project_id, ip, user_agent)
            live = self._sessions.live_id(project_id, earlier, time_ms)
            if live is not None:
                return Visitor(earlier, live)
        return Visitor(device_id, session_id(project_id, device_id, session_bucket(time_ms)))
