"""Top lists from folded days and half hours together, in two steps: what comes first is found by sums alone, and by
whom it was seen is looked up of that only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from query_api.sql.builder import In, Query, Select, UnionAll, build, quoted
from query_api.sql.daily import COUNTED, FOLDED, MERGED, UNFOLDED, UNITED, FoldedDays, numbers_of, together
from query_api.sql.dimensions import Dimension, not_of_pairs
from query_api.sql.overview import OVER_SESSIONS
from query_api.sql.tables import EVENT_VISITORS, FOLDED_PAGES, FOLDED_VALUES, PAGE_VISITS, PAGES, VISITS, Table

MOST_PAGES = 1_500
"""Of more pages at once nobody can be looked up."""
_LONG = 8_000
"""Bytes of names that are bound as they are: a request's address has no room for many more. Others are bound as hashes,
by which the store finds them slower.
"""


@dataclass(frozen=True, slots=True)
class Values:
    """A list of values. ``rows``: where the half hours have them, in ``column``; ``sums``: over these rows, and by
    which of them the list is ordered.
    """

    dimension: str
    rows: Table
    column: str
    sums: Mapping[str, str]
    order: str
    conditions: tuple[str | In, ...] = ()
    are_few: bool = False
    """Whether sites have so few of them that bitmaps of all are read sooner than asking twice takes."""

    @property
    def name(self) -> str:
        """The value of a row of half hours."""
        return f"toString({quoted(self.column)})"

    @property
    def is_folded(self) -> tuple[str, ...]:
        """The condition on rows of folded days."""
        return (f"dimension = '{self.dimension}'", FOLDED)


EVENT_NAMES = Values("event", EVENT_VISITORS, "name", {"events": "sum(events)"}, "events", are_few=True)
_FEW = {
    *(Dimension.REFERRER_NAME, Dimension.REFERRER_TYPE, Dimension.UTM_SOURCE, Dimension.UTM_MEDIUM),
    *(Dimension.COUNTRY, Dimension.DEVICE, Dimension.BROWSER, Dimension.OS),
}


def sessions_by(dimension: Dimension) -> Values:
    """The list of sessions by one of their properties."""
    conditions = (not_of_pairs(UNFOLDED),)
    return Values(dimension.value, VISITS, dimension.value, OVER_SESSIONS, "sessions", conditions, dimension in _FEW)


def top_values(database: str, project_id: str, values: Values, found: FoldedDays, limit: int) -> Query:
    """The values that come first. Rows: ``name``, its ``hash``, and ``all_…`` of each sum; with their ``visitors`` at
    once if `Values.are_few`.
    """
    merged, counted, united = (MERGED, COUNTED, {"visitors": UNITED}) if values.are_few else ({}, {}, {})
    folded = Select(
        {"one": "value", **merged, **{each: f"toInt64(sum({each}))" for each in values.sums}},
        FOLDED_VALUES,
        where=values.is_folded,
        group_by="one",
    )
    rest = Select(
        {"one": values.name, **counted, **{each: f"toInt64({sums})" for each, sums in values.sums.items()}},
        values.rows,
        joins=(numbers_of(values.rows),) if values.are_few else (),
        where=(UNFOLDED, *values.conditions),
        group_by="one",
    )
    select = Select(
        {"name": "one", "hash": "cityHash64(one)", **united, **{f"all_{each}": f"sum({each})" for each in values.sums}},
        together(folded, rest, found),
        group_by="name, hash",
        having=f"all_{values.order} > 0",
        order_by=f"all_{values.order} desc, name",
        limit="{limit:UInt32}",
    )
    return build(database, project_id, select, **found.parameters, limit=limit)


def visitors_of_values(
    database: str, project_id: str, values: Values, found: FoldedDays, top: Sequence[Mapping[str, Any]]
) -> Query:
    """Visitors of values that came first. Rows: ``name``, ``visitors``."""
    parameters: dict[str, Any] = {"names": [row["name"] for row in top]}
    is_top = "{0} in {{names:Array(String)}}"
    if sum(len(row["name"].encode()) for row in top) > _LONG:
        parameters = {"hashes": [row["hash"] for row in top]}
        is_top = "cityHash64({0}) in {{hashes:Array(UInt64)}}"
    folded = Select(
        {"one": "value", **MERGED},
        FOLDED_VALUES,
        where=(*values.is_folded, is_top.format("value")),
        group_by="one",
    )
    rest = Select(
        {"one": values.name, **COUNTED},
        values.rows,
        joins=(numbers_of(values.rows),),
        where=(UNFOLDED, is_top.format(values.name), *values.conditions),
        group_by="one",
    )
    select = Select({"name": "one", "visitors": UNITED}, together(folded, rest, found), group_by="name")
    return build(database, project_id, select, **found.parameters, **parameters)


def top_pages(database: str, project_id: str, found: FoldedDays, limit: int) -> Query:
    """The pages that come first, and all that have as many page views as the last of them. Rows: ``page``."""
    folded, rest = (
        Select({"one": "page", "views": "sum(screen_views)"}, table, where=(condition,), group_by="one")
        for table, condition in ((FOLDED_PAGES, FOLDED), (PAGES, UNFOLDED))
    )
    select = Select(
        {"page": "one"},
        together(folded, rest, found),
        group_by="page",
        order_by="sum(views) desc",
        limit="{limit:UInt32} with ties",
    )
    return build(database, project_id, select, **found.parameters, limit=limit)


_OF_TOP = "page in {pages:Array(UInt64)}"
_TOLD = {
    "origin": "any(origin)",
    "path": "any(path)",
    "title": "argMaxMergeState(title)",
    "screen_views": "sum(screen_views)",
}
_UNTOLD = {
    "origin": "''",
    "path": "''",
    "title": "argMaxStateIf('', (toDateTime64(0, 3, 'UTC'), toUUID('00000000-0000-0000-0000-000000000000')), 0)",
    "screen_views": "toUInt64(0)",
}
_SEEN = {"sessions": "toUInt64(0)", "across": "groupUniqArrayIf(session, session != 0)"}
_UNSEEN = {
    "numbered": "groupBitmapStateIf(toUInt32(0), 0)",
    "unnumbered": "toUInt64(0)",
    "sessions": "toUInt64(0)",
    "across": "emptyArrayUInt64()",
}


def pages(database: str, project_id: str, found: FoldedDays, top: Sequence[int], limit: int) -> Query:
    """What is to be told of these pages. Rows as `sql.lists.pages` has them."""
    across = {"sessions": "sum(sessions)", "across": "groupUniqArrayArray(sessions_across)"}
    parts = [(FOLDED_PAGES, FOLDED, {**_TOLD, **MERGED, **across})]
    if found.rest:
        parts += [(PAGES, UNFOLDED, {**_TOLD, **_UNSEEN}), (PAGE_VISITS, UNFOLDED, {**_UNTOLD, **COUNTED, **_SEEN})]
    selects = (
        Select(
            # Names of their own: an alias that is a column's name would take its place in the expressions.
            {"one": "page", **{f"its_{name}": expression for name, expression in columns.items()}},
            table,
            joins=(numbers_of(PAGE_VISITS, _OF_TOP),) if table is PAGE_VISITS else (),
            where=(condition, _OF_TOP),
            group_by="one",
        )
        for table, condition, columns in parts
    )
    select = Select(
        {
            "page_origin": "max(its_origin)",
            "page_path": "max(its_path)",
            "page_title": "argMaxMerge(its_title)",
            "pageviews": "sum(its_screen_views)",
            "visitors": "groupBitmapMerge(its_numbered) + sum(its_unnumbered)",
            "page_sessions": "sum(its_sessions) + uniqExactArray(its_across)",
        },
        UnionAll(tuple(selects)),
        group_by="one",
        order_by="pageviews desc, page_origin, page_path",
        limit="{limit:UInt32}",
    )
    return build(database, project_id, select, **found.parameters, pages=list(top), limit=limit)
