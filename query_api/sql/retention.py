"""Retention: of those who came for the first time in a part of a period, how many came in each later part."""

from query_api.periods import Period
from query_api.sql.active_days import activity
from query_api.sql.builder import Query, Select, build


def retention(database: str, project_id: str, period: Period, *, people: bool = False) -> Query:
    """The period's parts (days, weeks or months, 63 at most) as cohorts.

    A cohort is all devices (``people``: persons, as linked today) whose first event ever lies in its part. Rows:
    ``cohort`` and ``part``, counted from 0 in the order of ``period.buckets()``, and ``visitors``: how many of the
    cohort have an event in that part. Where part and cohort are the same, that is the size of the cohort. Parts in
    which nobody of a cohort came have no row. Exact; bots and what Weir makes up itself are left out.

    :raises InvalidRequestError: too many parts, or parts shorter than a day.
    """
    found = activity(period, people=people)
    # Many have the same bits: they are put together before anything is taken apart.
    patterns = Select(
        {"pattern": "active", "number": "count()"},
        found.select,
        where=("bitAnd(active, 1) = 0", "active != 0"),
        group_by="pattern",
    )
    parts = Select(
        {
            "first": "bitPositionsToArray(pattern)[1]",
            "later": "arrayJoin(bitPositionsToArray(pattern))",
            "number": "number",
        },
        patterns,
    )
    select = Select(
        {"cohort": "toUInt32(first - 1)", "part": "toUInt32(later - 1)", "visitors": "sum(number)"},
        parts,
        group_by="cohort, part",
        order_by="cohort, part",
    )
    return build(database, project_id, select, **found.parameters)
