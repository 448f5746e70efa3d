"""Stored events as a rule saw them, those alone that could be a step of it."""

from collections.abc import Iterable

from query_api.sql.builder import Query, Select, build
from query_api.sql.conditions import Conditions
from query_api.sql.tables import Table
from query_api.sql.time import milliseconds, within
from schemas.conditions import COLUMNS
from schemas.rules import RuleStep

_EVENTS = Table("events", ("bot = ''",))
"""Rules see what we made up, too: `session_start` and `session_end`."""

_COORDINATES = ("raw_epoch", "raw_partition", "raw_offset", "raw_line")
PREFIX = "event_"
"""Of the names of the columns: an alias that is a column's own name would take its place in the conditions."""


def rule_events(
    database: str, project_id: str, steps: Iterable[RuleStep], start: float, end: float, limit: int
) -> Query:
    """Events between two times (seconds), oldest first, ``limit`` at most. Columns as in ``schemas.event.Event``
    (those that a rule may look at), after `PREFIX`; the properties as nested JSON text.
    """
    asked = Conditions()
    either = " or ".join(f"({_step(step, asked)})" for step in steps)
    columns = {name: f"`{name}`" for name in sorted(COLUMNS)}
    columns |= {"event_id": "toString(event_id)", "created_at": "toString(created_at)", "bot": "bot"}
    columns |= {"properties": "toJSONString(properties)"} | {name: name for name in _COORDINATES}
    select = Select(
        columns={PREFIX + name: expression for name, expression in columns.items()},
        source=_EVENTS,
        where=(within("created_at"), either),
        order_by="created_at, raw_epoch, raw_partition, raw_offset, raw_line, synthesized desc",
        limit="{limit:UInt32}",
    )
    bounds = {"start": milliseconds(start), "end": milliseconds(end)}
    return build(database, project_id, select, **bounds, **asked.parameters, limit=limit)


def _step(step: RuleStep, asked: Conditions) -> str:
    names = [asked.name_in(step.events)] if step.events else []
    return " and ".join([*names, *asked.every(step.conditions)]) or "true"
