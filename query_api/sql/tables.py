"""The tables the query API reads, with what holds for every number."""

from dataclasses import dataclass

from schemas.day_signature import PROJECTION


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the store. ``conditions`` are part of every read, ``final``: only the newest version of each row.
    ``asks_project``: a view that is given the project, and has no column of it. ``projection``: what is read is this
    projection of the table, as a table of its own.
    """

    name: str
    conditions: tuple[str, ...] = ()
    final: bool = False
    asks_project: bool = False
    projection: str = ""


EVENTS = Table("events", ("bot = ''", "synthesized = 0"))
"""Events of people: no bots, and nothing we made up (`session_start`, `session_end`)."""

EVENT_HALVES = Table("events", projection=PROJECTION)
"""What each half hour has of events, whatever counts: to tell whether it is what it was. Not on a cluster."""

SESSION_HALVES = Table("sessions", projection=PROJECTION)
"""The same of sessions."""

SESSIONS = Table("sessions")
"""Pairs of rows: only sums over ``sign`` mean anything. Bots have no sessions."""

VISITORS = Table("visitors")
"""A row per visitor and half hour, with its events and page views; visitor 0 is none. Like the others below it is of
events of people alone, as `EVENTS` says.
"""

EVENT_VISITORS = Table("event_visitors")
"""The same for each event name."""

PAGES = Table("pages")
"""A row per page and half hour, with its page views and its newest title as a state."""

PAGE_VISITS = Table("page_visits")
"""A row per page, half hour, visitor and session that saw it; 0 is none."""

SESSION_SUMS = Table("session_sums")
"""Sums over the sessions that began in half an hour."""

VISITS = Table("visits")
"""Narrow rows of sessions, in pairs as in `SESSIONS`."""

PROPERTY_VALUES = Table("property_values")
"""A row per key, value and day (UTC) of properties of events; the empty value stands for all of the key."""

PROFILES = Table("profiles", ("is_deleted = 0",), final=True)
"""Records of profiles as they are today, each under the id it was told of."""

PEOPLE = Table("people", asks_project=True)
"""The links of today, followed to their end: ``kind`` (``device``, ``profile``), ``id`` and ``person``. What is not
linked is not in it. ``sql.people`` reads it for everybody.
"""

FOLDED_VALUES = Table("folded_values")
"""Days that are over, by value of a dimension: sums, and visitors as a bitmap. Of the revisions that are there
``sql.daily.FOLDED`` takes the one that stands.
"""

FOLDED_PAGES = Table("folded_pages")
"""The same by page."""

DAILY_ROLLUPS = Table("daily_rollups", final=True)
"""Which days are folded, by which revision."""

DEVICE_NUMBERS = Table("device_numbers")
"""The number of each device that is in a folded day."""

RECENT_VISITORS = Table("recent_visitors")
"""A row per visitor and five minutes, with the first and the last event in them, for an hour."""
