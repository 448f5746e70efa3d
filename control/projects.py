"""Organisations and their projects."""

import re
from collections.abc import Mapping, Sequence
from zoneinfo import available_timezones

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from control.errors import ConflictError, InvalidChangeError, InvalidIdError, NotFoundError
from control.models import Client, Organization, Project, Rule
from control.records import project_record
from control.site_names import claim_names
from schemas.control import MAX_RETENTION_DAYS
from schemas.money import currency_code
from schemas.origins import is_origin_entry

_PROJECT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def create_organization(session: Session, organization_id: str, name: str) -> Organization:
    """Add an organisation; the caller commits.

    :raises ConflictError: the id is taken.
    """
    if session.get(Organization, organization_id) is not None:
        raise ConflictError(f"The organisation {organization_id} exists already.")
    organization = Organization(id=organization_id, name=name)
    session.add(organization)
    session.flush()
    return organization


def create_project(
    session: Session, organization_id: str, project_id: str, name: str, *, origins: Sequence[str] = ()
) -> Project:
    """Add a project to an organisation; the caller commits.

    :param origins: what `schemas.control.ProjectRecord.origins` says.
    :raises InvalidIdError: the id is not 1 to 64 letters (A to Z), digits, ``_`` and ``-``.
    :raises NotFoundError: no such organisation.
    :raises ConflictError: the id is taken, or the origins name another organisation's site.
    """
    # Ids stand in keys, file names and addresses; an event's project_id has no room for longer ones.
    if not _PROJECT_ID.fullmatch(project_id):
        message = f"The project id {project_id[:80]!r} is not possible: 1 to 64 letters (A to Z), digits, _ and -."
        raise InvalidIdError(message)
    if session.get(Organization, organization_id) is None:
        raise NotFoundError(f"There is no organisation {organization_id}.")
    if session.get(Project, project_id) is not None:
        raise ConflictError(f"The project {project_id} exists already.")
    project = Project(id=project_id, organization_id=organization_id, name=name, origins=list(origins))
    session.add(project)
    claim_names(session, project)
    return project


def list_projects(session: Session) -> Sequence[Project]:
    """All projects, by id."""
    return session.scalars(select(Project).order_by(Project.id)).all()


def get_project(session: Session, project_id: str) -> Project:
    """The project.

    :raises NotFoundError: there is none.
    """
    project = session.get(Project, project_id)
    if project is None:
        raise NotFoundError(f"There is no project {project_id}.")
    return project


def change_project(session: Session, project_id: str, changes: Mapping[str, object]) -> Project:
    """Change columns of a project, by their names; the caller commits.

    :raises NotFoundError: no such project.
    :raises InvalidChangeError: a value that is not possible; a sentence naming it.
    :raises ConflictError: an origin names another organisation's site; nothing may be committed.
    """
    project = get_project(session, project_id)
    timezone, currency = changes.get("timezone"), changes.get("currency")
    if isinstance(timezone, str) and timezone not in available_timezones():
        raise InvalidChangeError(f"{timezone} is no time zone: say, for example, Europe/Zurich.")
    if isinstance(currency, str) and currency_code(currency) != currency:
        raise InvalidChangeError(f"{currency} is no currency: say a code of ISO 4217, like EUR.")
    origins = changes.get("origins")
    for origin in origins if isinstance(origins, list) else ():
        if not is_origin_entry(origin):
            raise InvalidChangeError(
                f"{origin!r} is no origin: say https://shop.example, *.shop.example, http://localhost:* or * for any."
            )
    for name, value in changes.items():
        setattr(project, name, value)
    try:
        project_record(project)
    except ValidationError as error:
        session.expire(project)
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        if field == "retention_days":
            raise InvalidChangeError(
                f"retention_days cannot be that: events are kept from 1 to {MAX_RETENTION_DAYS} days."
            ) from error
        raise InvalidChangeError(f"{field} cannot be that: {first['msg']}.") from error
    if "origins" in changes:
        claim_names(session, project)
    session.flush()
    return project


def find_project(session: Session, project_id: str) -> Project | None:
    """The project, or None."""
    return session.get(Project, project_id)


def delete_project(session: Session, project_id: str) -> None:
    """Remove a project, its clients and its rules; the caller commits. Its events stay in the store.

    :raises NotFoundError: no such project.
    """
    project = get_project(session, project_id)
    for client in session.scalars(select(Client).where(Client.project_id == project_id)):
        session.delete(client)
    for rule in session.scalars(select(Rule).where(Rule.project_id == project_id)):
        session.delete(rule)
    project.origins = []
    claim_names(session, project)
    session.delete(project)
    session.flush()
