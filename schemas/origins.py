"""Origins whose pages may send without a secret, as a project lists them.

An Origin header is read strictly, as RFC 6454 writes one: ``scheme://host`` or ``scheme://host:port``, and nothing
before, between or after. Whatever else is sent is no origin and is allowed by no entry but the star for any.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna

_REMEMBERED = 1_000
_LONGEST = 512
"""Longer ones are not remembered: no page has one, and whoever sends them could fill the memory."""
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
"""An underscore is in no registered name, but in names of hosts that browsers open all the same."""
_LONGEST_HOST = 253
_HIGHEST_PORT = 65_535
_WEB = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One allowed origin. ``scheme`` empty: http and https. ``port`` empty: the scheme's own; ``*``: any. ``host``
    empty: any origin at all, even what is none.
    """

    scheme: str
    host: str
    port: str
    subdomains: bool

    def allows(self, scheme: str, host: str, port: str) -> bool:
        if scheme != self.scheme if self.scheme else scheme not in _WEB:
            return False
        own = _WEB.get(scheme, "")
        if self.port != "*" and (port or own) != (self.port or own):
            return False
        if self.subdomains:
            return host.endswith("." + self.host) and not _is_address(host)
        return host.removeprefix("www.") == self.host


class Origins:
    """A project's list; see ``schemas.control.ProjectRecord.origins``."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        self._patterns = [parsed for entry in entries if (parsed := _parse_pattern(entry)) is not None]
        self._any = any(not pattern.host for pattern in self._patterns)
        self._known: dict[str, bool] = {}

    def allow(self, origin: str) -> bool:
        """Whether pages of this origin (the Origin header) may send without a secret."""
        if self._any:
            return True
        if len(origin) > _LONGEST:
            return False
        known = self._known.get(origin)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[origin] = self._matches(origin)
        return known

    def _matches(self, origin: str) -> bool:
        parts = _ORIGIN.fullmatch(origin.lower())
        if parts is None:
            return False
        scheme, host, port = parts[1], canonical_host(parts[2]), parts[3] or ""
        if not host or (port and int(port) > _HIGHEST_PORT):
            return False
        return any(pattern.allows(scheme, host, port) for pattern in self._patterns)


def is_origin_entry(entry: str) -> bool:
    """Whether an entry of a project's list can ever allow a page."""
    return _parse_pattern(entry) is not None


def named_host(entry: str) -> tuple[str, bool] | None:
    """The host of the web that an entry names, and whether it means its subdomains; None for any other entry."""
    pattern = _parse_pattern(entry)
    if pattern is None or not pattern.host or pattern.scheme not in ("", *_WEB):
        return None
    return pattern.host, pattern.subdomains


def canonical_host(text: str) -> str:
    """A host in the one spelling that browsers send: lower case, IDN in ASCII, IPv6 in brackets and shortened. Empty
    if it is no host: an empty label (so also a dot at the end), a port or a user's name with it.
    """
    host = text.strip().lower()
    if host.startswith("["):
        try:
            return f"[{IPv6Address(host[1:].removesuffix(']'))}]" if host.endswith("]") and "%" not in host else ""
        except AddressValueError:
            return ""
    if len(host) > _LONGEST_HOST:
        return ""
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return ""
    labels = host.split(".")
    if len(host) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        return ""
    # What ends in a number is an IPv4 address to a browser, or no host at all.
    return "" if labels[-1].isdigit() and not _is_address(host) else host


def _is_address(host: str) -> bool:
    if host.startswith("["):
        return True
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True


def _parse_pattern(entry: str) -> _Pattern | None:
    text = entry.strip().lower()
    if text == "*":
        return _Pattern("", "", "*", subdomains=True)
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    elif not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        return None
    name, port = _without_port(rest.removesuffix("/"))
    if port and port != "*" and not (port.isascii() and port.isdigit() and 0 < int(port[:9]) <= _HIGHEST_PORT):
        return None
    subdomains = name.startswith("*.")
    # A star anywhere else means nothing, and must not come to mean everything; nor has an address subdomains.
    host = canonical_host(name[2:] if subdomains else name)
    if not host or (subdomains and (_is_address(host) or host.rpartition(".")[2].isdigit())):
        return None
    port = port if port in ("", "*") else str(int(port))
    return _Pattern(scheme, host if subdomains else host.removeprefix("www."), port, subdomains)


def _without_port(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        address, bracket, rest = authority.partition("]")
        if rest and not rest.startswith(":"):
            return "", ""
        return address + bracket, rest[1:]
    host, _, port = authority.partition(":")
    return host, port
