"""The overview and the top lists, each read from where the same numbers are found soonest: folded days, half hours, or
events and sessions.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from query_api.folded_days import Ask, FoldedDaysReader, Rows
from query_api.periods import Interval, Period
from query_api.sql import daily_lists, daily_overview, lists, overview
from query_api.sql.daily import FoldedDays
from query_api.sql.daily_lists import EVENT_NAMES, MOST_PAGES, Values
from query_api.sql.dimensions import Dimension


@dataclass(frozen=True, slots=True)
class OverviewRows:
    """Rows of both queries of `sql.overview`; they may be the same rows."""

    events: Rows
    sessions: Rows


@dataclass(frozen=True, slots=True)
class Reader:
    """Asks the store. What its answers mean does not depend on where they come from."""

    ask: Ask
    database: str
    folded_days: FoldedDaysReader
    tell: Callable[[bool], None] = lambda is_daily: None
    """Is told of each question whether it is answered from folded days."""

    async def overview(self, project_id: str, period: Period) -> OverviewRows:
        """The period and the one before, by their parts."""

        async def daily(found: FoldedDays) -> Rows:
            return await self.ask(daily_overview.overview(self.database, project_id, period, found))

        if period.interval not in (Interval.MINUTE, Interval.HOUR):
            rows = await self._by_days(project_id, period, daily, compared=True)
            if rows is not None:
                return OverviewRows(rows, rows)
        events, sessions = overview.overview(self.database, project_id, period)
        return OverviewRows(*await asyncio.gather(self.ask(events), self.ask(sessions)))

    async def pages(self, project_id: str, period: Period, limit: int) -> Rows:
        """As `sql.lists.pages`."""

        async def daily(found: FoldedDays) -> Rows | None:
            top = await self.ask(daily_lists.top_pages(self.database, project_id, found, limit))
            if len(top) > MOST_PAGES:
                return None
            pages = [row["page"] for row in top]
            return await self.ask(daily_lists.pages(self.database, project_id, found, pages, limit))

        rows = await self._by_days(project_id, period, daily)
        return rows if rows is not None else await self.ask(lists.pages(self.database, project_id, period, limit))

    async def event_names(self, project_id: str, period: Period, limit: int) -> Rows:
        """As `sql.lists.event_names`."""

        async def daily(found: FoldedDays) -> Rows:
            rows = await self._values(project_id, EVENT_NAMES, found, limit)
            return [
                {"event_name": row["name"], "happened": row["all_events"], "visitors": row["visitors"]} for row in rows
            ]

        rows = await self._by_days(project_id, period, daily)
        return rows if rows is not None else await self.ask(lists.event_names(self.database, project_id, period, limit))

    async def sessions_by(self, dimension: Dimension, project_id: str, period: Period, limit: int) -> Rows:
        """As `sql.lists.sessions_by`."""

        async def daily(found: FoldedDays) -> Rows:
            return await self._values(project_id, daily_lists.sessions_by(dimension), found, limit)

        rows = await self._by_days(project_id, period, daily)
        if rows is not None:
            return rows
        return await self.ask(lists.sessions_by(dimension, self.database, project_id, period, limit))

    async def _by_days(
        self,
        project_id: str,
        period: Period,
        answer: Callable[[FoldedDays], Awaitable[Rows | None]],
        *,
        compared: bool = False,
    ) -> Rows | None:
        """The answer from folded days; None if half hours are to be asked.

        Which days are folded is looked up while the question is asked already of those that were when somebody asked
        before. That is right but for once a day; if it was wrong, the question is asked again.
        """
        expected = self.folded_days.expected(project_id, period, compared=compared)
        looked_up = self.folded_days.find(project_id, period, compared=compared)
        if expected is None:
            found, rows = await looked_up, None
        else:
            found, rows = await asyncio.gather(looked_up, answer(expected))
        self.tell(found is not None)
        if found is not None and found != expected:
            rows = await answer(found)
        return rows if found is not None else None

    async def _values(self, project_id: str, values: Values, found: FoldedDays, limit: int) -> Rows:
        top = await self.ask(daily_lists.top_values(self.database, project_id, values, found, limit))
        seen = top
        if not values.are_few:
            seen = await self.ask(daily_lists.visitors_of_values(self.database, project_id, values, found, top))
        visitors = {row["name"]: row["visitors"] for row in seen}
        sums = [f"all_{name}" for name in values.sums]
        return [
            {"name": row["name"], "visitors": visitors.get(row["name"], 0), **{name: row[name] for name in sums}}
            for row in top
        ]
