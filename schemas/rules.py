"""A project's rules: which events, or which events one after the other, are worth telling somebody."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.conditions import MAX_CONDITIONS, Condition

MAX_RULES = 100
"""Of one project."""
MAX_STEPS = 10
MAX_NAMES = 50
"""Event names of one step."""
MAX_WINDOW_MINUTES = 24 * 60
MAX_COOLDOWN_MINUTES = 48 * 60
"""Devices that were silent for so long are forgotten."""


class OncePer(StrEnum):
    """How often a rule tells of the same."""

    EVERY = "every"
    """Each time it matches."""
    SESSION = "session"
    """Once in a session."""
    PROFILE = "profile"
    """Once for a profile; for a visitor nobody knows, once for the device."""


class RuleStep(BaseModel):
    """One event: its name is one of ``events`` (any, if there is none), and all ``conditions`` hold."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    events: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], Field(max_length=MAX_NAMES)] = ()
    conditions: Annotated[tuple[Condition, ...], Field(max_length=MAX_CONDITIONS)] = ()


class Rule(BaseModel):
    """What a rule says. One step: each event that matches. Several: a funnel, one device doing them in this order
    within ``window_minutes`` of event time, or within one session (0).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    enabled: bool = True
    steps: Annotated[tuple[RuleStep, ...], Field(min_length=1, max_length=MAX_STEPS)]
    window_minutes: Annotated[int, Field(ge=0, le=MAX_WINDOW_MINUTES)] = 0
    once_per: OncePer = OncePer.EVERY
    cooldown_minutes: Annotated[int, Field(ge=0, le=MAX_COOLDOWN_MINUTES)] = 0
    """After it told of a device, a rule is silent about it for so long (of event time)."""
