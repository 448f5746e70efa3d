"""People: how many, who they are, and what is known of one."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from query_api.answers import ERRORS
from query_api.errors import NotFoundError
from query_api.person import earlier, find_person, later, merged_record
from query_api.routes.lists import Limit
from query_api.routes.overview import Count
from query_api.services import AppServices, AskedPeriod, PathProject
from query_api.sql import people, profiles
from schemas.touch import TOUCHED

router = APIRouter(prefix="/insights/{projectId}", tags=["People"], responses=ERRORS)

MAX_PAGE = 10_000
Moment = Annotated[str | None, Field(description="ISO 8601, UTC, milliseconds.")]


class PeoplePart(BaseModel):
    """People of one part of a period, beside those of the part with the same place in the period before."""

    date: str = Field(description="When the part begins: ISO 8601 with the offset of the project's time zone.")
    people: Count
    prev_people: Count


class PeopleAnswer(BaseModel):
    """How many people were there: devices and profiles count as whom they are linked to today."""

    people: Count
    prev_people: Count = Field(description="Of the period before.")
    series: list[PeoplePart]


class ProfileRow(BaseModel):
    """A person of whom something is known."""

    id: str
    first_name: str
    last_name: str
    email: str
    avatar: str
    created_at: Moment
    updated_at: Moment


class LinkedId(BaseModel):
    """An id that means the person today."""

    kind: str = Field(description="`profile` or `device`.")
    id: str


class ProfileAnswer(BaseModel):
    """All that is known of a person today, told or done under any of its ids."""

    id: str
    ids: list[LinkedId]
    first_name: str
    last_name: str
    email: str
    avatar: str
    properties: dict[str, Any] = Field(description="Flat, with dotted paths.")
    groups: list[str]
    first_touch: dict[str, str] = Field(description="Where the first visit came from; `seen_at` is when it began.")
    last_touch: dict[str, str] = Field(description="Where the last visit came from.")
    first_seen: Moment
    last_seen: Moment
    events: Count
    sessions: Count


@router.get("/people", summary="People, with the period before and a time series")
async def get_people(services: AppServices, project: PathProject, period: AskedPeriod) -> PeopleAnswer:
    """People with at least one event."""
    query = people.people(services.settings.clickhouse_database, project.id, period)
    found = {(row["current"], row["bucket"]): int(row["people"]) for row in await services.store.rows(query)}
    before = [int(moment.timestamp()) for moment in period.previous().buckets()]
    series = [
        PeoplePart(
            date=moment.isoformat(),
            people=found.get((1, int(moment.timestamp())), 0),
            prev_people=found.get((0, before[place]), 0) if place < len(before) else 0,
        )
        for place, moment in enumerate(period.buckets())
    ]
    return PeopleAnswer(people=found.get((1, 0), 0), prev_people=found.get((0, 0), 0), series=series)


@router.get("/profiles", summary="People of whom something is known, the one that changed last first")
async def get_profiles(
    services: AppServices,
    project: PathProject,
    search: Annotated[str, Query(max_length=200, description="Part of an id, an e-mail address or a name.")] = "",
    page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1,
    limit: Limit = 50,
) -> list[ProfileRow]:
    """One row a person, however many ids mean it."""
    database = services.settings.clickhouse_database
    query = profiles.profiles(database, project.id, search, limit=limit, offset=(page - 1) * limit)
    return [
        ProfileRow(
            id=row["person"],
            **{name.removeprefix("known_"): value for name, value in row.items() if name.startswith("known_")},
            created_at=_iso(row["created"]),
            updated_at=_iso(row["updated"]),
        )
        for row in await services.store.rows(query)
    ]


@router.get("/profiles/{profileId}", summary="All that is known of a person")
async def get_profile(
    services: AppServices,
    project: PathProject,
    profile_id: Annotated[str, Path(alias="profileId", max_length=256, description="Any id of the person.")],
) -> ProfileAnswer:
    """The person that the id means today. Its events: `/export/events?profileId=…`."""
    database, store = services.settings.clickhouse_database, services.store
    person = await find_person(services, project.id, profile_id)
    asked = (
        profiles.records_of(database, project.id, person),
        *profiles.deeds_of(database, project.id, person),
    )
    records, events, sessions = await asyncio.gather(*(store.rows(query) for query in asked))
    if not records and not events[0]["events"]:
        raise NotFoundError("Profile not found")
    record = merged_record(person.person, records)
    seen = events[0] if events[0]["events"] else {"first_ms": None, "last_ms": None}
    return ProfileAnswer(
        id=person.person,
        ids=[
            *(LinkedId(kind="profile", id=each) for each in person.profiles),
            *(LinkedId(kind="device", id=each) for each in person.devices if each not in person.profiles),
        ],
        **{trait: record.traits.get(trait, "") for trait in ("first_name", "last_name", "email", "avatar")},
        properties=record.properties,
        groups=list(record.groups),
        first_touch=earlier(record.first_touch, _touch(sessions[0], "first_touch")),
        last_touch=later(record.last_touch, _touch(sessions[0], "last_touch")),
        first_seen=_iso(seen["first_ms"]),
        last_seen=_iso(seen["last_ms"]),
        events=events[0]["events"],
        sessions=sessions[0]["sessions"],
    )


def _touch(row: Mapping[str, Any], name: str) -> dict[str, str]:
    """A touch of the sessions, as it stands in a record; nothing where there is no session."""
    if not row["sessions"]:
        return {}
    told = {column: value for column, value in zip(TOUCHED, row[name], strict=True) if value}
    moment = datetime.fromtimestamp(row[f"{name}_ms"] / 1000, UTC)
    return {"seen_at": f"{moment:%Y-%m-%d %H:%M:%S}.{row[f'{name}_ms'] % 1000:03d}", **told}


def _iso(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    second, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
