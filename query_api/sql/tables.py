"""The tables the query API reads, with what holds for every number."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the store. ``conditions`` are part of every read, ``final``: only the newest version of each row."""

    name: str
    conditions: tuple[str, ...] = ()
    final: bool = False


EVENTS = Table("events", ("bot = ''", "synthesized = 0"))
"""Events of people: no bots, and nothing we made up (`session_start`, `session_end`)."""

SESSIONS = Table("sessions")
"""Pairs of rows: only sums over ``sign`` mean anything. Bots have no sessions."""

IDENTITIES = Table("identities", ("is_deleted = 0",), final=True)
"""The links of today."""
