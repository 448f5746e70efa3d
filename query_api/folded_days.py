"""Which days of a period are folded, and whether reading them so is worth it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from query_api.errors import QueryFailedError
from query_api.periods import Period
from query_api.sql.builder import Query
from query_api.sql.daily import FoldedDays, Tally, folded_days, states
from schemas.calendar import HALF_HOUR_SECONDS

Rows = list[dict[str, Any]]
Ask = Callable[[Query], Awaitable[Rows]]

MAX_DAYS = 1_000
"""Longer periods are answered from half hours: a request's address has no room for more days."""
MIN_DAYS = 4
_UNFOLDED_SHARE = 3
_KEPT_SECONDS = 1.0
_KEPT_UNUSED_SECONDS = 30.0
"""Where folded days are not read, as there are none or they hold little: half hours are never wrong."""
_EXPECTED_SECONDS = 600.0
_MOST_LOOKED = 1_000


@dataclass(frozen=True, slots=True)
class Days:
    """The days of a stretch of time, by when each begins: the next one begins where it ends."""

    ends: Mapping[int, int]
    now: Mapping[int, Tally]
    """What the tables have in them. A day that is not there has nothing."""
    revisions: Mapping[int, int]
    """Those of the days whose folds are of what is there now."""

    def folded(self, start: int, end: int, worth: int) -> FoldedDays | None:
        """How to answer from the days between two midnights; None if that is best done from half hours alone.

        ``worth``: from so many events on it pays; 0: always, though nearly all is left to half hours.
        """
        asked = [day for day in self.ends if start <= day < end]
        total = sum(self.now.get(day, _NOTHING).events for day in asked)
        left = [day for day in asked if day not in self.revisions]
        left_events = sum(self.now.get(day, _NOTHING).events for day in left)
        is_little = len(left) * _UNFOLDED_SHARE <= len(asked) or left_events * _UNFOLDED_SHARE <= total
        if len(left) == len(asked) or (worth and not (is_little and total >= worth)):
            return None
        revisions = tuple(self.revisions[day] for day in asked if day in self.revisions)
        return FoldedDays(start, end, revisions, tuple(_joined((day, self.ends[day]) for day in left)))


_NOTHING = Tally()


def read_days(midnights: Sequence[int], rows: Rows) -> Days:
    """The days between these midnights, from the rows of `sql.daily.states`."""
    ends = dict(pairwise(midnights))
    now: dict[int, Tally] = {}
    folded: dict[int, tuple[int, Tally]] = {}
    for row in rows:
        day, tally = row["day"], Tally(**{name: row[name] for name in Tally.__dataclass_fields__})
        if row["revision"]:
            # After a change of time zone days that began at the same moment may have ended at another.
            if ends.get(day) == row["day_end"]:
                folded[day] = row["revision"], tally
        elif day in ends:
            now[day] = _sum(now.get(day, _NOTHING), tally)
    return Days(
        ends, now, {day: revision for day, (revision, then) in folded.items() if then == now.get(day, _NOTHING)}
    )


def _sum(one: Tally, other: Tally) -> Tally:
    return Tally(**{name: getattr(one, name) + getattr(other, name) for name in Tally.__dataclass_fields__})


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in ranges:
        if joined and joined[-1][1] == start:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


def _midnights(period: Period) -> tuple[int, ...]:
    """Of the period and the one before."""
    both = Period(period.previous().start, period.end, period.interval)
    return tuple(round(moment.timestamp()) for moment in both.midnights())


@dataclass(slots=True)
class _Looked:
    """A look at the days. ``until``: for how long it holds; ``before``: what the one before it found."""

    at: float
    until: float
    days: "asyncio.Task[Days]"
    before: Days | None

    @property
    def found(self) -> Days | None:
        """What it found, or, while it is under way or failed, what was found before."""
        is_done = self.days.done() and not self.days.cancelled() and self.days.exception() is None
        return self.days.result() if is_done else self.before


@dataclass(slots=True)
class FoldedDaysReader:
    """Asks the store which days are folded, once a second at most for the same days of a project: an event that comes
    late is counted so much later.
    """

    ask: Ask
    database: str
    worth: int
    kept_seconds: float = _KEPT_SECONDS
    _looked: dict[tuple[str, tuple[int, ...]], _Looked] = field(default_factory=dict)

    def expected(self, project_id: str, period: Period, *, compared: bool = False) -> FoldedDays | None:
        """What `find` answered when it was asked last, if that is not long ago: most likely it does so again."""
        midnights = _midnights(period)
        looked = self._looked.get((project_id, midnights))
        if looked is None or looked.found is None or time.monotonic() - looked.at > _EXPECTED_SECONDS:
            return None
        return self._of(looked.found, period, midnights, compared=compared)

    async def find(self, project_id: str, period: Period, *, compared: bool = False) -> FoldedDays | None:
        """How to answer for the period (``compared``: with the one before) with days that are folded; None: without."""
        midnights = _midnights(period)
        if not MIN_DAYS < len(midnights) <= MAX_DAYS + 1 or any(moment % HALF_HOUR_SECONDS for moment in midnights):
            return None
        days = await self._days(project_id, midnights)
        return self._of(days, period, midnights, compared=compared)

    def _of(self, days: Days, period: Period, midnights: Sequence[int], *, compared: bool) -> FoldedDays | None:
        start = midnights[0] if compared else round(period.start.timestamp())
        return days.folded(start, midnights[-1], self.worth)

    async def _days(self, project_id: str, midnights: tuple[int, ...]) -> Days:
        key, now = (project_id, midnights), time.monotonic()
        looked = self._looked.get(key)
        if looked is None or looked.until <= now:
            before = self._looked.pop(key).found if looked is not None else None
            task = asyncio.create_task(self._asked(project_id, midnights, before))
            looked = self._looked[key] = _Looked(now, now + self.kept_seconds, task, before)
            while len(self._looked) > _MOST_LOOKED:
                del self._looked[next(iter(self._looked))]
        try:
            # Others may wait for it, too, when whoever asked first has gone.
            days = await asyncio.shield(looked.days)
        except Exception:
            looked.until = now
            raise
        is_unused = not days.revisions or sum(tally.events for tally in days.now.values()) < self.worth
        if is_unused and self.kept_seconds:
            looked.until = looked.at + _KEPT_UNUSED_SECONDS
        return days

    async def _asked(self, project_id: str, midnights: tuple[int, ...], before: Days | None) -> Days:
        """Where no day is folded, as in a cluster, what the tables have now is not asked. Of a store that can't tell
        it, as one of another version may, nothing is read folded.
        """
        if before is None or not before.revisions:
            rows = await self.ask(folded_days(self.database, project_id, midnights))
            if not rows:
                return read_days(midnights, rows)
        try:
            rows = await self.ask(states(self.database, project_id, midnights))
        except QueryFailedError:
            rows = []
        return read_days(midnights, rows)
