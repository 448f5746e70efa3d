"""What can be a rule of a project, and what is told to workers of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from control.database import migrate, open_database
from control.errors import ConflictError, InvalidChangeError, InvalidIdError, NotFoundError
from control.projects import create_organization, create_project, delete_project
from control.publish import records
from control.rules import add_rule, get_rule, list_rules, remove_rule, switch_rule
from schemas.control import RuleRecord, control_key
from schemas.rules import MAX_RULES

SAID: dict[str, Any] = {"name": "Sign-up", "steps": [{"events": ["sign_up"]}]}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    engine = open_database(f"sqlite:///{tmp_path}/control.db")
    migrate(engine)
    with Session(engine) as opened:
        create_organization(opened, "acme", "Acme")
        for project in ("shop", "blog"):
            create_project(opened, "acme", project, project)
        opened.commit()
        yield opened
    engine.dispose()


def published(session: Session) -> dict[str, RuleRecord]:
    session.commit()
    return {control_key(record): record for record in records(session) if isinstance(record, RuleRecord)}


def test_rules_come_change_and_go_with_their_project(session: Session) -> None:
    condition = {
        "name": "properties.seats",
        "operator": "gte",
        "values": [
            10,
        ],
    }
    steps = [{"events": ["view"]}, {"events": ["pay", "order"], "conditions": [condition]}]
    added = add_rule(session, "shop", "large", {"name": "Large", "steps": steps, "window_minutes": 30})
    add_rule(session, "blog", "large", SAID)
    assert get_rule(session, "shop", "large") == added
    assert published(session)["rule/shop/large"] == added
    assert not switch_rule(session, "shop", "large", enabled=False).enabled
    assert not published(session)["rule/shop/large"].enabled
    with pytest.raises(ConflictError):
        add_rule(session, "shop", "large", SAID)
    remove_rule(session, "shop", "large")
    assert list_rules(session, "shop") == []
    delete_project(session, "blog")
    assert published(session) == {}


def _number(name: str, operator: str, *values: object) -> dict[str, Any]:
    return {"conditions": [{"name": name, "operator": operator, "values": list(values)}]}


def test_numbers_are_compared_with_numbers_and_their_texts(session: Session) -> None:
    for number, (operator, value) in enumerate((("gt", "5"), ("is", -1.5), ("contains", "x"), ("lte", "0.5"))):
        add_rule(session, "shop", f"r{number}", {**SAID, "steps": [_number("revenue", operator, value)]})
    assert len(list_rules(session, "shop")) == 4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": []}, "steps"),
        ({"steps": [{}] * 11}, "steps"),
        ({"steps": [{"conditions": [{"name": "path", "operator": "regex", "values": ["("]}]}]}, "regular expression"),
        ({"steps": [{"conditions": [{"name": "colour", "operator": "is", "values": ["x"]}]}]}, "There is no colour"),
        ({"window_minutes": 24 * 60 + 1}, "window_minutes"),
        ({"steps": [{}], "window_minutes": 5}, "there is one step only"),
        ({"steps": [_number("revenue", "gt", "abc")]}, "step 1: revenue is a number, and abc is none"),
        ({"steps": [{}, _number("duration_ms", "is_not", "5", "042")]}, "step 2: duration_ms is a number, and 042"),
        ({"steps": [_number("revenue", "is", True)]}, "and True is none"),
        ({"once_per": "day"}, "once_per"),
        ({"cooldown_minutes": -1}, "cooldown_minutes"),
        ({"name": ""}, "name"),
    ],
)
def test_what_can_be_no_rule_is_told(session: Session, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidChangeError, match=sentence):
        add_rule(session, "shop", "r", {**SAID, **change})
    assert list_rules(session, "shop") == []


def test_what_is_not_there_is_told_and_rules_are_bounded(session: Session) -> None:
    with pytest.raises(NotFoundError):
        add_rule(session, "gone", "r", SAID)
    with pytest.raises(NotFoundError):
        remove_rule(session, "shop", "r")
    with pytest.raises(InvalidIdError):
        add_rule(session, "shop", "a/b", SAID)
    for number in range(MAX_RULES):
        add_rule(session, "shop", f"r{number}", SAID)
    with pytest.raises(InvalidChangeError, match="at most"):
        add_rule(session, "shop", "more", SAID)
