"""What a process remembers of its senders, at worst: everybody may send what nobody has sent before."""

import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest

from ingest import anonymize, bundle, client_ip, rules, sender, visitor
from ingest.protocols import event_names
from ingest.rate_limits import TokenBuckets
from ingest.sessions_reader import LiveSessions
from ingest.settings import GatewaySettings
from schemas import address, agent, bots, partition
from schemas.control import RateLimit
from schemas.session_id import session_id

SOME = 500
"""Entries that are measured."""
LIMIT = RateLimit(per_second=1, burst=10)
SESSIONS = GatewaySettings.model_fields["gateway_session_entries"].default
Remember = Callable[[int], object]


def headers_of(number: int, length: int) -> dict[bytes, bytes]:
    """Headers that take as much room as this length can."""
    start = b"%06d" % number + b'"\xe4' * 1_024
    return {name: start[: min(bound, length)] for name, bound in zip(sender._NAMES, sender._BOUNDS, strict=True)}


def head(number: int, length: int = 56) -> None:
    described = sender.describe_sender(headers_of(number, length))
    make = bundle._remembered_head if described.common else bundle._head
    make("p" * 20, "openpanel", "c" * 36, described)


def text(number: int, length: int, filling: str = "x") -> str:
    return f"{number:06d}{filling * (length - 6)}"


def ip(number: int) -> str:
    return f"2001:db8:{number:x}::1"


FOUND = client_ip.ClientIp(("10.0.0.0/8",))
BUCKETS, LIVE = TokenBuckets(10_000), LiveSessions(10_000)


def bucket(number: int) -> None:
    BUCKETS.take(f"{'p' * 40}/{number << 80}", LIMIT, 1, float(number))


def shorten(number: int) -> None:
    visitors = f"2002:{number & 0xFFFF:x}:{number >> 16:x}::1", ip(number), f"81.2.{number >> 8 & 255}.{number & 255}"
    known = anonymize.shortener(visitors)
    known.sender(sender.describe_sender(headers_of(number, 56)))
    known.agent(text(number, 2_048, "\U0001f600") + visitors[1])


def sessions(number: int) -> None:
    for time_ms in (1_772_625_600_000 + number, 1_772_635_600_000 + number):
        LIVE.begin("p" * 20, f"{number:032x}", time_ms, "e")
    session_id.cache_clear()  # counted by itself


MEMORIES: dict[str, tuple[int | None, Remember]] = {
    "headers": (sender._remembered.cache_info().maxsize, head),
    "addresses, shortened": (anonymize._REMEMBERED, shorten),
    "devices": (
        visitor._remembered.cache_info().maxsize,
        lambda n: visitor._hash(b"s" * 32, "p" * 20, "81.2.69.142", text(n, 512)),
    ),
    "programs": (agent._remembered_server.cache_info().maxsize, lambda n: agent.is_server(text(n, 512))),
    "crawlers": (bots._remembered.cache_info().maxsize, lambda n: bots.find_bot(text(n, 512))),
    "partitions": (
        partition._remembered.cache_info().maxsize,
        lambda n: partition.partition_hash("p" * 20, text(n, 64)),
    ),
    "session ids": (session_id.cache_info().maxsize, lambda n: session_id("p" * 20, text(n, 64, "\U0001f600"), 1)),
    "names": (
        event_names._objection.cache_info().maxsize,
        lambda n: event_names.check_name(text(n, 80, "\U0001f600")),
    ),
    "addresses, public": (client_ip._CACHE, lambda n: client_ip._public(ip(n).encode())),
    "addresses, given": (client_ip._CACHE, lambda n: client_ip.given_address(text(n, 64, "\U0001f600"))),
    "addresses, forwarded": (
        FOUND._forwarded.cache_info().maxsize,
        lambda n: FOUND._forwarded(b"%06d" % n + b"1" * 1_000, False),
    ),
    "addresses, read": (address.CACHE_ENTRIES, lambda n: address.read_address(text(n, 64, "\U0001f600"))),
    "addresses, cut": (address.CACHE_ENTRIES, lambda n: address.truncate_ip(ip(n))),
    "addresses, holders": (rules._holder.cache_info().maxsize, lambda n: rules._holder(ip(n))),
    "buckets": (rules._CLIENTS + 2 * rules._ADDRESSES, bucket),
    "sessions": (SESSIONS, sessions),
}
"""How many entries each holds at most, and how to make it remember one that takes as much room as any."""


def bytes_of(remember: Remember, entries: int = SOME, first: int = 700_000) -> int:
    """What so many new entries take."""
    remember(999_998)
    tracemalloc.start()
    for number in range(first, first + entries):
        remember(number)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return taken


def test_what_is_remembered_takes_less_than_a_hundred_megabytes() -> None:
    """docs/ingest.md says so."""
    bots.load_bots()
    session_id.cache_clear()
    sizes = {name: bytes_of(remember) / SOME for name, (_, remember) in MEMORIES.items()}
    found = {name: sizes[name] * (most or 0) / 1e6 for name, (most, _) in MEMORIES.items()}
    assert all(found.values()), found
    assert sum(found.values()) < 100, found


@pytest.mark.parametrize(
    "remember",
    [
        partial(head, length=4_096),
        lambda n: visitor._hash(b"s" * 32, "p" * 20, "81.2.69.142", text(n, 512, "\U0001f600")),
        lambda n: visitor._hash(b"s" * 32, "p" * 20, "81.2.69.142", text(n, 2_048)),
        lambda n: agent.is_server(text(n, 1_024)),
        lambda n: bots.find_bot(text(n, 1_024)),
        lambda n: partition.partition_hash("p", text(n, 256)),
        lambda n: client_ip.given_address(text(n, 10_000)),
    ],
    ids=["headers", "devices, wide", "devices, long", "programs", "crawlers", "partitions", "addresses"],
)
def test_what_no_browser_sends_is_not_remembered(remember: Remember) -> None:
    # The least of several: other threads' memory is counted, too.
    assert min(bytes_of(remember, 100, first) for first in (700_000, 710_000, 720_000)) < 20_000
