"""Steps of a rule as people write them: ``sign_up or sign_in where country is CH and properties.plan is_not free``."""

import shlex
from itertools import groupby
from typing import Any

from schemas.control import RuleRecord
from schemas.rules import RuleStep
from weir.errors import WeirError

ANY = "*"


def parse_step(text: str) -> dict[str, Any]:
    """The fields of a `schemas.rules.RuleStep`, not checked yet: names joined by ``or`` (``*`` for any event), then
    ``where`` and conditions joined by ``and``. What holds a blank stands in quotes.

    :raises WeirError: it can't be read.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise WeirError(f"The step {text!r} cannot be read: {error}.") from error
    at = words.index("where") if "where" in words else len(words)
    names = _parts(words[:at], "or")
    if not names or any(len(name) != 1 for name in names) or (ANY,) in map(tuple, names[1:]):
        raise WeirError(f"The step {text!r} cannot be read: say EVENT or EVENT where NAME OPERATOR VALUE and ….")
    conditions = [_condition(words_, text) for words_ in _parts(words[at + 1 :], "and")]
    if at < len(words) and not conditions:
        raise WeirError(f"The step {text!r} cannot be read: a condition has to follow where.")
    events = [] if names == [[ANY]] else [name for (name,) in names]
    return {"events": events, "conditions": conditions}


def _parts(words: list[str], between: str) -> list[list[str]]:
    return [list(group) for is_between, group in groupby(words, lambda word: word == between) if not is_between]


def _condition(words: list[str], text: str) -> dict[str, Any]:
    if len(words) < 2:
        raise WeirError(f"The step {text!r} cannot be read: a condition is NAME OPERATOR VALUE, as in country is CH.")
    name, operator, *values = words
    # As texts: one that spells a number or a truth value is compared with those too.
    return {"name": name, "operator": operator, "values": values}


def step_text(step: RuleStep) -> str:
    """The step as `parse_step` reads it."""
    names = " or ".join(shlex.quote(name) for name in step.events) or ANY
    conditions = " and ".join(
        " ".join((each.name, each.operator, *(shlex.quote(_value(value)) for value in each.values)))
        for each in step.conditions
    )
    return f"{names} where {conditions}" if conditions else names


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def rule_text(record: RuleRecord) -> str:
    """All that a rule says, a line each."""
    window = f"within {record.window_minutes} minutes" if record.window_minutes else "within a session"
    lines = [
        f"rule        {record.id}: {record.name}",
        f"state       {'on' if record.enabled else 'off'}",
        *(f"step {number}      {step_text(step)}" for number, step in enumerate(record.steps, 1)),
        *([f"window      {window}"] if len(record.steps) > 1 else []),
        f"told        {'every time' if record.once_per == 'every' else f'once per {record.once_per}'}",
    ]
    if record.cooldown_minutes:
        lines.append(f"silent for  {record.cooldown_minutes} minutes")
    return "\n".join(lines)
