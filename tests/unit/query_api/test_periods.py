"""What ranges mean, wherever the clocks change."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.errors import InvalidRequestError
from query_api.periods import MAX_BUCKETS, Interval, Period, PeriodRequest, Range, settle_period

ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "America/Santiago",
        "Africa/Cairo",
        "Pacific/Apia",
        "America/Havana",
    )
]
NOW = datetime(2026, 3, 18, 14, 25, 40, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("wanted", "start", "end", "interval"),
    [
        (Range.LAST_30_MINUTES, "2026-03-18T14:55", "2026-03-18T15:26", Interval.MINUTE),
        (Range.LAST_HOUR, "2026-03-18T14:25", "2026-03-18T15:26", Interval.MINUTE),
        (Range.LAST_24_HOURS, "2026-03-17T15:25", "2026-03-18T15:26", Interval.HOUR),
        (Range.TODAY, "2026-03-18", "2026-03-19", Interval.HOUR),
        (Range.YESTERDAY, "2026-03-17", "2026-03-18", Interval.HOUR),
        (Range.LAST_7_DAYS, "2026-03-11", "2026-03-19", Interval.DAY),
        (Range.LAST_30_DAYS, "2026-02-16", "2026-03-19", Interval.DAY),
        (Range.LAST_3_MONTHS, "2025-12-18", "2026-03-19", Interval.DAY),
        (Range.LAST_6_MONTHS, "2025-09-18", "2026-03-19", Interval.WEEK),
        (Range.LAST_12_MONTHS, "2025-03-01", "2026-04-01", Interval.MONTH),
        (Range.MONTH_TO_DATE, "2026-03-01", "2026-03-19", Interval.DAY),
        (Range.LAST_MONTH, "2026-02-01", "2026-03-01", Interval.DAY),
        (Range.YEAR_TO_DATE, "2026-01-01", "2026-03-19", Interval.MONTH),
        (Range.LAST_YEAR, "2025-01-01", "2026-01-01", Interval.MONTH),
    ],
)
def test_ranges(wanted: Range, start: str, end: str, interval: Interval) -> None:
    period = settle_period(PeriodRequest(wanted), NOW, BERLIN, 1)
    assert period == Period(berlin(start), berlin(end), interval)


def test_today_is_the_project_s_day_not_ours() -> None:
    period = settle_period(PeriodRequest(Range.TODAY), NOW, ZoneInfo("Pacific/Auckland"), 1)
    assert period.start.date() == date(2026, 3, 19)


@pytest.mark.parametrize(
    ("asked", "start", "end", "interval"),
    [
        (PeriodRequest(Range.TODAY, date(2026, 1, 1), date(2026, 1, 31)), "2026-01-01", "2026-02-01", Interval.DAY),
        (PeriodRequest(Range.LAST_7_DAYS, date(2026, 1, 1)), "2026-01-01", "2026-03-19", Interval.DAY),
        (PeriodRequest(Range.LAST_7_DAYS, None, date(2026, 3, 12)), "2026-03-11", "2026-03-13", Interval.DAY),
        (PeriodRequest(Range.CUSTOM, date(2025, 10, 1)), "2025-10-01", "2026-03-19", Interval.WEEK),
        (PeriodRequest(Range.CUSTOM, date(2025, 1, 1)), "2025-01-01", "2026-03-19", Interval.MONTH),
    ],
)
def test_dates_go_before_ranges(asked: PeriodRequest, start: str, end: str, interval: Interval) -> None:
    assert settle_period(asked, NOW, BERLIN, 1) == Period(berlin(start), berlin(end), interval)


def test_months_end_where_they_end() -> None:
    now = datetime(2026, 5, 31, 12, tzinfo=UTC)
    period = settle_period(PeriodRequest(Range.LAST_3_MONTHS), now, BERLIN, 1)
    assert period.start == berlin("2026-02-28")


def test_half_an_hour_ago_lies_before_now_when_clocks_go_back() -> None:
    now = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    period = settle_period(PeriodRequest(Range.LAST_30_MINUTES), now, BERLIN, 1)
    assert period.end.timestamp() - period.start.timestamp() == 31 * 60
    assert len(period.buckets()) == 31


moments = st.integers(978_307_200, 2_114_380_800).map(lambda second: datetime.fromtimestamp(second, UTC))
requests = st.builds(
    PeriodRequest,
    st.sampled_from([known for known in Range if known is not Range.CUSTOM]),
    interval=st.none() | st.sampled_from([Interval.DAY, Interval.WEEK, Interval.MONTH]),
)


@given(requests, moments, st.sampled_from(ZONES), st.integers(1, 7))
def test_parts_tile_a_period_and_the_one_before_it(
    asked: PeriodRequest, now: datetime, zone: ZoneInfo, week_start: int
) -> None:
    period = settle_period(asked, now, zone, week_start)
    previous = period.previous()
    assert previous.end == period.start
    assert previous.start.timestamp() < previous.end.timestamp()
    for one in (previous, period):
        starts = [moment.timestamp() for moment in one.buckets()]
        assert starts[0] == one.start.timestamp()
        assert starts[-1] < one.end.timestamp()
        assert all(earlier < later for earlier, later in pairwise(starts))
    for moment in period.buckets()[1:]:
        if period.interval is Interval.WEEK:
            assert moment.isoweekday() == week_start
        if period.interval is Interval.MONTH:
            assert moment.day == 1
    if asked.range in (Range.LAST_7_DAYS, Range.LAST_MONTH, Range.LAST_YEAR):
        days = (period.end.date() - period.start.date()).days
        assert (previous.end.date() - previous.start.date()).days == days


def test_a_period_has_no_more_parts_than_anyone_can_see() -> None:
    period = Period(berlin("2026-01-01"), berlin("2026-01-03"), Interval.MINUTE)
    with pytest.raises(InvalidRequestError, match=str(MAX_BUCKETS)):
        period.buckets()
    day = Period(berlin("2026-10-25"), berlin("2026-10-26"), Interval.MINUTE)
    assert len(day.buckets()) == timedelta(hours=25) / timedelta(minutes=1)
