"""The overview: the main numbers with the period before, and who is here now."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from query_api.answers import ERRORS
from query_api.periods import Interval, Period
from query_api.services import AppServices, AskedPeriod, PathProject, Services
from query_api.sql import overview

router = APIRouter(prefix="/insights/{projectId}", tags=["Insights"], responses=ERRORS)

_RECENT = timedelta(minutes=30)
"""The rollup of recent visitors has an hour."""

Percent = Annotated[float, Field(description="0 to 100.")]
Seconds = Annotated[float, Field(description="In seconds.")]
Count = int


class Figures(BaseModel):
    """The numbers of a period or of one part of it."""

    unique_visitors: Count = Field(description="Devices with at least one event.")
    total_sessions: Count = Field(description="Sessions that began.")
    total_screen_views: Count = Field(description="Page views.")
    bounce_rate: Percent = Field(description="Sessions with at most one page view, in percent of all sessions.")
    avg_session_duration: Seconds = Field(description="Of the sessions that lasted at all, in seconds.")
    views_per_session: float = Field(description="Page views of the sessions per session.")


class ComparedFigures(Figures):
    """The same numbers, and beside each the one of the period before (``prev_…``)."""

    prev_unique_visitors: Count
    prev_total_sessions: Count
    prev_total_screen_views: Count
    prev_bounce_rate: Percent
    prev_avg_session_duration: Seconds
    prev_views_per_session: float


class Part(ComparedFigures):
    """One part of the series; its ``prev_…`` numbers are those of the part with the same place in the period before
    (0 where that one has fewer parts).
    """

    date: str = Field(description="When the part begins: ISO 8601 with the offset of the project's time zone.")


class PeriodAnswer(BaseModel):
    """From ``start`` (inclusive) to ``end`` (exclusive), ISO 8601 with offset."""

    start: str
    end: str


class MetricsAnswer(BaseModel):
    """The overview of a period."""

    metrics: ComparedFigures
    series: list[Part]
    interval: Interval
    timezone: str = Field(description="The project's time zone, an IANA name.")
    period: PeriodAnswer
    previous_period: PeriodAnswer


class LiveAnswer(BaseModel):
    """Who is here."""

    visitors: Count = Field(description="Devices with an event in the last five minutes.")


@router.get("/metrics", summary="Main numbers, with the period before and a time series")
async def get_metrics(services: AppServices, project: PathProject, period: AskedPeriod) -> MetricsAnswer:
    """Visitors, sessions, page views, bounce rate, session duration and page views per session."""
    rows = await services.reader.overview(project.id, period)
    found = _Found(rows.events, rows.sessions)
    previous = period.previous()
    now_parts, then_parts = period.buckets(), previous.buckets()
    series = []
    for place, moment in enumerate(now_parts):
        then = int(then_parts[place].timestamp()) if place < len(then_parts) else None
        series.append(
            Part(
                date=moment.isoformat(),
                **found.figures(1, int(moment.timestamp())).model_dump(),
                **_previous(found.figures(0, then)),
            )
        )
    return MetricsAnswer(
        metrics=ComparedFigures(**found.figures(1, 0).model_dump(), **_previous(found.figures(0, 0))),
        series=series,
        interval=period.interval,
        timezone=project.zone.key,
        period=_answer(period),
        previous_period=_answer(previous),
    )


@router.get("/live", summary="Visitors of the last five minutes")
async def get_live(services: AppServices, project: PathProject) -> LiveAnswer:
    """Devices with an event in the last five minutes."""
    return LiveAnswer(visitors=await count_live(services, project.id))


async def count_live(services: Services, project_id: str) -> int:
    """Visitors of the last five minutes; the caller has checked who asks."""
    now = services.now()
    is_now = abs(now - datetime.now(UTC)) < _RECENT
    query = overview.live(services.settings.clickhouse_database, project_id, now.timestamp(), rolled=is_now)
    rows = await services.store.rows(query)
    return int(rows[0]["visitors"])


class _Found:
    """The rows of both queries by period and part; part 0 is the whole period."""

    def __init__(self, events: list[dict[str, Any]], sessions: list[dict[str, Any]]) -> None:
        self._events = {(row["current"], row["bucket"]): row for row in events}
        self._sessions = {(row["current"], row["bucket"]): row for row in sessions}

    def figures(self, current: int, part: int | None) -> Figures:
        """The numbers of a part; zeros where nothing happened."""
        key = (current, part)
        events: Mapping[str, Any] = self._events.get(key, {})
        sessions: Mapping[str, Any] = self._sessions.get(key, {})
        return Figures(
            unique_visitors=events.get("visitors", 0),
            total_screen_views=events.get("screen_views", 0),
            total_sessions=sessions.get("sessions", 0),
            **session_averages(sessions),
        )


def session_averages(sums: Mapping[str, Any]) -> dict[str, float]:
    """Bounce rate, duration and page views per session from sums over sessions; 0 where there is nothing to divide."""
    count, lasting = sums.get("sessions", 0), sums.get("lasting", 0)
    return {
        "bounce_rate": round(100 * sums["bounces"] / count, 2) if count else 0.0,
        "avg_session_duration": round(sums["session_ms"] / lasting / 1000, 2) if lasting else 0.0,
        "views_per_session": round(sums["session_views"] / count, 2) if count else 0.0,
    }


def _previous(figures: Figures) -> dict[str, float]:
    return {f"prev_{name}": value for name, value in figures.model_dump().items()}


def _answer(period: Period) -> PeriodAnswer:
    return PeriodAnswer(start=period.start.isoformat(), end=period.end.isoformat())
