"""The overview from folded days and half hours together."""

from query_api.periods import Period
from query_api.sql.builder import Query, Select, UnionAll, build
from query_api.sql.daily import COUNTED, FOLDED, MERGED, UNFOLDED, UNITED, FoldedDays, numbers_of
from query_api.sql.overview import OVER_SESSIONS, column_parameters
from query_api.sql.tables import FOLDED_VALUES, SESSION_SUMS, VISITORS
from query_api.sql.time import SETS, compared_columns

_SUMS = ("screen_views", *OVER_SESSIONS)
_NOBODY = {"numbered": "groupBitmapStateIf(toUInt32(0), 0)", "unnumbered": "toUInt64(0)"}

_FOLDED = Select(
    {**compared_columns("started"), **MERGED, **{name: f"toInt64(sum({name}))" for name in _SUMS}},
    FOLDED_VALUES,
    where=("dimension = ''", FOLDED),
    group_by=SETS,
)
_SEEN = Select(
    {
        **compared_columns("half_hour"),
        **COUNTED,
        "screen_views": "toInt64(sum(screen_views))",
        **dict.fromkeys(OVER_SESSIONS, "toInt64(0)"),
    },
    VISITORS,
    joins=(numbers_of(VISITORS),),
    where=(UNFOLDED,),
    group_by=SETS,
)
_BEGAN = Select(
    {
        **compared_columns("half_hour"),
        **_NOBODY,
        "screen_views": "toInt64(0)",
        **{name: f"toInt64(sum({name}))" for name in OVER_SESSIONS},
    },
    SESSION_SUMS,
    where=(UNFOLDED,),
    group_by=SETS,
)


def overview(database: str, project_id: str, period: Period, found: FoldedDays) -> Query:
    """Rows as both of `sql.overview` have them, with all their columns."""
    select = Select(
        {
            "current": "current",
            "bucket": "bucket",
            "visitors": UNITED,
            **{name: f"sum({name})" for name in _SUMS},
        },
        UnionAll((_FOLDED, _SEEN, _BEGAN) if found.rest else (_FOLDED,)),
        group_by="current, bucket",
    )
    return build(database, project_id, select, **column_parameters(period), **found.parameters)
