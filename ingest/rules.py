"""A project's rules for what it takes: who may send, how much, and what is refused at the door.

Filters by country, path and user agent are the workers' to apply, who know where an address is; here is refused what
can be told at once.
"""

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address

from ingest.access import Access, Admission
from ingest.answers import Headers, Refusal
from ingest.protocols.protocol import Submission
from ingest.quotas import Quotas
from ingest.rate_limits import Balance, TokenBuckets
from schemas.address import read_address
from schemas.bots import Bot, find_bot
from schemas.control import RateLimit

PROJECT_HEADER = b"x-weir-project-id"
"""Names the project that a root client writes to."""
_CLIENTS = 20_000
_ADDRESSES = 50_000
"""Buckets kept at once."""
_FAILURE_BURST_SECONDS = 50
_TOO_MANY = "You have exceeded the rate limit for this endpoint."


class BotDropped(Refusal):
    """An event of a crawler, which the project does not keep: nothing the crawler could do better, so it is told
    202.
    """

    def __init__(self, bot: Bot) -> None:
        super().__init__(202, "bot", "The event came from a crawler and was not stored.")
        self.bot = bot


class Rules:
    """Decides about requests and events by the control records in force. Lives on one event loop."""

    def __init__(
        self,
        access: Access,
        quotas: Quotas,
        failed_keys_per_second: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``failed_keys_per_second``: with wrong keys, from one address, in the long run; 0: as many as come."""
        self._access = access
        self._quotas = quotas
        self._clock = clock
        self._clients = TokenBuckets(_CLIENTS)
        self._addresses = TokenBuckets(_ADDRESSES)
        self._failures = TokenBuckets(_ADDRESSES)
        burst = int(failed_keys_per_second * _FAILURE_BURST_SECONDS)
        self._failure_limit = RateLimit(per_second=failed_keys_per_second, burst=burst)

    def before(self, seen: str) -> None:
        """Whether to look at a request from this address at all; to be asked before its body is read.

        :raises Refusal: 429 after too many with wrong keys.
        """
        if not len(self._failures):
            return
        wait = self._failures.look(_holder(seen), self._failure_limit, 1, self._clock()).wait
        if wait:
            message = "Too many requests with wrong keys came from this address."
            raise Refusal(429, "too_many_failures", message, wait)

    def admit(
        self, submission: Submission, headers: Mapping[bytes, bytes], seen: str, ip: str, now_ms: int
    ) -> tuple[Admission, Headers]:
        """Let a request in; with it the headers its answer carries.

        ``seen``: the address it came from; ``ip``: its visitor's, which is another where a server says so.

        :raises Refusal: 401, final; 429, to come again later.
        """
        origin = headers.get(b"origin", b"").decode("latin-1")
        project_id = headers.get(PROJECT_HEADER, b"").decode("latin-1")
        try:
            admission = self._access.admit(submission, origin, project_id)
        except Refusal:
            if self._failure_limit.per_second:
                self._failures.take(_holder(seen), self._failure_limit, 1, self._clock())
            raise
        filters = admission.project.filters
        if filters.looks_at_ips and (filters.ip(seen) or filters.ip(ip)):
            raise _filtered("ip", "IP address is blocked by project filter")
        wait = self._quotas.wait(admission.project.record, now_ms)
        if wait:
            raise Refusal(429, "quota_exceeded", "The project's events of this month are used up.", wait)
        return admission, self._limited(admission, seen, max(len(submission.events), 1))

    def screen(self, admission: Admission, profile_id: str, ip: str, user_agent: str) -> None:
        """Look at one event of an admitted request. ``ip`` and ``user_agent`` are its own.

        :raises Refusal: 401 for what a filter names; `BotDropped` for a crawler's where the project drops them.
        """
        project = admission.project
        filters = project.filters
        if filters:
            if filters.ip(ip):
                raise _filtered("ip", "IP address is blocked by project filter")
            if filters.profile_id(profile_id):
                raise _filtered("profile_id", "Profile id is blocked by project filter")
        if project.drops_bots and not admission.verified:
            bot = find_bot(user_agent)
            if bot is not None:
                raise BotDropped(bot)

    def taken(self, admission: Admission, events: int, now_ms: int) -> None:
        """So many events of the request are durable."""
        self._quotas.count(admission.project.record, events, now_ms)

    def _limited(self, admission: Admission, seen: str, events: int) -> Headers:
        """Take from the buckets that apply: all of them or none.

        :raises Refusal: 429 if one has not enough.
        """
        asked: list[tuple[TokenBuckets, str, RateLimit]] = []
        if admission.limit is not None and admission.limit.per_second:
            asked.append((self._clients, admission.client_id, admission.limit))
        by_ip = admission.project.record.ip_limit
        # A server with the secret speaks for many visitors from one address.
        if by_ip.per_second and not admission.verified:
            asked.append((self._addresses, f"{admission.project.id}/{_holder(seen)}", by_ip))
        if not asked:
            return []
        now = self._clock()
        balances = [buckets.look(key, limit, events, now) for buckets, key, limit in asked]
        longest = max(balances, key=lambda balance: balance.wait)
        if longest.wait:
            raise Refusal(429, "rate_limited", _TOO_MANY, longest.wait, _headers(longest))
        after = [buckets.take(key, limit, events, now) for buckets, key, limit in asked]
        return _headers(min(after, key=lambda balance: balance.remaining))


def _filtered(kind: str, message: str) -> Refusal:
    return Refusal(401, f"filtered_{kind}", message)


def _headers(balance: Balance) -> Headers:
    return [
        (b"ratelimit-limit", str(balance.limit).encode()),
        (b"ratelimit-remaining", str(balance.remaining).encode()),
        (b"ratelimit-reset", str(balance.reset).encode()),
    ]


@lru_cache(maxsize=8_192)
def _holder(ip: str) -> str:
    """Who holds the address: of IPv6 everybody has a network of 64 bits."""
    address = read_address(ip)
    return str(int(address) >> 64) if isinstance(address, IPv6Address) else ip
