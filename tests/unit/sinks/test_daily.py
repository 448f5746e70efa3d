"""Days of calendars in runs, times as one, and the dimensions that days are folded by."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from query_api.sql.dimensions import Dimension
from sinks.daily_days import MOST_DAYS, QUIET, Day, calendar, runs_of
from sinks.daily_sql import DIMENSIONS
from sinks.rollup_pieces import joined

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = [Day(FIRST + timedelta(days=at), FIRST + timedelta(days=at + 1)) for at in range(40)]


def test_days_are_folded_by_every_dimension_that_is_asked_for() -> None:
    assert set(DIMENSIONS) == {dimension.value for dimension in Dimension}


@given(st.sets(st.sampled_from(DAYS)), st.dictionaries(st.sampled_from(DAYS), st.integers(0, 9)), st.integers(1, 20))
def test_runs_have_each_day_once_and_no_gap(days: set[Day], sizes: dict[Day, int], most: int) -> None:
    runs = list(runs_of(days, sizes, most, 7))
    assert [day for run in runs for day in reversed(run)] == sorted(days, reverse=True)
    for run in runs:
        assert all(one.ended == next_.started for one, next_ in pairwise(run))
        assert len(run) <= 7
        assert len(run) == 1 or sum(sizes.get(day, 0) for day in run) <= most


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9))))
def test_times_that_touch_are_one(found: list[tuple[int, int]]) -> None:
    times = [(FIRST + timedelta(hours=at), FIRST + timedelta(hours=at + length)) for at, length in found]
    together = joined(times)
    assert all(one[1] < next_[0] for one, next_ in pairwise(together))
    hours = {at + hour for at, length in found for hour in range(length)}
    assert {
        int((since - FIRST).total_seconds() // 3600) + hour
        for since, until in together
        for hour in range(int((until - since).total_seconds() // 3600))
    } == hours


@given(st.sampled_from(["Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "UTC"]), st.integers(0, 24 * 400))
def test_a_calendar_is_without_gaps_and_ends_with_what_is_over(zone: str, hours: int) -> None:
    now = FIRST + timedelta(hours=hours)
    days = calendar(ZoneInfo(zone), FIRST, now)
    assert all(one.ended == next_.started for one, next_ in pairwise(days))
    if days:
        assert days[0].started <= FIRST < days[0].ended
        assert days[-1].ended <= now - QUIET < days[-1].ended + timedelta(hours=25)


def test_a_calendar_goes_back_no_further_than_any_period() -> None:
    assert len(calendar(ZoneInfo("UTC"), datetime(1990, 1, 1, tzinfo=UTC), FIRST)) == MOST_DAYS


def test_days_that_are_not_of_half_hours_are_left_out() -> None:
    assert calendar(ZoneInfo("Asia/Kathmandu"), FIRST, FIRST + timedelta(days=9)) == []
