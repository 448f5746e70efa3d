"""Periods of time: what a range means in a project's time zone, its parts, and the period before it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from query_api.errors import InvalidRequestError
from schemas.calendar import midnight

MAX_BUCKETS = 1_500
"""Most parts of a period: a day by the minute."""
MAX_DAYS = 4_000
# What a period and the one before it may reach without leaving the store's unsigned seconds.
_FIRST, _LAST = date(1995, 1, 1), date(2099, 12, 31)


class Interval(StrEnum):
    """Length of one part of a time series."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Range(StrEnum):
    """A period relative to now; what each means stands in docs/definitions.md."""

    LAST_30_MINUTES = "30min"
    LAST_HOUR = "lastHour"
    LAST_24_HOURS = "last24h"
    TODAY = "today"
    YESTERDAY = "yesterday"
    LAST_7_DAYS = "7d"
    LAST_30_DAYS = "30d"
    LAST_3_MONTHS = "3m"
    LAST_6_MONTHS = "6m"
    LAST_12_MONTHS = "12m"
    MONTH_TO_DATE = "monthToDate"
    LAST_MONTH = "lastMonth"
    YEAR_TO_DATE = "yearToDate"
    LAST_YEAR = "lastYear"
    CUSTOM = "custom"


_MINUTES = {Range.LAST_30_MINUTES: 30, Range.LAST_HOUR: 60, Range.LAST_24_HOURS: 24 * 60}
_INTERVALS = {
    Range.LAST_30_MINUTES: Interval.MINUTE,
    Range.LAST_HOUR: Interval.MINUTE,
    Range.LAST_24_HOURS: Interval.HOUR,
    Range.TODAY: Interval.HOUR,
    Range.YESTERDAY: Interval.HOUR,
    Range.LAST_7_DAYS: Interval.DAY,
    Range.LAST_30_DAYS: Interval.DAY,
    Range.LAST_3_MONTHS: Interval.DAY,
    Range.LAST_MONTH: Interval.DAY,
    Range.MONTH_TO_DATE: Interval.DAY,
    Range.LAST_6_MONTHS: Interval.WEEK,
}


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` (inclusive) to ``end`` (exclusive), both in the project's time zone."""

    start: datetime
    end: datetime
    interval: Interval
    week_start: int = 1
    """ISO day of the week, 1 = Monday."""

    def previous(self) -> "Period":
        """The period of the same length directly before: as many calendar days if both ends are midnights (a day may
        have 23 or 25 hours), else as many seconds.
        """
        if _is_midnight(self.start) and _is_midnight(self.end):
            zone = _zone(self.start)
            days = (self.end.date() - self.start.date()).days
            start = _midnight(self.start.date() - timedelta(days=days), zone)
        else:
            length = self.end.astimezone(UTC) - self.start.astimezone(UTC)
            start = (self.start.astimezone(UTC) - length).astimezone(self.start.tzinfo)
        return Period(start, self.start, self.interval, self.week_start)

    def buckets(self) -> list[datetime]:
        """Where each part begins, ascending; the first part begins with the period, however little is left of it.

        :raises InvalidRequestError: more than ``MAX_BUCKETS`` parts.
        """
        found = [self.start]
        moment = self._next(self._floor(self.start))
        while moment.astimezone(UTC) < self.end.astimezone(UTC):
            if len(found) == MAX_BUCKETS:
                raise InvalidRequestError(
                    f"That period has more than {MAX_BUCKETS} parts of one {self.interval}: "
                    "ask for a longer interval or a shorter period."
                )
            found.append(moment)
            moment = self._next(moment)
        return found

    def midnights(self) -> list[datetime]:
        """The beginnings of its days, and its end; none if it is not of whole days."""
        if not (_is_midnight(self.start) and _is_midnight(self.end)):
            return []
        zone = _zone(self.start)
        days = (self.end.date() - self.start.date()).days
        return [_midnight(self.start.date() + timedelta(days=number), zone) for number in range(days + 1)]

    def _floor(self, moment: datetime) -> datetime:
        if self.interval is Interval.MINUTE:
            return moment.replace(second=0, microsecond=0)
        if self.interval is Interval.HOUR:
            return moment.replace(minute=0, second=0, microsecond=0)
        day = moment.date()
        if self.interval is Interval.WEEK:
            day -= timedelta(days=(day.isoweekday() - self.week_start) % 7)
        elif self.interval is Interval.MONTH:
            day = day.replace(day=1)
        return _midnight(day, _zone(moment))

    def _next(self, moment: datetime) -> datetime:
        zone = _zone(moment)
        if self.interval is Interval.MINUTE:
            return (moment.astimezone(UTC) + timedelta(minutes=1)).astimezone(zone)
        if self.interval is Interval.HOUR:
            return (moment.astimezone(UTC) + timedelta(hours=1)).astimezone(zone)
        if self.interval is Interval.MONTH:
            return _midnight(_add_months(moment.date(), 1), zone)
        days = 7 if self.interval is Interval.WEEK else 1
        return _midnight(moment.date() + timedelta(days=days), zone)


@dataclass(frozen=True, slots=True)
class PeriodRequest:
    """What a request says about its period; dates are days of the project's calendar, the last one inclusive."""

    range: Range
    start_date: date | None = None
    end_date: date | None = None
    interval: Interval | None = None


def settle_period(asked: PeriodRequest, now: datetime, zone: ZoneInfo, week_start: int) -> Period:
    """The period a request means at the time ``now`` (aware).

    A start date goes before the range; a lone end date ends the range's period.

    :raises InvalidRequestError: the dates contradict each other, or the custom range has none.
    """
    here = now.astimezone(zone)
    start, end = _ends(asked.range, here)
    given = asked.start_date is not None or asked.end_date is not None
    if any(day is not None and not _FIRST <= day <= _LAST for day in (asked.start_date, asked.end_date)):
        raise InvalidRequestError(f"Dates lie between {_FIRST} and {_LAST}.")
    if asked.range is Range.CUSTOM and asked.start_date is None:
        raise InvalidRequestError("The range custom needs a startDate.")
    if asked.start_date is not None:
        start = _midnight(asked.start_date, zone)
        end = _midnight(here.date() + timedelta(days=1), zone)
    if asked.end_date is not None:
        end = _midnight(asked.end_date + timedelta(days=1), zone)
    days = (end.date() - start.date()).days
    # In UTC: two times of one zone compare by their clock faces, which go back in autumn.
    if end.astimezone(UTC) <= start.astimezone(UTC):
        raise InvalidRequestError("The period ends before it begins.")
    if days > MAX_DAYS:
        raise InvalidRequestError(f"A period has at most {MAX_DAYS} days.")
    interval = asked.interval or (_custom_interval(days) if given else _INTERVALS.get(asked.range, Interval.MONTH))
    return Period(start, end, interval, week_start)


def _ends(wanted: Range, here: datetime) -> tuple[datetime, datetime]:
    zone = _zone(here)
    today = here.date()
    tomorrow = _midnight(today + timedelta(days=1), zone)
    if (minutes := _MINUTES.get(wanted)) is not None:
        minute = here.astimezone(UTC).replace(second=0, microsecond=0)
        start, end = minute - timedelta(minutes=minutes), minute + timedelta(minutes=1)
        return start.astimezone(zone), end.astimezone(zone)
    if wanted is Range.YESTERDAY:
        return _midnight(today - timedelta(days=1), zone), _midnight(today, zone)
    if wanted is Range.LAST_12_MONTHS:
        first = today.replace(day=1)
        return _midnight(_add_months(first, -12), zone), _midnight(_add_months(first, 1), zone)
    if wanted is Range.LAST_MONTH:
        first = today.replace(day=1)
        return _midnight(_add_months(first, -1), zone), _midnight(first, zone)
    if wanted is Range.LAST_YEAR:
        return _midnight(date(today.year - 1, 1, 1), zone), _midnight(date(today.year, 1, 1), zone)
    starts = {
        Range.TODAY: today,
        Range.CUSTOM: today,
        Range.LAST_7_DAYS: today - timedelta(days=7),
        Range.LAST_30_DAYS: today - timedelta(days=30),
        Range.LAST_3_MONTHS: _add_months(today, -3),
        Range.LAST_6_MONTHS: _add_months(today, -6),
        Range.MONTH_TO_DATE: today.replace(day=1),
        Range.YEAR_TO_DATE: today.replace(month=1, day=1),
    }
    return _midnight(starts[wanted], zone), tomorrow


def _custom_interval(days: int) -> Interval:
    if days <= 92:
        return Interval.DAY
    return Interval.WEEK if days <= 186 else Interval.MONTH


def _add_months(day: date, months: int) -> date:
    """The same day of another month, or that month's last day."""
    total = day.year * 12 + day.month - 1 + months
    year, month = divmod(total, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return min(date(year, month + 1, 1) + timedelta(days=day.day - 1), following - timedelta(days=1))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return midnight(day, zone).astimezone(zone)


def _is_midnight(moment: datetime) -> bool:
    return moment == _midnight(moment.date(), _zone(moment))


def _zone(moment: datetime) -> ZoneInfo:
    zone = moment.tzinfo
    if not isinstance(zone, ZoneInfo):
        raise TypeError("a period's ends are in a named time zone")
    return zone
