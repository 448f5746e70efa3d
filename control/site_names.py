"""Names of sites: each belongs to one organisation, so that none can set another's as an origin and take its events."""

from sqlalchemy import delete, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from control.errors import ConflictError
from control.models import Project, SiteName
from schemas.site_names import overlap, site_names


def claim_names(session: Session, project: Project) -> None:
    """Take the names of a project's origins for its organisation, and give back those that none of its projects has
    any more; the caller commits. The project's origins are set, and it may be about to be deleted (then they are
    empty).

    :raises ConflictError: another organisation has a host of these names; nothing may be committed.
    """
    if session.get_bind().dialect.name == "postgresql":
        # A star and a host below it are different rows: only one after the other sees whether they overlap. SQLite
        # lets only one write anyway.
        session.execute(text("lock table site_names in share row exclusive mode"))
    session.flush()
    organization_id = project.organization_id
    projects = session.scalars(select(Project).where(Project.organization_id == organization_id))
    wanted = frozenset[str]().union(*(site_names(each.origins) for each in projects))
    own = set(session.scalars(select(SiteName.name).where(SiteName.organization_id == organization_id)))
    if gone := own - wanted:
        session.execute(delete(SiteName).where(SiteName.name.in_(gone)))
    if not (new := sorted(wanted - own)):
        return
    others = session.scalars(select(SiteName.name).where(SiteName.organization_id != organization_id)).all()
    for name in new:
        if any(overlap(name, other) for other in others):
            raise _taken(name)
        try:
            session.add(SiteName(name=name, organization_id=organization_id))
            session.flush()
        except IntegrityError as error:
            raise _taken(name) from error


def _taken(name: str) -> ConflictError:
    return ConflictError(f"{name} belongs to a project of another organisation: it has to let go of the origin first.")
