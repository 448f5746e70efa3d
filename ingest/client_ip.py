"""Whose address a request came from.

The order: ``openpanel-client-ip`` and ``x-client-ip``, which an integration sets on purpose for its visitor (they say
no more than the property ``__ip``, which every sender may set); then, only if the connection comes from a trusted
proxy, what that proxy says; then the connection itself. Addresses that are not public are never taken from a header.
"""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

STATED = (b"openpanel-client-ip", b"x-client-ip")
"""Headers by which an integration names its visitor's address."""
FORWARDED = b"x-forwarded-for"
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
)
"""Headers that count only from a trusted proxy, in this order."""
_CACHE = 8_192
_LONGEST_ADDRESS = 64
"""No address is longer, even with a port. What is longer is not even remembered: anybody could fill the memory."""
_LONGEST_FORWARDED = 1_024


def parse_address(text: str) -> Address | None:
    """The address in ``text`` (a port or brackets may be around it), IPv4 unwrapped from IPv6, or None."""
    text = text.strip()
    return _parse(text) if len(text) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=_CACHE)
def _parse(text: str) -> Address | None:
    text = text.strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _public(value: bytes) -> str:
    return _public_text(value) if len(value) <= _LONGEST_ADDRESS else ""


@lru_cache(maxsize=_CACHE)
def _public_text(value: bytes) -> str:
    address = parse_address(value.decode("latin-1"))
    return str(address) if address is not None and address.is_global else ""


def given_address(text: str) -> str:
    """The address a sender put into an event, in canonical text; empty if it is none."""
    return _canonical(text) if len(text) <= _LONGEST_ADDRESS else ""


@lru_cache(maxsize=_CACHE)
def _canonical(text: str) -> str:
    address = parse_address(text)
    return str(address) if address is not None else ""


class ClientIp:
    """Finds a request's client address. Pure apart from bounded caches."""

    def __init__(self, trusted: tuple[str, ...]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(network) for network in trusted]
        self._is_trusted = lru_cache(maxsize=_CACHE)(self._look_up)
        self._forwarded = lru_cache(maxsize=_CACHE)(self._walk)

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
        if self._is_trusted(peer):
            for name in FROM_PROXY:
                value = headers.get(name)
                if value is None:
                    continue
                found = self._forwarded(_nearest(value)) if name is FORWARDED else _public(value)
                if found:
                    return found
        return given_address(peer)

    def _look_up(self, peer: str) -> bool:
        address = parse_address(peer)
        return address is not None and any(address in network for network in self._networks)

    def _walk(self, value: bytes) -> str:
        # The right end was written by the proxy next to us, the left end by anybody: the first address from the
        # right that is not a proxy of ours is the one that was really seen.
        for entry in reversed(value.decode("latin-1").split(",")):
            address = parse_address(entry)
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
