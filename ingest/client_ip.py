"""Whose address a request came from.

The order: ``openpanel-client-ip`` and ``x-client-ip``, which an integration sets on purpose for its visitor (they say
no more than the property ``__ip``, which every sender may set); then, only if the connection comes from a trusted
proxy, what that proxy says; then the connection itself. Addresses that are not public are never taken from a header.
Limits on senders count by what was seen, never by what was stated.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from schemas.address import MAX_ADDRESS, Address, read_address

STATED = (b"openpanel-client-ip", b"x-client-ip")
"""Headers by which an integration names its visitor's address."""
FORWARDED = b"x-forwarded-for"
STANDARD = b"forwarded"
"""The same in the words of RFC 7239."""
FROM_PROXY = (
    b"true-client-ip",
    b"cf-connecting-ip",
    FORWARDED,
    b"x-real-ip",
    b"fastly-client-ip",
    b"x-cluster-client-ip",
    b"x-appengine-user-ip",
    b"do-connecting-ip",
    b"x-nf-client-connection-ip",
    STANDARD,
)
"""Headers that count only from a trusted proxy, in this order unless the settings have another."""
_FOR = re.compile(rb'(?:^|[;,])\s*for\s*=\s*("[^"]*"|[^;,\s]*)', re.IGNORECASE)
_NAT64 = IPv6Network("64:ff9b::/96")
_CACHE = 4_096
_LONGEST_FORWARDED = 1_024


def parse_address(text: str) -> Address | None:
    """The address in ``text`` (a port or brackets may be around it), IPv4 unwrapped from IPv6, or None."""
    text = text.strip()
    return _parse(text) if len(text) <= MAX_ADDRESS else None


@lru_cache(maxsize=_CACHE)
def _parse(text: str) -> Address | None:
    text = text.strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return read_address(text.partition("%")[0])


def four_within(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address carries whose network translates (NAT64, RFC 6052) or tunnels (6to4, RFC
    3056): one holder has both.
    """
    if not isinstance(address, IPv6Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.sixtofour


def _public(value: bytes) -> str:
    return _public_text(value) if len(value) <= MAX_ADDRESS else ""


@lru_cache(maxsize=_CACHE)
def _public_text(value: bytes) -> str:
    address = parse_address(value.decode("latin-1"))
    return str(address) if address is not None and address.is_global else ""


def given_address(text: str) -> str:
    """The address a sender put into an event, in canonical text; empty if it is none."""
    return _canonical(text) if len(text) <= MAX_ADDRESS else ""


@lru_cache(maxsize=_CACHE)
def _canonical(text: str) -> str:
    address = parse_address(text)
    return str(address) if address is not None else ""


class ClientIp:
    """Finds a request's client address. Pure apart from bounded caches."""

    def __init__(self, trusted: tuple[str, ...], from_proxy: tuple[bytes, ...] = FROM_PROXY) -> None:
        """``trusted``: networks of proxies; ``from_proxy``: the headers they set, in order."""
        self._from_proxy = from_proxy
        self._proxy_headers = frozenset(from_proxy)
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(network) for network in trusted]
        self._is_trusted = lru_cache(maxsize=_CACHE)(self._look_up)
        self._forwarded = lru_cache(maxsize=_CACHE // 2)(self._walk)

    def __call__(self, headers: Mapping[bytes, bytes], peer: str) -> str:
        """Canonical text of the visitor's address, empty if even the connection has none.

        ``headers``: by lower-case name; several ``x-forwarded-for`` lines joined by commas. ``peer``: the address of
        the connection.
        """
        return self.stated(headers) or self.seen(headers, peer)

    def stated(self, headers: Mapping[bytes, bytes]) -> str:
        """The address an integration names as its visitor's; empty if it names none. Anybody may name any."""
        for name in STATED:
            value = headers.get(name)
            if value is not None and (found := _public(value)):
                return found
        return ""

    def seen(self, headers: Mapping[bytes, bytes], peer: str) -> str:
        """The address the request came from, by what can be believed: limits on senders count by it."""
        # Most requests have none of these headers.
        if not self._proxy_headers.isdisjoint(headers) and self._is_trusted(peer):
            for name in self._from_proxy:
                value = headers.get(name)
                if value is None:
                    continue
                if name in (FORWARDED, STANDARD):
                    found = self._forwarded(_nearest(value), name == STANDARD)
                else:
                    found = _public(value)
                if found:
                    return found
        return given_address(peer)

    def _look_up(self, peer: str) -> bool:
        address = parse_address(peer)
        return address is not None and any(address in network for network in self._networks)

    def _walk(self, value: bytes, standard: bool) -> str:
        entries = _FOR.findall(value) if standard else value.split(b",")
        # The right end was written by the proxy next to us, the left end by anybody: the first address from the
        # right that is not a proxy of ours is the one that was really seen.
        for entry in reversed(entries):
            address = parse_address(entry.decode("latin-1"))
            if address is None:
                return ""
            if any(address in network for network in self._networks):
                continue
            return str(address) if address.is_global else ""
        return ""


def _nearest(value: bytes) -> bytes:
    # Only the right end is to be believed, so a list without measure is cut at its left, between two entries.
    if len(value) <= _LONGEST_FORWARDED:
        return value
    return value[-_LONGEST_FORWARDED:].partition(b",")[2]
