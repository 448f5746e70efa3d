"""Top lists: pages, event names, and sessions by where they came from and what they were made with."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from query_api.answers import ERRORS
from query_api.routes.overview import Count, Percent, Seconds, session_averages
from query_api.services import AppServices, AskedPeriod, PathProject
from query_api.sql.dimensions import Dimension

router = APIRouter(prefix="/insights/{projectId}", tags=["Insights"], responses=ERRORS)

Limit = Annotated[int, Query(ge=1, le=1000, description="How many rows at most.")]


class PageRow(BaseModel):
    """A page, by origin and path."""

    origin: str
    path: str
    title: str = Field(description="The newest title it had.")
    pageviews: Count
    visitors: Count
    sessions: Count = Field(description="Sessions in which it was seen.")


class SessionsRow(BaseModel):
    """The sessions with one value of a property."""

    name: str = Field(description="The value; empty where it is not known (for a referrer: a direct visit).")
    sessions: Count
    visitors: Count
    pageviews: Count = Field(description="Page views in these sessions.")
    bounce_rate: Percent
    avg_session_duration: Seconds


class EventNameRow(BaseModel):
    """An event name and how often it happened."""

    name: str
    count: Count
    visitors: Count


@router.get("/pages", summary="Top pages, by page views")
async def get_pages(
    services: AppServices, project: PathProject, period: AskedPeriod, limit: Limit = 50
) -> list[PageRow]:
    """Pages seen in the period."""
    return [
        PageRow(
            origin=row["page_origin"],
            path=row["page_path"],
            title=row["page_title"],
            pageviews=row["pageviews"],
            visitors=row["visitors"],
            sessions=row["page_sessions"],
        )
        for row in await services.reader.pages(project.id, period, limit)
    ]


@router.get("/events/names", summary="Top event names, by events")
async def get_event_names(
    services: AppServices, project: PathProject, period: AskedPeriod, limit: Limit = 50
) -> list[EventNameRow]:
    """Names of the events that happened in the period, page views (`screen_view`) among them."""
    return [
        EventNameRow(name=row["event_name"], count=row["happened"], visitors=row["visitors"])
        for row in await services.reader.event_names(project.id, period, limit)
    ]


@router.get("/{dimension}", summary="Sessions by a property, most sessions first")
async def get_sessions_by(
    services: AppServices,
    project: PathProject,
    period: AskedPeriod,
    dimension: Annotated[Dimension, Path(description="A property of sessions.")],
    limit: Limit = 50,
) -> list[SessionsRow]:
    """Sessions that began in the period, by a property of theirs."""
    answer = []
    for row in await services.reader.sessions_by(dimension, project.id, period, limit):
        sums = {name.removeprefix("all_"): value for name, value in row.items()}
        averages = session_averages(sums)
        answer.append(
            SessionsRow(
                name=row["name"],
                sessions=sums["sessions"],
                visitors=row["visitors"],
                pageviews=sums["session_views"],
                bounce_rate=averages["bounce_rate"],
                avg_session_duration=averages["avg_session_duration"],
            )
        )
    return answer
