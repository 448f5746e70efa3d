"""A project's filters: what is never stored, by address, profile, country, path or user agent. The same rule for
gateway and workers.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from schemas.address import Address, read_address

MAX_FILTERS = 1_000
MAX_VALUE = 512


class FilterKind(StrEnum):
    """What a filter looks at; its value is what is named beside it."""

    IP = "ip"
    """An address (``81.2.69.142``) or a network (``2001:db8::/32``)."""
    PROFILE_ID = "profile_id"
    """A profile's id, all of it."""
    COUNTRY = "country"
    """ISO 3166-1 alpha-2; case makes no difference."""
    PATH = "path"
    """A page's path, all of it; a star stands for any characters, none too: ``/admin/*``."""
    USER_AGENT = "user_agent"
    """A part of the user agent; case makes no difference."""


class FilterRecord(BaseModel):
    """One filter. A kind that is not known (a newer Weir's) filters nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    value: str


def check_filter(kind: str, value: str) -> FilterRecord:
    """The filter in its canonical form.

    :raises ValueError: a sentence saying why it can't be one.
    """
    text = value.strip()
    if kind not in tuple(FilterKind):
        raise ValueError(f"There is no filter of kind {kind}: {', '.join(FilterKind)}.")
    if not text or len(text) > MAX_VALUE:
        raise ValueError(f"A filter's value has 1 to {MAX_VALUE} characters.")
    if kind == FilterKind.IP:
        network = _network(text)
        if network is None:
            raise ValueError(f"{text} is neither an address nor a network like 10.1.0.0/16 or 2001:db8::/32.")
        text = str(network if network.prefixlen < network.max_prefixlen else network.network_address)
    if kind == FilterKind.COUNTRY:
        text = text.upper()
        if not (len(text) == 2 and text.isascii() and text.isalpha()):
            raise ValueError(f"{text} is no country: two letters, as in ISO 3166, like CH.")
    return FilterRecord(kind=kind, value=text)


class _Path(NamedTuple):
    """A pattern cut at its stars."""

    first: str
    middle: tuple[str, ...]
    last: str

    def matches(self, path: str) -> bool:
        # Each piece at the first place it fits: no pattern can make this take long.
        if not (path.startswith(self.first) and path.endswith(self.last)):
            return False
        at, end = len(self.first), len(path) - len(self.last)
        for piece in self.middle:
            found = path.find(piece, at, max(end, at))
            if found < 0:
                return False
            at = found + len(piece)
        return at <= end


class Filters:
    """A project's filters, ready to be asked. Pure, and nothing of it changes; empty texts match nothing."""

    __slots__ = (
        *("_addresses", "_agents", "_any", "_countries", "_networks", "_paths", "_patterns", "_profiles"),
        "looks_at_ips",
    )

    def __init__(self, records: Iterable[FilterRecord] = ()) -> None:
        values: dict[str, list[str]] = {}
        for record in records:
            values.setdefault(record.kind, []).append(record.value)
        networks = [network for text in values.get(FilterKind.IP, ()) if (network := _network(text)) is not None]
        self._addresses = {each.network_address for each in networks if each.prefixlen == each.max_prefixlen}
        self._networks = tuple(each for each in networks if each.prefixlen < each.max_prefixlen)
        self._profiles = frozenset(values.get(FilterKind.PROFILE_ID, ()))
        self._countries = frozenset(value.upper() for value in values.get(FilterKind.COUNTRY, ()))
        paths = values.get(FilterKind.PATH, ())
        self._paths = frozenset(value for value in paths if "*" not in value)
        self._patterns = tuple(_pattern(value) for value in paths if "*" in value)
        self._agents = tuple(value.lower() for value in values.get(FilterKind.USER_AGENT, ()) if value)
        self.looks_at_ips = bool(networks)
        self._any = bool(networks or self._profiles or self._countries or paths or self._agents)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self._any

    def ip(self, ip: str) -> bool:
        """Whether events from this address are filtered."""
        if not self.looks_at_ips:
            return False
        address = read_address(ip)
        return address is not None and (address in self._addresses or _within(address, self._networks))

    def profile_id(self, profile_id: str) -> bool:
        """Whether events of this profile are filtered."""
        return bool(profile_id) and profile_id in self._profiles

    def country(self, country: str) -> bool:
        """Whether events from this country are filtered."""
        return bool(country) and country in self._countries

    def path(self, path: str) -> bool:
        """Whether events on this page are filtered."""
        return bool(path) and (path in self._paths or any(pattern.matches(path) for pattern in self._patterns))

    def user_agent(self, user_agent: str) -> bool:
        """Whether events of this user agent are filtered."""
        if not self._agents or not user_agent:
            return False
        text = user_agent.lower()
        return any(part in text for part in self._agents)

    def matches(self, *, ip: str, profile_id: str, country: str, path: str, user_agent: str) -> FilterKind | None:
        """What about the event is filtered first, or None."""
        asked: tuple[tuple[FilterKind, Callable[[str], bool], str], ...] = (
            (FilterKind.IP, self.ip, ip),
            (FilterKind.PROFILE_ID, self.profile_id, profile_id),
            (FilterKind.COUNTRY, self.country, country),
            (FilterKind.PATH, self.path, path),
            (FilterKind.USER_AGENT, self.user_agent, user_agent),
        )
        return next((kind for kind, filtered, value in asked if filtered(value)), None)


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    # Visitors' addresses are unwrapped, so networks of wrapped ones are too.
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _within(address: Address, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)


def _pattern(value: str) -> _Path:
    first, *middle, last = value.split("*")
    return _Path(first, tuple(piece for piece in middle if piece), last)
