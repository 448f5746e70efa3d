"""Token buckets."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.rate_limits import TokenBuckets
from schemas.control import RateLimit

LIMITS = st.builds(RateLimit, per_second=st.floats(0.01, 1_000), burst=st.integers(0, 1_000))
STEPS = st.lists(st.tuples(st.floats(0, 60), st.integers(1, 2_000)), min_size=1, max_size=60)


@given(LIMITS, STEPS)
def test_the_rate_is_kept_in_the_long_run_and_the_burst_at_once(
    limit: RateLimit, steps: list[tuple[float, int]]
) -> None:
    buckets, now, taken, last = TokenBuckets(10), 0.0, 0, 0
    for pause, events in steps:
        now += pause
        balance = buckets.look("a", limit, events, now)
        if balance.wait == 0:
            last = buckets.take("a", limit, events, now).limit
            taken += events
            taken -= max(events - 2 * last, 0)
            # What exceeds a bucket passes only when the bucket is full, and as much as it holds is paid back before
            # anything else passes.
            assert taken <= last + limit.per_second * now + max(min(events, 2 * last) - last, 0) + 1
        assert 0 <= balance.remaining <= balance.limit


@given(LIMITS, STEPS)
def test_who_waits_as_long_as_told_is_let_through(limit: RateLimit, steps: list[tuple[float, int]]) -> None:
    buckets, now = TokenBuckets(10), 0.0
    for pause, events in steps:
        now += pause
        wait = buckets.look("a", limit, events, now).wait
        if 0 < wait < 24 * 3_600:
            now += wait
        elif wait:
            continue
        assert buckets.look("a", limit, events, now).wait == 0
        buckets.take("a", limit, events, now)


def test_a_bucket_says_what_is_in_it() -> None:
    buckets, limit = TokenBuckets(10), RateLimit(per_second=2, burst=10)
    assert buckets.look("a", limit, 1, 0) == (10, 10, 0, 0)
    assert buckets.take("a", limit, 7, 0) == (10, 3, 4, 0)
    assert buckets.look("a", limit, 5, 0) == (10, 3, 4, 1)
    assert buckets.look("a", limit, 5, 1) == (10, 5, 3, 0)
    assert buckets.look("b", limit, 5, 1) == (10, 10, 0, 0)
    assert buckets.take("b", limit, 16, 1) == (10, 0, 8, 4)
    assert buckets.take("c", limit, 10_000, 1) == (10, 0, 10, 6)
    assert buckets.take("c", limit, -10_000, 1) == (10, 10, 0, 0)


def test_without_a_burst_ten_seconds_may_come_at_once() -> None:
    assert TokenBuckets(1).look("a", RateLimit(per_second=0.5), 1, 0).limit == 5
    assert TokenBuckets(1).look("a", RateLimit(per_second=0.01), 1, 0).limit == 1


def test_a_changed_limit_counts_at_once() -> None:
    buckets = TokenBuckets(10)
    buckets.take("a", RateLimit(per_second=1, burst=1_000), 1, 0)
    assert buckets.look("a", RateLimit(per_second=1, burst=5), 1, 0).remaining == 5


def test_memory_is_bounded_and_who_is_busy_is_not_forgotten() -> None:
    buckets, limit = TokenBuckets(3), RateLimit(per_second=1, burst=10)
    for number in range(50):
        buckets.take("busy", limit, 1, 0)
        buckets.take(str(number), limit, 1, 0)
    assert len(buckets) == 3
    assert buckets.look("busy", limit, 1, 0).remaining == 0
