"""A rule that matched: one row of ``weir.notifications``."""

from typing import Any

from pydantic import Field

from schemas.row import DerivedRow, Time, UInt32

MAX_EXCERPT_PROPERTIES = 20
MAX_EXCERPT_TEXT = 256
MAX_EXCERPT_ITEMS = 10


class Notification(DerivedRow):
    """The event that matched, or completed a funnel, and whose it is. Committed with the event's own row."""

    notification_id: str
    """UUID: the same for the same thing to tell, so that nobody is told twice whatever is delivered again. It follows
    from the rule and, as the rule says how often, from the event, the session or the profile.
    """
    project_id: str
    rule_id: str
    rule_name: str
    event_id: str
    name: str
    """The event's."""
    device_id: str
    session_id: str
    profile_id: str
    created_at: Time
    """Event time."""
    path: str
    origin: str
    country: str
    city: str
    referrer_name: str
    revenue: int
    currency: str
    properties: dict[str, Any] = Field(description="The first of the event's properties, long texts cut.")
    raw_line: UInt32
