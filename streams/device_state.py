"""How a device is kept: a few hundred bytes in the changelog and in memory, of which there are millions.

Nine bytes stand in front: whether the current session is open, and the arrival of the newest message. That is all the
indexes need, so a state of a million devices is indexed without being decoded. The rest is one array in MessagePack;
sessions have no names of columns in it and nothing that the key says, and the earlier one leaves out where it came
from if that is as of the current one. What is added later stands at the end and has a default.
"""

from operator import itemgetter
from struct import Struct as Layout
from typing import Any

import orjson
from msgspec import Struct
from msgspec.msgpack import Decoder, Encoder

from schemas.event import Source, Surroundings

Session = dict[str, Any]
"""See ``sessions``."""

_FRONT = Layout(">BQ")
_OF_FIRST_FORM = ord("{")
_OWN = (
    *("session_id", "session_month", "profile_id", "started", "ended", "event_count", "screen_view_count"),
    *("is_closed", "revenue", "currency", "entry_path", "entry_origin", "exit_path", "exit_origin", "version"),
)
_BEGINNING = (*Source.model_fields, *Surroundings.model_fields)
_BLANK_SESSION: Session = dict.fromkeys(("project_id", "device_id", *_OWN, *_BEGINNING))
_own = itemgetter(*_OWN)
_beginning = itemgetter(*_BEGINNING)


class _Kept(Struct, array_like=True):
    profile_id: str
    link_version: int
    filling: int
    segment: bytes
    current: tuple[Any, ...] | None = None
    current_beginning: tuple[Any, ...] | None = None
    earlier: tuple[Any, ...] | None = None
    earlier_beginning: tuple[Any, ...] | None = None
    """None as well where it is that of the current one."""
    forgotten_at: int = 0
    viewed_path: str = ""
    viewed_at: int = 0
    placed: int = 0


_ENCODER = Encoder()
_DECODER = Decoder(_Kept)
NOTHING_KEPT = _Kept("", 0, 0, b"")


def encode_device(
    arrival: int,
    link: tuple[str, int],
    ring: tuple[int, bytes],
    current: Session | None,
    earlier: Session | None,
    forgotten_at: int = 0,
    viewed: tuple[str, int] = ("", 0),
    placed: int = 0,
) -> bytes:
    """The value of a device's key. ``link``: profile and version; ``ring``: number and ids of the segment filling;
    ``viewed``: path and time of the current session's newest screen view; ``placed``: see ``device.Device``.
    """
    kept = _Kept(*link, *ring, forgotten_at=forgotten_at, viewed_path=viewed[0], viewed_at=viewed[1], placed=placed)
    if current is not None:
        kept.current, kept.current_beginning = _own(current), _beginning(current)
    if earlier is not None:
        beginning = _beginning(earlier)
        kept.earlier = _own(earlier)
        kept.earlier_beginning = None if beginning == kept.current_beginning else beginning
    is_open = current is not None and not current["is_closed"]
    return _FRONT.pack(is_open, arrival) + _ENCODER.encode(kept)


def decode_device(value: bytes) -> _Kept:
    """The inverse; sessions still as arrays, see ``kept_session``. Raises ValueError for what is no such value."""
    if value[0] == _OF_FIRST_FORM:
        value = _from_first_form(value)
    return _DECODER.decode(memoryview(value)[_FRONT.size :])


def kept_sessions(kept: _Kept, project_id: str, device_id: str) -> tuple[Session | None, Session | None]:
    """The current and the earlier session."""
    current = earlier = None
    if kept.current is not None and kept.current_beginning is not None:
        current = _session(project_id, device_id, kept.current, kept.current_beginning)
    if kept.earlier is not None:
        earlier = _session(project_id, device_id, kept.earlier, kept.earlier_beginning or kept.current_beginning or ())
    return current, earlier


def heard_of(value: bytes) -> tuple[bool, int]:
    """Whether a kept device's session is open, and when it was last heard of: the stamp in milliseconds."""
    is_open, arrival = _FRONT.unpack_from(value if value[0] != _OF_FIRST_FORM else _from_first_form(value))
    return bool(is_open), arrival


def _from_first_form(value: bytes) -> bytes:
    """What the first Weirs kept, as it is kept now: they wrote JSON, and had all of the ring in keys of its own, which
    is given up (an event that is repeated across the upgrade counts twice).
    """
    data = orjson.loads(value)
    link = (data.get("profile", ""), data.get("link", 0))
    return encode_device(data.get("arrival", 0), link, (0, b""), data.get("current"), data.get("earlier"))


def _session(project_id: str, device_id: str, own: tuple[Any, ...], beginning: tuple[Any, ...]) -> Session:
    session = dict(_BLANK_SESSION)
    session["project_id"], session["device_id"] = project_id, device_id
    session.update(zip(_OWN, own, strict=True))
    session.update(zip(_BEGINNING, beginning, strict=True))
    return session
