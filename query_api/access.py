"""Who may read what: clients and projects from the control database.

A project that does not exist and one that belongs to somebody else are answered alike.
"""

import asyncio
import logging
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Engine, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from control.clients import authenticate
from control.models import Client, Organization, Project
from query_api.errors import NotFoundError, UnauthorizedError, UnavailableError
from schemas.control import ClientType

log = logging.getLogger(__name__)

_MAX_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows: the id and the secret of a client."""

    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class ReadableProject:
    """A project that the one asking may read."""

    id: str
    name: str
    organization_id: str
    timezone: str
    week_start: int
    currency: str

    @property
    def zone(self) -> ZoneInfo:
        """The project's time zone; UTC if this machine does not know it."""
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            log.warning("project %s has an unknown time zone: %s", self.id, self.timezone)
            return ZoneInfo("UTC")


class Access:
    """Reads the control database anew for each request, so that a revoked client is out at once. All methods raise
    UnauthorizedError for credentials that may not read anything, and UnavailableError while the database is away.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def project(self, credentials: Credentials, project_id: str) -> ReadableProject:
        """The project, if the client may read it.

        :raises NotFoundError: there is none, or it is another's.
        """
        for project in await self.projects(credentials):
            if project.id == project_id:
                return project
        raise NotFoundError("Project not found")

    async def projects(self, credentials: Credentials) -> list[ReadableProject]:
        """All projects the client may read, by name."""
        try:
            return await asyncio.to_thread(self._projects, credentials)
        except SQLAlchemyError as error:
            log.warning("the control database does not answer: %s", error)
            raise UnavailableError("The control database does not answer at the moment.") from error

    async def sees_all(self, credentials: Credentials) -> bool:
        """Whether whatever is stored belongs to the one asking: a root client of the only organisation there is."""
        try:
            return await asyncio.to_thread(self._sees_all, credentials)
        except SQLAlchemyError as error:
            log.warning("the control database does not answer: %s", error)
            raise UnavailableError("The control database does not answer at the moment.") from error

    async def ping(self) -> None:
        """Raises UnavailableError unless the database answers."""
        try:
            await asyncio.to_thread(self._ping)
        except SQLAlchemyError as error:
            raise UnavailableError("The control database does not answer at the moment.") from error

    def _projects(self, credentials: Credentials) -> list[ReadableProject]:
        with Session(self._engine) as session:
            client = _reader(session, credentials)
            mine = select(Project).where(Project.organization_id == client.organization_id)
            if client.type != ClientType.ROOT:
                mine = mine.where(Project.id == client.project_id)
            return [_readable(project) for project in session.scalars(mine.order_by(Project.name, Project.id))]

    def _sees_all(self, credentials: Credentials) -> bool:
        with Session(self._engine) as session:
            client = _reader(session, credentials)
            organizations = session.scalars(select(Organization.id).limit(2)).all()
            return client.type == ClientType.ROOT and list(organizations) == [client.organization_id]

    def _ping(self) -> None:
        with self._engine.connect() as connection:
            connection.execute(text("select 1"))


def _reader(session: Session, credentials: Credentials) -> Client:
    if not credentials.client_id or not credentials.client_secret:
        raise UnauthorizedError("The headers openpanel-client-id and openpanel-client-secret are required")
    if len(credentials.client_id) > _MAX_LENGTH or len(credentials.client_secret) > _MAX_LENGTH:
        raise UnauthorizedError("Invalid client id or secret")
    client = authenticate(session, credentials.client_id, credentials.client_secret)
    if client is None:
        raise UnauthorizedError("Invalid client id or secret")
    if client.type not in (ClientType.READ, ClientType.ROOT):
        raise UnauthorizedError("Client is not allowed to read")
    return client


def _readable(project: Project) -> ReadableProject:
    return ReadableProject(
        id=project.id,
        name=project.name,
        organization_id=project.organization_id,
        timezone=project.timezone,
        week_start=project.week_start,
        currency=project.currency,
    )
