"""Erasures: the list that every replay obeys, and how far each one is."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from control.models import Erasure

DONE = "done"


def list_erasures(session: Session, project_id: str = "") -> list[Erasure]:
    """All, or those of a project, the newest first."""
    chosen = select(Erasure).order_by(Erasure.begun_at.desc(), Erasure.project_id, Erasure.profile_id)
    if project_id:
        chosen = chosen.where(Erasure.project_id == project_id)
    return list(session.scalars(chosen))


def get_erasure(session: Session, project_id: str, profile_id: str) -> Erasure | None:
    """What is known of a person's erasure."""
    return session.get(Erasure, (project_id, profile_id))


def begin_erasure(
    session: Session,
    project_id: str,
    profile_id: str,
    ids: tuple[Iterable[str], Iterable[str]],
    stage: str,
    erased_at: int,
) -> Erasure:
    """Put a person on the list, or begin anew with one who was on it; the caller commits. ``ids``: of profiles and of
    devices; those listed before stay listed.
    """
    row = session.get(Erasure, (project_id, profile_id))
    if row is None:
        row = Erasure(project_id=project_id, profile_id=profile_id, profile_ids=[], device_ids=[], removed={})
        row.erased_at = 0
        session.add(row)
    row.begun_at, row.finished_at, row.progress = datetime.now(UTC), None, {}
    row.stage, row.erased_at = stage, max(row.erased_at, erased_at)
    add_ids(row, *ids)
    return row


def add_ids(row: Erasure, profile_ids: Iterable[str], device_ids: Iterable[str]) -> None:
    """List more ids of the person."""
    row.profile_ids = list(dict.fromkeys([*row.profile_ids, *profile_ids]))
    row.device_ids = list(dict.fromkeys([*row.device_ids, *device_ids]))


def note(row: Erasure, stage: str, **progress: Any) -> None:
    """Write down how far it is; the caller commits."""
    row.stage = stage
    row.progress = {**row.progress, **progress}


def finish(row: Erasure, removed: Mapping[str, int], cut: Mapping[str, Any]) -> None:
    """It is done; the caller commits. What only served to go on is forgotten, but ``cut``: where in the log it was, so
    that it can be done once more on a backup of before.
    """
    row.removed = {table: row.removed.get(table, 0) + removed.get(table, 0) for table in {**row.removed, **removed}}
    row.stage, row.progress, row.finished_at = DONE, {"cut": dict(cut)}, datetime.now(UTC)


def list_unfinished(session: Session, project_id: str = "") -> list[Erasure]:
    """Those of `list_erasures` that are under way or broke off."""
    return [row for row in list_erasures(session, project_id) if row.stage != DONE]


def find_unfinished(session: Session, project_id: str, any_id: str) -> Erasure | None:
    """An erasure under way of the person that has or had this id."""
    for row in list_unfinished(session, project_id):
        if any_id in (row.profile_id, *row.profile_ids, *row.device_ids):
            return row
    return None
