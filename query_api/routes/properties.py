"""Completion of properties' keys and values as somebody types a filter."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from query_api.answers import ERRORS
from query_api.services import AppServices, PathProject
from query_api.sql import properties

router = APIRouter(prefix="/insights/{projectId}", tags=["Insights"], responses=ERRORS)

Search = Annotated[str, Query(max_length=200, description="A part of it, in any case.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]


class PropertyKey(BaseModel):
    """A key of events' properties, with dots where objects are nested."""

    key: str
    events: int = Field(description="How many events had it.")
    last_seen: datetime


class PropertyValue(BaseModel):
    """A value of a property, as text."""

    value: str
    events: int = Field(description="How many events had it, about: of busy moments a part is looked at.")
    last_seen: datetime


@router.get("/properties", summary="Keys of properties, the most frequent first")
async def get_property_keys(
    services: AppServices, project: PathProject, search: Search = "", limit: Limit = 50
) -> list[PropertyKey]:
    """Keys of all time, with all their levels."""
    query = properties.property_keys(services.settings.clickhouse_database, project.id, search, limit)
    return [
        PropertyKey(key=row["property_key"], events=row["seen"], last_seen=_moment(row["last_ms"]))
        for row in await services.store.rows(query)
    ]


@router.get("/properties/values", summary="Values of a property, the most frequent first")
async def get_property_values(
    services: AppServices,
    project: PathProject,
    key: Annotated[str, Query(max_length=200, description="As `/properties` tells it.")] = "",
    search: Search = "",
    limit: Limit = 50,
) -> list[PropertyValue]:
    """Texts, numbers and truth values; what looks like one of a kind (an id, a long number) is not told.

    They are suggestions: of the last 90 days, and of a day that is over at most a thousand of a key.
    """
    query = properties.property_values(services.settings.clickhouse_database, project.id, key, search, limit)
    return [
        PropertyValue(value=row["property_value"], events=row["seen"], last_seen=_moment(row["last_ms"]))
        for row in await services.store.rows(query)
    ]


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
