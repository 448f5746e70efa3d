"""Days of a calendar, as whoever folds them and whoever asks for them cut them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

HALF_HOUR_SECONDS = 1_800
"""Rollups have a row for each half hour of UTC, for days of nearly all time zones consist of them."""


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day, in UTC; where clocks skip midnight, the moment of the change."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def is_of_half_hours(*moments: datetime) -> bool:
    """Whether each of these lies between two half hours."""
    return all(moment.timestamp() % HALF_HOUR_SECONDS == 0 for moment in moments)
