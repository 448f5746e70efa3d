"""Times in SQL: periods as bound milliseconds, parts of a period as bound starts.

The database computes no calendar: where days, weeks and months begin in a project's time zone is settled in
`query_api.periods` alone, and the store only finds the part that a time falls into.
"""

from typing import Any

from query_api.periods import Period
from schemas.calendar import is_of_half_hours


def within(column: str) -> str:
    """The condition that a time lies in the period bound by `bounds`."""
    return (
        f"{column} >= fromUnixTimestamp64Milli({{start:Int64}}, 'UTC') "
        f"and {column} < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC')"
    )


def bounds(period: Period) -> dict[str, Any]:
    """The parameters of `within`."""
    return {"start": milliseconds(period.start.timestamp()), "end": milliseconds(period.end.timestamp())}


def bucket(column: str) -> str:
    """The start (seconds since the epoch) of the part a time falls into; parts are the parameter ``buckets``,
    ascending, none after the column's smallest value.
    """
    return f"roundDown(toUnixTimestamp({column}), {{buckets:Array(UInt32)}})"


SETS = "grouping sets ((current, bucket), (current))"
"""One scan gives the parts of both periods and, with bucket 0, the whole of each: visitors do not add up."""


def compared_columns(time: str) -> dict[str, str]:
    """Into which of the two periods and which part of it a time falls; see `overview.compared_parameters`."""
    return {
        "current": f"{time} >= fromUnixTimestamp64Milli({{current_start:Int64}}, 'UTC')",
        "bucket": bucket(time),
    }


def consists_of_half_hours(period: Period, *, parts: bool = False) -> bool:
    """Whether rollups can tell of the period (with ``parts``, of each of its parts and of the period before): it begins
    and ends with a half hour of UTC, as days do in all but very few time zones.
    """
    if not parts:
        moments = [period.start, period.end]
    else:
        previous = period.previous()
        moments = [*period.buckets(), *previous.buckets(), period.end]
    return is_of_half_hours(*moments)


def milliseconds(seconds: float) -> int:
    """Milliseconds of a time in seconds."""
    return round(seconds * 1000)
