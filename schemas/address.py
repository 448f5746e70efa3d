"""Addresses of visitors, as text."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import AF_INET, inet_pton

MAX_ADDRESS = 64
"""No address is longer. What is longer is not even remembered: anybody could fill the memory."""
CACHE_ENTRIES = 8_192

Address = IPv4Address | IPv6Address


def read_address(text: str) -> Address | None:
    """The address a text is, IPv4 unwrapped from IPv6, or None. Never raises."""
    return _read(text) if text and len(text) <= MAX_ADDRESS else None


def truncate_ip(ip: str) -> str:
    """The address without what tells its holder from the neighbours: IPv4 without its last octet, IPv6 without its
    last 80 bits (the rest zero). Empty if it is no address. Never raises.
    """
    return _truncated(ip) if ip and len(ip) <= MAX_ADDRESS else ""


@lru_cache(maxsize=CACHE_ENTRIES)
def _read(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=CACHE_ENTRIES)
def _truncated(ip: str) -> str:
    try:
        octets = inet_pton(AF_INET, ip)  # nearly all addresses, at a tenth of the cost
    except (OSError, ValueError):
        address = _read(ip)
        if address is None:
            return ""
        if isinstance(address, IPv6Address):
            return str(IPv6Address(int(address) >> 80 << 80))
        octets = address.packed
    return f"{octets[0]}.{octets[1]}.{octets[2]}.0"
