"""A project's rules for what it takes: who may send, how much, and what is refused at the door.

Filters by country, path and user agent are the workers' to apply, who know where an address is; here is refused what
can be told at once.
"""

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address

from ingest.access import Access, Admission
from ingest.allowance import Allowance, Applying
from ingest.answers import Refusal
from ingest.client_ip import four_within
from ingest.protocols.openpanel import credentials
from ingest.protocols.protocol import SentEvent, Submission, basic_credentials
from ingest.quotas import Quotas
from ingest.rate_limits import TokenBuckets
from schemas.address import read_address
from schemas.bots import Bot, find_bot
from schemas.control import RateLimit

PROJECT_HEADER = b"x-weir-project-id"
"""Names the project that a root client writes to."""
_CLIENTS = 10_000
_ADDRESSES = 20_000
"""Buckets kept at once."""
_FAILURE_BURST_SECONDS = 50
_FAILURES_PER_SECOND = 1_000
"""What a second of work for a refused request costs beside the one for the request itself: no address without a key has
more than a fiftieth of the event loop in the long run, at twenty failures a second."""
_FAILED = frozenset({400, 401, 413, 415})
_TIME_ONLY = frozenset({202, 429})
"""Nothing is wrong with such a request, but it made work."""
_TOLD_OTHERWISE = "recording_not_stored"
"""What clients send without being asked, and are told that it was taken."""


class BotDropped(Refusal):
    """An event of a crawler, which the project does not keep: nothing the crawler could do better, so it is told
    202.
    """

    def __init__(self, bot: Bot) -> None:
        super().__init__(202, "bot", "The event came from a crawler and was not stored.")
        self.bot = bot


class Filtered(Refusal):
    """What a project's filters leave out."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(401, f"filtered_{kind}", message)


class Rules:
    """Decides about requests and events by the control records in force. Lives on one event loop."""

    def __init__(
        self,
        access: Access,
        quotas: Quotas,
        failed_keys_per_second: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``failed_keys_per_second``: requests with wrong keys or broken bodies, from one address, in the long run; 0:
        as many as come.
        """
        self._access = access
        self._quotas = quotas
        self._clock = clock
        self._clients = TokenBuckets(_CLIENTS)
        self._addresses = TokenBuckets(_ADDRESSES)
        self._failures = TokenBuckets(_ADDRESSES)
        burst = int(failed_keys_per_second * _FAILURE_BURST_SECONDS)
        self._failure_limit = RateLimit(per_second=failed_keys_per_second, burst=burst)

    def before(self, seen: str, headers: Mapping[bytes, bytes]) -> None:
        """Whether to look at a request from this address at all; to be asked before its body is read. Whose headers
        have a client's secret is always let in: others at its address are none of its doing.

        :raises Refusal: 429 after too many that failed.
        """
        if not len(self._failures):
            return
        wait = self._failures.look(_holder(seen), self._failure_limit, 1, self._clock()).wait
        if wait and not self._has_secret(headers):
            message = "Too many requests with wrong keys or broken bodies came from this address."
            raise Refusal(429, "too_many_failures", message, wait)

    def blame(self, refusal: Refusal, seen: str, headers: Mapping[bytes, bytes], seconds: float) -> None:
        """A request was refused, or all its events, after so much work; nobody vouched for it."""
        if refusal.status not in _FAILED | _TIME_ONLY or refusal.reason == _TOLD_OTHERWISE:
            return
        failed = refusal.status in _FAILED and not isinstance(refusal, Filtered)
        if self._failure_limit.per_second and not refusal.vouched and not self._has_secret(headers):
            cost = failed + seconds * _FAILURES_PER_SECOND
            self._failures.take(_holder(seen), self._failure_limit, cost, self._clock())

    def _has_secret(self, headers: Mapping[bytes, bytes]) -> bool:
        client_id, secret = credentials(headers, {})
        if not secret:
            client_id, secret = basic_credentials(headers)
        if not secret:
            return False
        try:
            project_id = headers.get(PROJECT_HEADER, b"").decode("latin-1")
            return self._access.admit(Submission(client_id, secret, ()), "", project_id).verified
        except Refusal:
            return False

    def admit(
        self, submission: Submission, headers: Mapping[bytes, bytes], seen: str, ip: str, now_ms: int
    ) -> tuple[Admission, Allowance | None]:
        """Let a request in; with it the limits that apply to its events, if there are any.

        ``seen``: the address it came from; ``ip``: its visitor's, which is another where a server says so.

        :raises Refusal: 401, final; 429, to come again later.
        """
        origin = headers.get(b"origin", b"").decode("latin-1")
        project_id = headers.get(PROJECT_HEADER, b"").decode("latin-1")
        admission = self._access.admit(submission, origin, project_id)
        try:
            self._check_project(admission, seen, ip, now_ms)
            return admission, self._allowance(admission, submission, seen)
        except Refusal as refusal:
            refusal.vouched = admission.verified
            raise

    def _check_project(self, admission: Admission, seen: str, ip: str, now_ms: int) -> None:
        filters = admission.project.filters
        if filters.looks_at_ips and (filters.ip(seen) or filters.ip(ip)):
            raise Filtered("ip", "IP address is blocked by project filter")
        wait = self._quotas.wait(admission.project.record, now_ms)
        if wait:
            raise Refusal(429, "quota_exceeded", "The project's events of this month are used up.", wait)

    def screens(self, admission: Admission) -> bool:
        """Whether any of a request's events could be refused by `screen`."""
        project = admission.project
        return bool(project.filters) or (project.drops_bots and not admission.verified)

    def screen(self, admission: Admission, profile_id: str, ip: str, user_agent: str) -> None:
        """Look at one event of an admitted request. ``ip`` and ``user_agent`` are its own.

        :raises Refusal: 401 for what a filter names; `BotDropped` for a crawler's where the project drops them.
        """
        project = admission.project
        filters = project.filters
        if filters:
            if filters.ip(ip):
                raise Filtered("ip", "IP address is blocked by project filter")
            if filters.profile_id(profile_id):
                raise Filtered("profile_id", "Profile id is blocked by project filter")
        if project.drops_bots and not admission.verified:
            bot = find_bot(user_agent)
            if bot is not None:
                raise BotDropped(bot)

    def taken(self, admission: Admission, events: int, now_ms: int) -> None:
        """So many events of the request are durable."""
        self._quotas.count(admission.project.record, events, now_ms)

    def _allowance(self, admission: Admission, submission: Submission, seen: str) -> Allowance | None:
        applying: list[Applying] = []
        if admission.limit is not None and admission.limit.per_second:
            holder = admission.client_id or f"project/{admission.project.id}"
            # The id stands on every page: who has only that shall not use up what its server may send.
            key = f"{holder}/secret" if admission.verified else holder
            applying.append(Applying(self._clients, key, admission.limit))
        by_ip = admission.project.record.ip_limit
        # A server with the secret speaks for many visitors from one address.
        if by_ip.per_second and not admission.verified:
            applying.append(Applying(self._addresses, f"{admission.project.id}/{_holder(seen)}", by_ip))
        if not applying:
            return None
        events = sum(isinstance(event, SentEvent) for event in submission.events)
        return Allowance(applying, max(events, 1), self._clock)


@lru_cache(maxsize=4_096)
def _holder(ip: str) -> str:
    """Who holds the address: of IPv6 everybody has a network of 64 bits, and of IPv4 a translator's address too."""
    address = read_address(ip)
    four = address and four_within(address)
    if four is not None:
        return str(four)
    return str(int(address) >> 64) if isinstance(address, IPv6Address) else ip
