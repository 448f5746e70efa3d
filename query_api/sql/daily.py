"""Days that are over, folded (docs/rollups.md): what a question reads of them, and what it reads besides.

A folded day has its visitors as bitmaps over the numbers of their devices. What is not folded is read from the rollups
of half hours, by hashes of devices: whose device has a number is united with the bitmaps by it, and whose has none is
in no folded day. So the visitors of both together are counted exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from query_api.sql.builder import In, Join, Query, Select, UnionAll, build
from query_api.sql.tables import DAILY_ROLLUPS, DEVICE_NUMBERS, EVENT_HALVES, SESSION_HALVES, Table
from schemas import day_signature
from schemas.calendar import HALF_HOUR_SECONDS


@dataclass(frozen=True, slots=True)
class FoldedDays:
    """The folded days of a stretch of time, and what is left of it."""

    start: int
    end: int
    """Seconds since the epoch, as all times here."""
    revisions: tuple[int, ...]
    """Those that stand, one for each folded day."""
    rest: tuple[tuple[int, int], ...] = ()
    """What is not folded: from (inclusive) and to (exclusive), ascending."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of `FOLDED` and, if there is a rest, of `UNFOLDED`."""
        found: dict[str, Any] = {"months": _months(self.start, self.end), "revisions": list(self.revisions)}
        if self.rest:
            found["rest_starts"], found["rest_ends"] = map(list, zip(*self.rest, strict=True))
        return found


def _months(start: int, end: int) -> list[str]:
    """The months (UTC) in which days of this stretch begin, as partitions are called."""
    first, last = (datetime.fromtimestamp(moment, UTC) for moment in (start, end - 1))
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [f"{number // 12}{number % 12 + 1:02d}" for number in numbers]


FOLDED = "_partition_id in {months:Array(String)} and revision in {revisions:Array(UInt64)}"
"""The condition on rows of daily rollups: of a folded day, and of the revision that stands, which no other day has. Its
month is told by the part that it is in, and not looked up in each row.
"""

UNFOLDED = (
    "half_hour in (select toDateTime(arrayJoin(arrayFlatten(arrayMap((since, until) -> "
    f"range(since, until, {HALF_HOUR_SECONDS}), {{rest_starts:Array(UInt32)}}, {{rest_ends:Array(UInt32)}}))), 'UTC'))"
)
"""The condition on rows of half hours: of no folded day."""

MERGED = {"numbered": "groupBitmapMergeState(visitors)", "unnumbered": "toUInt64(0)"}
"""Visitors of rows of daily rollups."""
COUNTED = {
    "numbered": "groupBitmapStateIf(number, number != 0)",
    "unnumbered": "uniqExactIf(visitor, visitor != 0 and number = 0)",
}
"""The same of rows of half hours that `numbers_of` is joined to."""
UNITED = "groupBitmapMerge(numbered) + sum(unnumbered)"
"""The number of visitors of both."""


def numbers_of(rows: Table, *conditions: str | In) -> Join:
    """Joins to each of the rows that are not folded its visitor's ``number``, 0 if it has none."""
    asked = Select({"visitor": "visitor"}, rows, where=(UNFOLDED, *conditions))
    numbers = Select(
        {"numbered_device": "device", "number": "any(device_numbers.number)"},
        DEVICE_NUMBERS,
        where=(In("device", asked),),
        group_by="numbered_device",
    )
    return Join(numbers, "numbers", "numbers.numbered_device = visitor")


def together(folded: Select, rest: Select, found: FoldedDays) -> UnionAll:
    """Both, or the folded days alone where nothing else is asked for."""
    return UnionAll((folded, rest) if found.rest else (folded,))


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows a day has, and a sum over them: of events, and of sessions."""

    events: int = 0
    events_digest: int = 0
    sessions: int = 0
    sessions_digest: int = 0


def _tallies(table: Table, half_hour: str, tallied: Mapping[str, str]) -> Select:
    return Select(
        {
            "day": f"roundDown(toUnixTimestamp({half_hour}), {{days:Array(UInt32)}})",
            "day_end": "toUInt32(0)",
            "revision": "toUInt64(0)",
            **{name: f"toInt64({tallied.get(name, '0')})" for name in Tally.__dataclass_fields__},
        },
        table,
        where=(
            f"{half_hour} >= toDateTime({{start:UInt32}}, 'UTC')",
            f"{half_hour} < toDateTime({{end:UInt32}}, 'UTC')",
        ),
        group_by="day",
    )


_FOLDED_DAYS = Select(
    {
        "day": "toUnixTimestamp(started)",
        "day_end": "toUnixTimestamp(ended)",
        "revision": "revision",
        **{name: f"toInt64({name})" for name in Tally.__dataclass_fields__},
    },
    DAILY_ROLLUPS,
    where=(
        "is_forgotten = 0",
        "started >= toDateTime({start:UInt32}, 'UTC')",
        "started < toDateTime({end:UInt32}, 'UTC')",
    ),
)
_STATES = Select(
    {name: name for name in ("day", "day_end", "revision", *Tally.__dataclass_fields__)},
    UnionAll(
        (
            _FOLDED_DAYS,
            _tallies(
                EVENT_HALVES,
                day_signature.EVENTS_STORED_HALF_HOUR,
                dict(zip(("events", "events_digest"), day_signature.EVENTS_STORED, strict=True)),
            ),
            _tallies(
                SESSION_HALVES,
                day_signature.SESSIONS_STORED_HALF_HOUR,
                dict(zip(("sessions", "sessions_digest"), day_signature.SESSIONS_STORED, strict=True)),
            ),
        )
    ),
)


def folded_days(database: str, project_id: str, midnights: Sequence[int]) -> Query:
    """The days between these midnights as they were when they were folded. Rows as of `states`, with a revision."""
    return build(database, project_id, _FOLDED_DAYS, start=midnights[0], end=midnights[-1])


def states(database: str, project_id: str, midnights: Sequence[int]) -> Query:
    """What the days between these midnights are like. Rows: ``day``, ``day_end``, ``revision`` and a tally. With a
    revision: as the day was when it was folded. Without: as its events, or its sessions, are now. Not for a cluster.
    """
    query = build(
        database,
        project_id,
        _STATES,
        start=midnights[0],
        end=midnights[-1],
        days=list(midnights[:-1]),
    )
    # Few rows, asked for beside a question: it is to leave the other cores to that.
    return replace(query, sql=f"{query.sql}\nsettings max_threads = 1")
