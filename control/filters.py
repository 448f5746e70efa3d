"""A project's filters: what of it is never stored."""

from sqlalchemy.orm import Session

from control.errors import ConflictError, InvalidChangeError, NotFoundError
from control.projects import get_project
from schemas.filters import MAX_FILTERS, FilterRecord, check_filter


def list_filters(session: Session, project_id: str) -> list[FilterRecord]:
    """The filters, in the order in which they were added.

    :raises NotFoundError: no such project.
    """
    return [FilterRecord.model_validate(each) for each in get_project(session, project_id).filters]


def add_filter(session: Session, project_id: str, kind: str, value: str) -> FilterRecord:
    """Add a filter; the caller commits. Returns it in its canonical form.

    :raises NotFoundError: no such project.
    :raises InvalidChangeError: it can be no filter, or there are too many.
    :raises ConflictError: the project has it already.
    """
    project = get_project(session, project_id)
    added = _checked(kind, value)
    if added.model_dump() in project.filters:
        raise ConflictError(f"The project {project_id} has the filter {added.kind} {added.value} already.")
    if len(project.filters) >= MAX_FILTERS:
        raise InvalidChangeError(f"A project has at most {MAX_FILTERS} filters.")
    # A new list: a change within one is not noticed.
    project.filters = [*project.filters, added.model_dump()]
    session.flush()
    return added


def remove_filter(session: Session, project_id: str, kind: str, value: str) -> FilterRecord:
    """Remove a filter; the caller commits.

    :raises NotFoundError: no such project, or it has no such filter.
    :raises InvalidChangeError: it can be no filter.
    """
    project = get_project(session, project_id)
    removed = _checked(kind, value)
    if removed.model_dump() not in project.filters:
        raise NotFoundError(f"The project {project_id} has no filter {removed.kind} {removed.value}.")
    project.filters = [each for each in project.filters if each != removed.model_dump()]
    session.flush()
    return removed


def _checked(kind: str, value: str) -> FilterRecord:
    try:
        return check_filter(kind, value)
    except ValueError as error:
        raise InvalidChangeError(str(error)) from error
