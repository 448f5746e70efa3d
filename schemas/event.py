"""An event as enriched and stored: one row of ``weir.events``."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.row import DerivedRow, Flag, Float32, Int64, Time, UInt32


class Source(BaseModel):
    """Where a visit came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    referrer: str
    referrer_name: str
    referrer_type: str
    """``search``, ``social``, ``email``, ``ai``, ``ads`` … or empty."""
    utm_source: str
    utm_medium: str
    utm_campaign: str
    utm_term: str
    utm_content: str


class Surroundings(BaseModel):
    """The device and place an event came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    country: str
    """ISO 3166-1 alpha-2, upper case, or empty."""
    region: str
    city: str
    longitude: Float32 | None
    latitude: Float32 | None
    os: str
    os_version: str
    browser: str
    browser_version: str
    device: str
    """``desktop``, ``mobile``, ``tablet`` …, ``server`` or empty."""
    brand: str
    model: str


class Event(Source, Surroundings, DerivedRow):
    """One event. ``session_start`` and ``session_end`` are synthesized; no number is computed from ``session_end``."""

    project_id: str
    event_id: str
    """UUID, canonical text."""
    name: str
    device_id: str
    session_id: str
    profile_id: str
    """The profile that the sender named; empty where it named none. Whose the event is follows from it, or from the
    device's link of today (``docs/identity.md``).
    """
    created_at: Time
    """Event time."""
    received_at: Time
    path: str
    origin: str
    title: str
    language: str
    screen: str
    """``width x height`` in CSS pixels, e.g. ``1280x800``, or empty."""
    sdk_name: str
    sdk_version: str
    ip: str
    """Truncated."""
    bot: str
    """Name of the crawler, empty for people. Bots have no session and count in no number."""
    duration_ms: Int64
    """For ``session_end`` the session's length; for others 0 until screen durations come."""
    revenue: Int64
    """Minor units of ``currency``; 0 unless the event is ``revenue``."""
    currency: str
    groups: tuple[str, ...]
    properties: dict[str, Any] = Field(description="Flat, with dotted paths; scalars and arrays of scalars.")
    synthesized: Flag
    """1 for session_start and session_end."""
    raw_line: UInt32
