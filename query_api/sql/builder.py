"""A SELECT as a value. Rendering it is the one place where the condition on the project is added.

Columns, conditions and orders are SQL expressions written in this package; every value in them is a bound
parameter, ``{name:Type}``. No text from a request ever becomes part of an expression.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from query_api.sql.tables import Table

PROJECT = "project_id"


@dataclass(frozen=True, slots=True)
class Select:
    """One SELECT. ``columns``: alias to expression."""

    columns: Mapping[str, str]
    source: "Table | Select | UnionAll"
    joins: "tuple[Join, ...]" = ()
    where: "tuple[str | In, ...]" = ()
    group_by: str = ""
    having: str = ""
    order_by: str = ""
    limit: str = ""
    """What follows LIMIT: ``{limit:UInt32} offset {offset:UInt64}``."""


@dataclass(frozen=True, slots=True)
class UnionAll:
    """The rows of all these, which have the same columns."""

    selects: "tuple[Select, ...]"


@dataclass(frozen=True, slots=True)
class Join:
    """A left join. Its columns have names of their own; a text is empty where nothing was found."""

    select: Select
    alias: str
    on: str


@dataclass(frozen=True, slots=True)
class In:
    """The condition that ``expression`` is one of what ``select`` gives, or is none of it."""

    expression: str
    select: Select
    negated: bool = False
    unless: str = ""
    """Another condition that is enough by itself."""
    only_if: str = ""
    """A condition that must hold too."""


@dataclass(frozen=True, slots=True)
class Query:
    """A rendered query with its parameters."""

    sql: str
    parameters: dict[str, Any] = field(default_factory=dict)


def build(database: str, project_id: str, select: Select, **parameters: Any) -> Query:
    """Render ``select`` for one project: every table in it, however deep, is read with that project's rows alone."""
    return Query(_render(database, select), {PROJECT: project_id, **parameters})


def _render(database: str, select: Select) -> str:
    columns = ", ".join(f"{expression} as {quoted(alias)}" for alias, expression in select.columns.items())
    conditions = [_condition(database, condition) for condition in select.where]
    if isinstance(select.source, Table):
        source, own = _read(database, select.source)
        conditions = [*own, *conditions]
    else:
        selects = select.source.selects if isinstance(select.source, UnionAll) else (select.source,)
        inside = " union all ".join(_render(database, each) for each in selects)
        source = f"({inside}){' as source' if select.joins else ''}"
    parts = [f"select {columns} from {source}"]
    parts += [
        f"left join ({_render(database, join.select)}) as {quoted(join.alias)} on {join.on}" for join in select.joins
    ]
    if conditions:
        parts.append("where " + " and ".join(f"({condition})" for condition in conditions))
    for keyword, clause in (
        ("group by", select.group_by),
        ("having", select.having),
        ("order by", select.order_by),
        ("limit", select.limit),
    ):
        if clause:
            parts.append(f"{keyword} {clause}")
    return " ".join(parts)


def _read(database: str, table: Table) -> tuple[str, list[str]]:
    """A table in FROM, and the conditions under which it is read."""
    if table.projection:
        # As texts: a name would be taken for the alias of a column, if there is one.
        parts = ", ".join(map(_text, (database, table.name, table.projection)))
        return f"mergeTreeProjection({parts})", [f"{PROJECT} = {{{PROJECT}:String}}", *table.conditions]
    name = f"{quoted(database)}.{quoted(table.name)}"
    if table.asks_project:
        return f"{name}(project = {{{PROJECT}:String}})", [*table.conditions]
    return f"{name}{' final' if table.final else ''}", [f"{PROJECT} = {{{PROJECT}:String}}", *table.conditions]


def _condition(database: str, condition: str | In) -> str:
    if isinstance(condition, str):
        return condition
    sign = "not in" if condition.negated else "in"
    inside = f"{condition.expression} {sign} ({_render(database, condition.select)})"
    if condition.only_if:
        inside = f"({condition.only_if} and {inside})"
    return f"{condition.unless} or {inside}" if condition.unless else inside


def quoted(identifier: str) -> str:
    """``identifier`` quoted; the only way a name gets into a query."""
    escaped = identifier.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _text(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
