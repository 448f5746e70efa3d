"""What the routes of one application share, and how they get it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from fastapi import Depends, Path, Query, Request, Security
from fastapi.security import APIKeyHeader

from query_api.access import Access, Credentials, ReadableProject
from query_api.live_hub import LiveHub
from query_api.metrics import Metrics
from query_api.periods import Interval, Period, PeriodRequest, Range, settle_period
from query_api.reader import Reader
from query_api.settings import QueryApiSettings
from query_api.store import Store


@dataclass(frozen=True)
class Services:
    """Opened once per application."""

    settings: QueryApiSettings
    access: Access
    store: Store
    reader: Reader
    hub: LiveHub
    metrics: Metrics
    now: Callable[[], datetime]


def of_request(request: Request) -> Services:
    """The services of the application that answers this request."""
    services = request.app.state.services
    if not isinstance(services, Services):
        raise TypeError("the application was not made by create_app")
    return services


AppServices = Annotated[Services, Depends(of_request)]

_CLIENT_ID = APIKeyHeader(name="openpanel-client-id", scheme_name="clientId", auto_error=False)
_CLIENT_SECRET = APIKeyHeader(name="openpanel-client-secret", scheme_name="clientSecret", auto_error=False)


def _credentials(
    client_id: Annotated[str | None, Security(_CLIENT_ID)],
    client_secret: Annotated[str | None, Security(_CLIENT_SECRET)],
) -> Credentials:
    return Credentials(client_id or "", client_secret or "")


ShownCredentials = Annotated[Credentials, Depends(_credentials)]


async def _project(
    services: AppServices,
    credentials: ShownCredentials,
    project_id: Annotated[str, Path(alias="projectId", max_length=64)],
) -> ReadableProject:
    return await services.access.project(credentials, project_id)


PathProject = Annotated[ReadableProject, Depends(_project)]
"""The project named in the path, which the client may read; a route with it needs no other check."""


def _period(
    services: AppServices,
    project: PathProject,
    range_: Annotated[
        Range, Query(alias="range", description="A period relative to now, in the project's time zone.")
    ] = Range.LAST_7_DAYS,
    start_date: Annotated[
        date | None, Query(alias="startDate", description="First day, YYYY-MM-DD; goes before `range`.")
    ] = None,
    end_date: Annotated[date | None, Query(alias="endDate", description="Last day, inclusive, YYYY-MM-DD.")] = None,
    interval: Annotated[
        Interval | None, Query(description="Length of one part of the series; by default it follows from the period.")
    ] = None,
) -> Period:
    asked = PeriodRequest(range_, start_date, end_date, interval)
    return settle_period(asked, services.now(), project.zone, project.week_start)


AskedPeriod = Annotated[Period, Depends(_period)]
"""The period a request asks for, in the time zone of its project."""
