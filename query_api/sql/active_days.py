"""Who was active in which parts of a period, as bits: what retention, stickiness and lifecycle are counted from.

The store keeps, for every device and day, the half hours (UTC) in which it was active. A part (a day, a week, a month
of the project's time zone) begins at a bound moment, so no calendar is computed there; in time zones a quarter of an
hour off (Nepal, the Chatham Islands) a part begins fifteen minutes early.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from query_api.errors import InvalidRequestError
from query_api.periods import Interval, Period
from query_api.sql.builder import Join, Select
from query_api.sql.tables import PEOPLE, Table
from schemas.calendar import HALF_HOUR_SECONDS

MAX_PARTS = 63
"""Of a period and what is asked for before it: a bit each, beside that of the time before."""
_HALVES = 48

ACTIVE_DAYS = Table("active_days")
"""Ids as their hash (``cityHash64``), 0 for none: ``device`` and the ``profile`` that the event's sender named."""

# For each day from the one before the first part to the last: the bits of the parts that its first and its last half
# hour lie in (the same, or neighbours: a part is never shorter than a day), and the half hour that the second begins
# with. The engine makes these lists once a question, which takes half the time of telling each row's parts by itself.
_DAYS = "range({first_day:UInt32}, {last_day:UInt32} + 1)"
_MARK = f"roundDown(d * {_HALVES} + {{0}}, {{{{marks:Array(UInt32)}}}})"
_BIT = f"transform({_MARK}, {{{{marks:Array(UInt32)}}}}, {{{{bits:Array(UInt64)}}}}, toUInt64(0))"
_AT = "[greatest(toUInt16(day), {first_day:UInt16}) - {first_day:UInt16} + 1]"
_EARLY = f"arrayMap(d -> {_BIT.format(0)}, {_DAYS}){_AT}"
_LATE = f"arrayMap(d -> {_BIT.format(_HALVES - 1)}, {_DAYS}){_AT}"
_CUT = f"arrayMap(d -> toUInt8(greatest({_MARK.format(_HALVES - 1)} - d * {_HALVES}, 0)), {_DAYS}){_AT}"
_BITS = (
    f"if({_EARLY} = {_LATE}, {_EARLY}, bitOr("
    f"if(bitAnd(halves, bitShiftLeft(toUInt64(1), {_CUT}) - 1) != 0, {_EARLY}, toUInt64(0)), "
    f"if(bitShiftRight(halves, {_CUT}) != 0, {_LATE}, toUInt64(0))))"
)

_LINKS = (
    Join(
        Select(
            {"linked_device": "cityHash64(id)", "device_person": "cityHash64(person)"},
            PEOPLE,
            where=("kind = 'device'",),
        ),
        "linked_devices",
        "linked_devices.linked_device = device",
    ),
    Join(
        Select(
            {"other_id": "cityHash64(id)", "alias_person": "cityHash64(person)"},
            PEOPLE,
            where=("kind = 'profile'",),
        ),
        "other_ids",
        "other_ids.other_id = if(profile = 0, device, profile)",
    ),
)
# As `sql.people.PERSON`, of hashes.
_PERSON = (
    "multiIf(profile = 0 and device_person != 0, device_person, alias_person != 0, alias_person, "
    "profile != 0, profile, device)"
)


@dataclass(frozen=True, slots=True)
class Activity:
    """A select with a row for each visitor (or person) that was active at all before the end, and its parameters.

    Columns: ``who``, a hash, and ``active``: bit 0 for any time before the first part, bit 1 for the first, bit 2 for
    the second, and so on.
    """

    select: Select
    parameters: dict[str, Any]


def activity(period: Period, *, people: bool, before: Sequence[datetime] = (), ever: bool = True) -> Activity:
    """The activity in the parts of a period, after those that begin at the moments ``before``. ``people``: of people as
    they are linked today, else of devices. Unless ``ever``, bit 0 means nothing, and less is read.

    :raises InvalidRequestError: there are more parts than bits, or a part is shorter than a day.
    """
    starts = [*before, *period.buckets()]
    if period.interval in (Interval.MINUTE, Interval.HOUR):
        raise InvalidRequestError("The parts have to be days, weeks or months.")
    if len(starts) > MAX_PARTS:
        raise InvalidRequestError(
            f"That period has more than {MAX_PARTS - len(before)} parts of one {period.interval}: "
            "ask for a longer interval or a shorter period."
        )
    marks = [int(moment.timestamp()) // HALF_HOUR_SECONDS for moment in (*starts, period.end)]
    parameters: dict[str, Any] = {
        "marks": [0, *marks],
        "bits": [1 << at for at in range(len(starts) + 1)] + [0],
        # All days before count as the one before the first part.
        "first_day": max(marks[0] // _HALVES - 1, 0),
        "last_day": (marks[-1] - 1) // _HALVES,
    }
    conditions = ["day <= toDate({last_day:UInt16})"]
    if not ever:
        conditions.append("day > toDate({first_day:UInt16})")
    return Activity(_of_people(conditions) if people else _of_devices(conditions), parameters)


def _of_devices(conditions: list[str]) -> Select:
    return Select(
        {"who": "device", "active": f"groupBitOr({_BITS})"},
        ACTIVE_DAYS,
        where=("device != 0", *conditions),
        group_by="who",
    )


def _of_people(conditions: list[str]) -> Select:
    # Few devices and names stand for many days: they are found first, so that few rows are joined.
    seen = Select(
        {"device": "device", "profile": "profile", "bits_seen": f"groupBitOr({_BITS})"},
        ACTIVE_DAYS,
        where=tuple(conditions),
        group_by="device, profile",
    )
    return Select({"who": _PERSON, "active": "groupBitOr(bits_seen)"}, seen, joins=_LINKS, group_by="who")
