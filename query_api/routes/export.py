"""Export: the stored events themselves, page by page."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from query_api.access import ReadableProject
from query_api.answers import ERRORS
from query_api.conditions import AskedConditions
from query_api.errors import InvalidRequestError
from query_api.person import find_person, flat
from query_api.services import AppServices, ShownCredentials
from query_api.sql.events import EventFilter, events

router = APIRouter(prefix="/export", tags=["Export"], responses=ERRORS)

MAX_LIMIT = 1_000
MAX_OFFSET = 1_000_000
"""Deeper pages cost what all pages before them cost: narrow the period instead."""


class ExportedEvent(BaseModel):
    """One event. Texts are empty where nothing is known."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    id: str = Field(description="UUID.")
    name: str
    project_id: str
    device_id: str
    profile_id: str
    session_id: str
    created_at: str = Field(description="Event time: ISO 8601, UTC, milliseconds.")
    country: str
    city: str
    region: str
    longitude: float | None
    latitude: float | None
    os: str
    os_version: str
    browser: str
    browser_version: str
    device: str
    brand: str
    model: str
    path: str
    origin: str
    title: str
    referrer: str
    referrer_name: str
    referrer_type: str
    utm_source: str
    utm_medium: str
    utm_campaign: str
    utm_term: str
    utm_content: str
    language: str
    screen: str
    duration: int = Field(description="Milliseconds.")
    revenue: int = Field(description="Minor units of the currency.")
    currency: str
    groups: list[str]
    sdk_name: str
    sdk_version: str
    properties: dict[str, Any] | None = Field(
        default=None, description="Flat, with dotted paths; only with `includes=properties`, else null."
    )


class ExportMeta(BaseModel):
    """Where in the whole this page lies."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    count: int = Field(description="Events on this page.")
    total_count: int = Field(description="Events on all pages.")
    pages: int
    current: int = Field(description="This page, from 1.")


class ExportAnswer(BaseModel):
    """A page of events, newest first."""

    meta: ExportMeta
    data: list[ExportedEvent]


_FIELDS = frozenset(ExportedEvent.model_json_schema(by_alias=True)["properties"])


@router.get("/events", summary="Stored events, newest first")
async def get_events(
    services: AppServices,
    credentials: ShownCredentials,
    conditions: AskedConditions,
    project_id: Annotated[
        str | None, Query(alias="projectId", description="Needed with a root client that has several projects.")
    ] = None,
    project_id_too: Annotated[str | None, Query(alias="project_id", deprecated=True)] = None,
    profile_id: Annotated[
        str | None, Query(alias="profileId", description="Those of the person that this id means today.")
    ] = None,
    event: Annotated[
        list[str] | None, Query(description="Names: one value separated by commas, or several, each an exact name.")
    ] = None,
    start: Annotated[
        str | None, Query(description="From: a day of the project's calendar, or ISO 8601 (UTC without an offset).")
    ] = None,
    end: Annotated[str | None, Query(description="To: a day, inclusive, or ISO 8601, exclusive.")] = None,
    page: Annotated[int, Query(ge=1)] = 1,
    limit: Annotated[int, Query(description=f"Clamped to 1 … {MAX_LIMIT}.")] = 50,
    includes: Annotated[
        list[str] | None, Query(description="`properties` to get them; several times or separated by commas.")
    ] = None,
) -> ExportAnswer:
    """Events of people: no bots, no synthesized session_start and session_end."""
    readable = await services.access.projects(credentials)
    project = await _project(services, credentials, readable, project_id or project_id_too)
    limit = min(max(limit, 1), MAX_LIMIT)
    offset = (page - 1) * limit
    if offset > MAX_OFFSET:
        raise InvalidRequestError(f"A page may begin after {MAX_OFFSET} events at most: narrow start and end instead.")
    wanted = EventFilter(
        names=_event_names(event),
        person=await find_person(services, project.id, profile_id) if profile_id else None,
        start=_moment(start, project.zone, last=False),
        end=_moment(end, project.zone, last=True),
        conditions=conditions,
    )
    queries = events(
        services.settings.clickhouse_database,
        project.id,
        wanted,
        limit=limit,
        offset=offset,
        properties=_wants_properties(includes),
    )
    rows, totals = await asyncio.gather(*(services.store.rows(query) for query in queries))
    total = int(totals[0]["total"])
    return ExportAnswer(
        meta=ExportMeta(count=len(rows), total_count=total, pages=-(-total // limit), current=page),
        data=[_event(project.id, row) for row in rows],
    )


async def _project(
    services: AppServices, credentials: ShownCredentials, readable: list[ReadableProject], project_id: str | None
) -> ReadableProject:
    if project_id is not None:
        return await services.access.project(credentials, project_id)
    if len(readable) == 1:
        return readable[0]
    raise InvalidRequestError("projectId is required")


def _wants_properties(includes: list[str] | None) -> bool:
    names = _split(includes)
    unknown = [name for name in names if name not in _FIELDS]
    if unknown:
        raise InvalidRequestError(f"includes: {unknown[0]} is not a field of an event")
    return "properties" in names


def _event_names(values: list[str] | None) -> tuple[str, ...]:
    """One value is a list with commas; several are names as they are, for names that have commas themselves."""
    if values is not None and len(values) > 1:
        return tuple(name for name in values if name)
    return tuple(_split(values))


def _split(values: list[str] | None) -> list[str]:
    return [name.strip() for value in values or () for name in value.split(",") if name.strip()]


def _moment(text: str | None, zone: ZoneInfo, *, last: bool) -> datetime | None:
    """A day's first moment (or, for the last day, the first one after it), or a moment itself."""
    if text is None:
        return None
    try:
        if len(text) == len("2026-01-31"):
            day = date.fromisoformat(text) + timedelta(days=last)
            found = datetime(day.year, day.month, day.day, tzinfo=zone)
        else:
            # A plus sign that was not encoded arrives as a blank.
            found = datetime.fromisoformat(text.replace(" ", "+") if text.count("T") else text)
    except (ValueError, OverflowError) as error:
        raise InvalidRequestError(f"{text!r} is neither a day (YYYY-MM-DD) nor an ISO 8601 time") from error
    if not 1971 <= found.year <= 2200:
        raise InvalidRequestError(f"{text!r} is not between the years 1971 and 2200")
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _event(project_id: str, row: Mapping[str, Any]) -> ExportedEvent:
    values = {name.removeprefix("event_"): value for name, value in row.items()}
    values["created_at"] = _iso(values.pop("created_ms"))
    values["duration"] = values.pop("duration_ms")
    if (properties := values.get("properties")) is not None:
        values["properties"] = flat(orjson.loads(properties))
    return ExportedEvent.model_validate({"project_id": project_id, **values})


def _iso(milliseconds: int) -> str:
    second, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
