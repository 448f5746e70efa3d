"""Event time: the sender's clock corrected and bounded, and its notations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.event_time import (
    MAX_AGE_MS,
    MAX_FUTURE_MS,
    MAX_SKEW_MS,
    MAX_UNDERWAY_MS,
    clickhouse_time,
    month_of,
    parse_iso_ms,
    reception,
    settle_event_time,
    time_refusal,
)

NOW = 1_780_000_000_000
HOUR = 3_600_000
TIMES = st.integers(0, 4_000_000_000_000)


@pytest.mark.parametrize(
    ("client", "sent", "expected"),
    [
        pytest.param(None, None, NOW, id="no time"),
        pytest.param(None, NOW - HOUR, NOW, id="no time, clock behind"),
        pytest.param(NOW - HOUR, None, NOW - HOUR, id="offline, no clock: taken as it is"),
        pytest.param(NOW + MAX_FUTURE_MS, None, NOW + MAX_FUTURE_MS, id="a minute ahead"),
        pytest.param(NOW + MAX_FUTURE_MS + 1, None, NOW, id="further ahead: reception"),
        pytest.param(NOW - 10 * HOUR - 5_000, NOW - 10 * HOUR, NOW - 5_000, id="clock 10 h behind"),
        pytest.param(NOW + 10 * HOUR - 5_000, NOW + 10 * HOUR, NOW - 5_000, id="clock 10 h ahead"),
        pytest.param(NOW - 9 * HOUR, NOW + HOUR, NOW - 10 * HOUR, id="offline 10 h, clock 1 h ahead"),
        pytest.param(NOW - HOUR, NOW - 2 * HOUR, NOW - HOUR, id="sent before it happened: sent is not believed"),
        pytest.param(NOW + 2 * HOUR, NOW + HOUR, NOW, id="sent before it happened, in the future"),
    ],
)
def test_settle(client: int | None, sent: int | None, expected: int) -> None:
    assert settle_event_time(NOW, client, sent) == expected


@given(TIMES, st.none() | TIMES, st.none() | TIMES)
def test_settled_time_is_never_refused_as_future(received: int, client: int | None, sent: int | None) -> None:
    assert time_refusal(settle_event_time(received, client, sent), received) != "event_in_future"


@pytest.mark.parametrize(
    ("time", "max_age", "refusal"),
    [
        pytest.param(NOW, MAX_AGE_MS, None, id="now"),
        pytest.param(NOW + MAX_FUTURE_MS, MAX_AGE_MS, None, id="a minute ahead"),
        pytest.param(NOW + MAX_FUTURE_MS + 1, MAX_AGE_MS, "event_in_future", id="further ahead"),
        pytest.param(NOW - MAX_AGE_MS, MAX_AGE_MS, None, id="400 days"),
        pytest.param(NOW - MAX_AGE_MS - 1, MAX_AGE_MS, "event_too_old", id="older"),
        pytest.param(NOW - 2 * HOUR, HOUR, "event_too_old", id="the project keeps less"),
        pytest.param(NOW - MAX_AGE_MS - 1, 2 * MAX_AGE_MS, "event_too_old", id="the project keeps more"),
        pytest.param(-62_135_596_800_000, MAX_AGE_MS, "event_too_old", id="year 1"),
    ],
)
def test_refusal(time: int, max_age: int, refusal: str | None) -> None:
    assert time_refusal(time, NOW, max_age) == refusal


@given(TIMES, st.integers(-MAX_UNDERWAY_MS, MAX_SKEW_MS), st.integers(0, MAX_AGE_MS))
def test_a_worker_refuses_no_time_that_a_gateway_took(time: int, ahead: int, max_age: int) -> None:
    """The gateway's clock was ``ahead`` of the broker's stamp, mostly because the event came into the log later."""
    if time_refusal(time, NOW + ahead, max_age) is None:
        assert time_refusal(time, reception(NOW + ahead, NOW), max_age) is None


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        pytest.param(None, NOW, id="not written"),
        pytest.param(0, NOW - MAX_UNDERWAY_MS, id="long ago"),
        pytest.param(NOW + 10 * HOUR, NOW + MAX_SKEW_MS, id="to come"),
    ],
)
def test_what_cannot_be_is_not_believed(received: int | None, expected: int) -> None:
    assert reception(received, NOW) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.678Z", 1_767_323_045_678),
        ("2026-01-02T03:04:05.678", 1_767_323_045_678),
        ("2026-01-02T04:04:05.678+01:00", 1_767_323_045_678),
        ("2026-01-02", 1_767_312_000_000),
        ("1970-01-01T00:00:00Z", 0),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("yesterday", None),
        ("", None),
        ("2026-13-01", None),
        ("2026-01-02T03:04:05+99:00", None),
    ],
)
def test_iso(text: str, expected: int | None) -> None:
    assert parse_iso_ms(text) == expected


@given(TIMES)
def test_rows_say_the_same_millisecond(time: int) -> None:
    text = clickhouse_time(time)
    assert parse_iso_ms(text.replace(" ", "T") + "Z") == time
    assert month_of(time) == int(text[:4] + text[5:7])


def test_row_text_before_1970() -> None:
    assert clickhouse_time(-1) == "1969-12-31 23:59:59.999"
