"""A project's rules: what it wants to be told of."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from control.errors import ConflictError, InvalidChangeError, InvalidIdError, NotFoundError
from control.models import Rule
from control.projects import get_project
from control.records import rule_record
from schemas.conditions import NUMBER_COLUMNS, ORDERING, Operator, number_of, positive_of
from schemas.control import RuleRecord
from schemas.rules import MAX_RULES

_RULE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def list_rules(session: Session, project_id: str) -> list[RuleRecord]:
    """The rules, by id.

    :raises NotFoundError: no such project.
    """
    get_project(session, project_id)
    rows = session.scalars(select(Rule).where(Rule.project_id == project_id).order_by(Rule.id))
    return [rule_record(row) for row in rows]


def get_rule(session: Session, project_id: str, rule_id: str) -> RuleRecord:
    """The rule.

    :raises NotFoundError: no such project, or it has no such rule.
    """
    return rule_record(_row(session, project_id, rule_id))


def add_rule(session: Session, project_id: str, rule_id: str, said: Mapping[str, Any]) -> RuleRecord:
    """Add a rule of the fields of `schemas.rules.Rule`; the caller commits.

    :raises NotFoundError: no such project.
    :raises InvalidIdError: the id is not 1 to 64 letters (A to Z), digits, ``_`` and ``-``.
    :raises InvalidChangeError: it can be no rule, or there are too many.
    :raises ConflictError: the project has a rule of that id.
    """
    get_project(session, project_id)
    if not _RULE_ID.fullmatch(rule_id):
        message = f"The rule id {rule_id[:80]!r} is not possible: 1 to 64 letters (A to Z), digits, _ and -."
        raise InvalidIdError(message)
    if session.get(Rule, (project_id, rule_id)) is not None:
        raise ConflictError(f"The project {project_id} has a rule {rule_id} already.")
    count = session.scalar(select(func.count()).select_from(Rule).where(Rule.project_id == project_id)) or 0
    if count >= MAX_RULES:
        raise InvalidChangeError(f"A project has at most {MAX_RULES} rules.")
    record = _checked({**said, "id": rule_id, "project_id": project_id})
    columns = record.model_dump(mode="json", exclude={"version", "record"})
    session.add(Rule(**columns))
    session.flush()
    return record


def switch_rule(session: Session, project_id: str, rule_id: str, *, enabled: bool) -> RuleRecord:
    """Switch a rule on or off; the caller commits.

    :raises NotFoundError: no such project, or it has no such rule.
    """
    row = _row(session, project_id, rule_id)
    row.enabled = enabled
    session.flush()
    return rule_record(row)


def remove_rule(session: Session, project_id: str, rule_id: str) -> None:
    """Remove a rule, and what it remembers of devices; the caller commits.

    :raises NotFoundError: no such project, or it has no such rule.
    """
    session.delete(_row(session, project_id, rule_id))
    session.flush()


def _row(session: Session, project_id: str, rule_id: str) -> Rule:
    get_project(session, project_id)
    row = session.get(Rule, (project_id, rule_id))
    if row is None:
        raise NotFoundError(f"The project {project_id} has no rule {rule_id}.")
    return row


def _checked(said: Mapping[str, Any]) -> RuleRecord:
    try:
        record = RuleRecord.model_validate(dict(said))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise InvalidChangeError(f"It can't be a rule: {field}: {reason}.") from error
    _check_possible(record)
    return record


def _check_possible(record: RuleRecord) -> None:
    """Refuse what is well-formed and can't be meant. Not a part of the model: what was published before stays valid."""
    if record.window_minutes and len(record.steps) == 1:
        raise InvalidChangeError("It can't be a rule: a window is from step to step, and there is one step only.")
    for number, step in enumerate(record.steps, 1):
        for condition in step.conditions:
            compares = positive_of(condition.operator)[0] in {*ORDERING, Operator.IS}
            if condition.name not in NUMBER_COLUMNS or not compares:
                continue
            for value in condition.values:
                if isinstance(value, bool) or (isinstance(value, str) and number_of(value) is None):
                    raise InvalidChangeError(
                        f"It can't be a rule: step {number}: {condition.name} is a number, and {value} is none."
                    )
