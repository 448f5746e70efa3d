"""What the sender of a request may bring: the token buckets that apply to it, charged for what is taken."""

from collections.abc import Callable
from typing import NamedTuple

from ingest.answers import Headers, Refusal
from ingest.rate_limits import Balance, TokenBuckets
from schemas.control import RateLimit

_TOO_MANY = "You have exceeded the rate limit for this endpoint."


class Applying(NamedTuple):
    """One limit, and whose bucket it fills."""

    buckets: TokenBuckets
    key: str
    limit: RateLimit


class Allowance:
    """The limits that apply to a request. Its events are charged when they are taken, and it costs one at least: with
    events that are refused nobody empties a bucket others share.
    """

    __slots__ = ("_applying", "_balances", "_clock")

    def __init__(self, applying: list[Applying], events: int, clock: Callable[[], float]) -> None:
        """Ask for so many events; ``clock`` as of `TokenBuckets`.

        :raises Refusal: 429 if one of the buckets has not enough.
        """
        self._applying = applying
        self._clock = clock
        now = clock()
        balances = [buckets.look(key, limit, events, now) for buckets, key, limit in applying]
        longest = max(balances, key=lambda balance: balance.wait)
        if longest.wait:
            raise Refusal(429, "rate_limited", _TOO_MANY, longest.wait, _headers(longest))
        self._balances = balances
        self._charge(1)

    def take(self, events: int) -> None:
        """So many of them are on their way to be stored."""
        self._charge(max(events, 1) - 1)

    def give_back(self, events: int) -> None:
        """So many were taken and could not be stored."""
        self._charge(-max(events, 1))

    @property
    def headers(self) -> Headers:
        """What is left of the nearest limit."""
        return _headers(min(self._balances, key=lambda balance: balance.remaining))

    def _charge(self, events: int) -> None:
        now = self._clock()
        self._balances = [buckets.take(key, limit, events, now) for buckets, key, limit in self._applying]


def _headers(balance: Balance) -> Headers:
    return [
        (b"ratelimit-limit", str(balance.limit).encode()),
        (b"ratelimit-remaining", str(balance.remaining).encode()),
        (b"ratelimit-reset", str(balance.reset).encode()),
    ]
