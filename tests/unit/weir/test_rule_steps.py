"""Steps of rules as people write them."""

import pytest

from schemas.control import RuleRecord
from schemas.rules import RuleStep
from weir.errors import WeirError
from weir.rule_steps import parse_step, rule_text, step_text

STEPS = (
    "sign_up",
    "*",
    "sign_up or 'sign in'",
    "* where country is CH DE and properties.plan is_not free",
    "revenue where revenue gte 10000 and utm_source is_not_null",
    "screen_view where path regex '^/docs/[a-z ]+$'",
)


@pytest.mark.parametrize("text", STEPS)
def test_there_and_back(text: str) -> None:
    step = RuleStep.model_validate(parse_step(text))
    assert step_text(step) == text


def test_what_a_step_means() -> None:
    assert parse_step("a or 'b c' where properties.plan is 'very large' and country is_null") == {
        "events": ["a", "b c"],
        "conditions": [
            {"name": "properties.plan", "operator": "is", "values": ["very large"]},
            {"name": "country", "operator": "is_null", "values": []},
        ],
    }


@pytest.mark.parametrize("text", ["", "a b", "a where", "a where x", "where x is y", "'a", "a or * where x is y"])
def test_what_cannot_be_read_is_told(text: str) -> None:
    with pytest.raises(WeirError, match="cannot be read"):
        parse_step(text)


def test_a_rule_in_words() -> None:
    record = RuleRecord.model_validate(
        {
            "id": "r",
            "project_id": "shop",
            "name": "Bought",
            "steps": [parse_step("view"), parse_step("pay")],
            "window_minutes": 30,
            "cooldown_minutes": 5,
            "once_per": "session",
        }
    )
    text = rule_text(record)
    assert all(words in text for words in ("r: Bought", "step 2", "within 30 minutes", "once per session", "5 minutes"))
