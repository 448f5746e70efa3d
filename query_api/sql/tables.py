"""The tables the query API reads, with what holds for every number."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the store. ``conditions`` are part of every read, ``final``: only the newest version of each row.
    ``asks_project``: a view that is given the project, and has no column of it.
    """

    name: str
    conditions: tuple[str, ...] = ()
    final: bool = False
    asks_project: bool = False


EVENTS = Table("events", ("bot = ''", "synthesized = 0"))
"""Events of people: no bots, and nothing we made up (`session_start`, `session_end`)."""

SESSIONS = Table("sessions")
"""Pairs of rows: only sums over ``sign`` mean anything. Bots have no sessions."""

PROFILES = Table("profiles", ("is_deleted = 0",), final=True)
"""Records of profiles as they are today, each under the id it was told of."""

PEOPLE = Table("people", asks_project=True)
"""The links of today, followed to their end: ``kind`` (``device``, ``profile``), ``id`` and ``person``. What is not
linked is not in it. ``sql.people`` reads it for everybody.
"""
