"""Lifecycle: who is new, who stayed, who came back and who stayed away, part by part of a period."""

from query_api.periods import Period
from query_api.sql.active_days import activity
from query_api.sql.builder import Query, Select, build


def lifecycle(database: str, project_id: str, period: Period, *, people: bool = False) -> Query:
    """One row per part of the period (days, weeks or months, 62 at most): ``part``, counted from 0 in the order of
    ``period.buckets()``, and how many devices (``people``: persons, as linked today) are

    - ``fresh``: active in the part and never before,
    - ``returning``: active in it and in the part before,
    - ``resurrecting``: active in it, not in the part before, but earlier,
    - ``dormant``: active in the part before and not in it.

    The first three add up to all that are active in the part. What comes before the first part is
    the last part of the period before. Exact; bots and what Weir makes up itself are left out.

    :raises InvalidRequestError: too many parts, or parts shorter than a day.
    """
    parts = len(period.buckets())
    found = activity(period, people=people, before=period.previous().buckets()[-1:])
    # Bit 1 is the part before the period, so part n is bit n + 2; what is below it lies before it.
    is_now = "bitTest(active, {0} + 2)"
    was = "bitTest(active, {0} + 1)"
    ever = "bitAnd(active, bitShiftLeft(toUInt64(1), {0} + 2) - 1) != 0"
    counts = {
        "fresh": f"countIf({is_now} and not ({ever}))",
        "returning": f"countIf({is_now} and {was})",
        "resurrecting": f"countIf({is_now} and not {was} and ({ever}))",
        "dormant": f"countIf(not {is_now} and {was})",
    }
    columns = {
        name: f"[{', '.join(expression.format(part) for part in range(parts))}]" for name, expression in counts.items()
    }
    arrays = Select({f"all_{name}": expression for name, expression in columns.items()}, found.select)
    rows = Select(
        {
            "part": "arrayJoin(range(toUInt32({parts:UInt32})))",
            **{name: f"all_{name}[part + 1]" for name in counts},
        },
        arrays,
        order_by="part",
    )
    return build(database, project_id, rows, **found.parameters, parts=parts)
