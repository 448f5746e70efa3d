"""Token buckets: how many events a sender may bring, in the long run and at once. In memory, each process its own."""

import math
from collections import OrderedDict
from typing import NamedTuple

from schemas.control import RateLimit

_DEFAULT_BURST_SECONDS = 10
_LEAST = 1e-6
"""Parts of an event that rounding may take away."""
_LONGEST_SECONDS = 24 * 3_600


class Balance(NamedTuple):
    """A bucket at some moment: how many events it holds at most and now, in how many seconds it is full again, and in
    how many the events asked for would be let through (0: now).
    """

    limit: int
    remaining: int
    reset: int
    wait: int


class TokenBuckets:
    """Buckets by key, at most so many: the ones not asked for longest are forgotten, that is, full.

    ``now`` is any clock in seconds that does not go back. What is asked for may exceed a bucket: it passes when the
    bucket is full, and the bucket owes the rest, but never more than it holds: whoever brings a lot at once shall not
    shut out for hours those who share the bucket.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def look(self, key: str, limit: RateLimit, events: int, now: float) -> Balance:
        """The balance, changing nothing."""
        return self._balance(limit, self._tokens(key, limit, now), events)

    def take(self, key: str, limit: RateLimit, events: float, now: float) -> Balance:
        """Take so many, whether they are there or not, or give back a negative number; the balance afterwards."""
        size = _size(limit)
        tokens = min(max(self._tokens(key, limit, now) - events, -size), size)
        self._buckets[key] = tokens, now
        self._buckets.move_to_end(key)
        while len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        return self._balance(limit, tokens, 1)

    def _tokens(self, key: str, limit: RateLimit, now: float) -> float:
        known = self._buckets.get(key)
        size = _size(limit)
        if known is None:
            return size
        tokens, since = known
        return min(size, tokens + max(now - since, 0.0) * limit.per_second)

    def _balance(self, limit: RateLimit, tokens: float, events: int) -> Balance:
        size = _size(limit)
        missing = min(events, size) - tokens
        wait = max(_seconds(missing, limit), 1) if missing > _LEAST else 0
        return Balance(size, max(math.floor(tokens + _LEAST), 0), _seconds(size - tokens, limit), wait)


def _seconds(tokens: float, limit: RateLimit) -> int:
    return math.ceil(min(tokens / limit.per_second, _LONGEST_SECONDS))


def _size(limit: RateLimit) -> int:
    return limit.burst or max(math.ceil(limit.per_second * _DEFAULT_BURST_SECONDS), 1)
