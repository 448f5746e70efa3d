"""Who is on a site now: the messages of ``weir.live``. They may be lost, and nothing is computed from them for good."""

from hashlib import blake2b
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

LIVE_MS = 5 * 60_000
"""A visitor is live for so long after its last event (``docs/definitions.md``)."""
AHEAD_MS = 60_000
"""Senders' clocks may be this far ahead."""
MESSAGES_PER_SECOND = 5
"""Of one project, all workers together."""
MAX_VISITORS = 100
"""Of one message that are told of in full: those seen last."""
MAX_OTHERS = 5_000
"""Of one message that are told of by their hash only; of more, their number."""


class LiveVisitor(BaseModel):
    """A device and the last event seen of it. Texts are empty where nothing is known."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    visitor: str
    """Hash of project and device (`visitor_hash`): the same for as long as the device is."""
    seen: int
    """Event time, milliseconds."""
    session_id: str = ""
    profile_id: str = ""
    name: str = ""
    """The event's."""
    path: str = ""
    origin: str = ""
    country: str = ""
    city: str = ""
    longitude: float | None = None
    latitude: float | None = None
    device: str = ""
    """``desktop``, ``mobile`` …"""
    browser: str = ""
    referrer_name: str = ""


class LiveMessage(BaseModel):
    """The devices of a project that one worker saw since its last message, each once. Key: the project."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    project_id: str
    visitors: tuple[LiveVisitor, ...] = ()
    others: tuple[tuple[str, int], ...] = ()
    """(visitor, seen) of those without room above."""
    more: Annotated[int, Field(ge=0)] = 0
    """Devices without room at all."""


def visitor_hash(project_id: str, device_id: str) -> str:
    """16 hexadecimal digits that name a device without giving its id away."""
    return blake2b(f"{project_id}:{device_id}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
