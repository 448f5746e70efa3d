"""Which device and session an event belongs to."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from ingest.access import Access
from ingest.answers import unavailable
from ingest.sessions_reader import LiveSessions
from schemas.agent import is_server
from schemas.device_id import device_hash
from schemas.session_id import session_bucket, session_id

_DAY_MS = 24 * 3_600_000
_LONGEST_REMEMBERED = 512
_remembered = lru_cache(maxsize=8_192)(device_hash)


class Visitor(NamedTuple):
    """Both empty for an event of a server that named no device."""

    device_id: str
    session_id: str


SERVER = Visitor("", "")


@lru_cache(maxsize=16)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * _DAY_MS // 1000, UTC).strftime("%Y-%m-%d")


def _hash(salt: bytes, project_id: str, ip: str, user_agent: str) -> str:
    # What is long, or takes four bytes for a character, is no browser's: anybody could fill the memory with it.
    if len(user_agent) <= _LONGEST_REMEMBERED and user_agent.isascii():
        return _remembered(salt, project_id, ip, user_agent)
    return device_hash(salt, project_id, ip, user_agent)


class Visitors:
    """Finds the visitor of an event, and changes nothing by it: only what is taken makes a session or makes it longer,
    by `remember`. ``begins`` is the id of an event that makes a session if it falls into none; what makes no session
    (an identify, a question) has none.
    """

    def __init__(self, access: Access, sessions: LiveSessions) -> None:
        self._access = access
        self._sessions = sessions

    def given(self, project_id: str, device_id: str, time_ms: int, begins: str = "") -> Visitor:
        """The visitor of an event whose sender named the device."""
        live = self._sessions.join(project_id, device_id, time_ms, extend=False)
        return Visitor(device_id, live or self._new_session(project_id, device_id, time_ms, begins))

    def derived(
        self, project_id: str, ip: str, user_agent: str, time_ms: int, received_ms: int, begins: str = ""
    ) -> Visitor:
        """The visitor behind an address and a user agent; a program gets none.

        The salt before is tried second, so a visit survives midnight: a session that lives on under yesterday's
        device keeps it.

        :raises Refusal: ``no_salt``, 503, while not one salt is known.
        """
        if is_server(user_agent):
            return SERVER
        device_id, live = self._find(project_id, ip, user_agent, time_ms, received_ms)
        return Visitor(device_id, live or self._new_session(project_id, device_id, time_ms, begins))

    def live(self, project_id: str, ip: str, user_agent: str, now_ms: int) -> Visitor:
        """As `derived`, but the session is empty when the visitor has none at the moment.

        :raises Refusal: ``no_salt``, 503.
        """
        if is_server(user_agent):
            return SERVER
        device_id, live = self._find(project_id, ip, user_agent, now_ms, now_ms)
        return Visitor(device_id, live or "")

    def newest_device(self, project_id: str, ip: str, user_agent: str, received_ms: int) -> str:
        """The device that is tried first behind an address and a user agent; empty while not one salt is known."""
        salt = self._access.newest_salt(_day(received_ms // _DAY_MS))
        return "" if salt is None else _hash(salt, project_id, ip, user_agent)

    def remember(self, project_id: str, device_id: str, time_ms: int, event_id: str) -> None:
        """An event that makes sessions was taken: its device's began with it, or has become longer."""
        if device_id and self._sessions.join(project_id, device_id, time_ms, extend=True) is None:
            self._sessions.begin(project_id, device_id, time_ms, event_id)

    def _find(
        self, project_id: str, ip: str, user_agent: str, time_ms: int, received_ms: int
    ) -> tuple[str, str | None]:
        """The device, and its session if the time falls into one."""
        today = received_ms // _DAY_MS
        salt = self._access.newest_salt(_day(today))
        if salt is None:
            raise unavailable("no_salt", "The gateway has no salt to make device ids with.")
        device_id = _hash(salt, project_id, ip, user_agent)
        live = self._sessions.join(project_id, device_id, time_ms, extend=False)
        if live is not None:
            return device_id, live
        # Not only yesterday's: when control was away, the last salt is older, and visits go on under it.
        before = self._access.newest_salt(_day(today - 1))
        if before is not None and before is not salt:
            earlier = _hash(before, project_id, ip, user_agent)
            live = self._sessions.join(project_id, earlier, time_ms, extend=False)
            if live is not None:
                return earlier, live
        return device_id, None

    def _new_session(self, project_id: str, device_id: str, time_ms: int, begins: str) -> str:
        if begins:
            return self._sessions.beginning(project_id, device_id, time_ms, begins)
        return session_id(project_id, device_id, session_bucket(time_ms))
