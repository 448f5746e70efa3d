"""The projects a client may read."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from query_api.answers import ERRORS
from query_api.services import AppServices, ShownCredentials

router = APIRouter(tags=["Projects"], responses={status: ERRORS[status] for status in (401, 503)})


class ProjectAnswer(BaseModel):
    """A project."""

    id: str
    name: str
    organizationId: str  # noqa: N815 - names in answers follow the OpenPanel API
    timezone: str = Field(description="IANA name.")
    weekStart: int = Field(ge=1, le=7, description="ISO day of the week, 1 = Monday.")  # noqa: N815
    currency: str


@router.get("/projects", summary="The projects this client may read")
async def get_projects(services: AppServices, credentials: ShownCredentials) -> list[ProjectAnswer]:
    """A read client has one, a root client all of its organisation."""
    return [
        ProjectAnswer(
            id=project.id,
            name=project.name,
            organizationId=project.organization_id,
            timezone=project.timezone,
            weekStart=project.week_start,
            currency=project.currency,
        )
        for project in await services.access.projects(credentials)
    ]
