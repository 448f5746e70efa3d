"""Origins whose pages may send without a secret, as a project lists them."""

import re
from dataclasses import dataclass

_REMEMBERED = 1_000
_LONGEST = 512
"""Longer ones are not remembered: no page has one, and whoever sends them could fill the memory."""
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@:\\\s\[\]]+)(?::([0-9]{1,5}))?/?")
"""Scheme, host and port: an Origin header says nothing else, so what does is no origin."""
_WEB = ("http", "https")
_HOST = re.compile(r"[^/?#@:\\\s\[\]*]+")


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One allowed origin. ``scheme`` empty: http and https. ``port`` None: the scheme's own; ``*``: any."""

    scheme: str
    host: str
    port: str | None
    subdomains: bool


class Origins:
    """A project's list; see ``schemas.control.ProjectRecord.origins``."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        self._patterns = [parsed for entry in entries if (parsed := _parse_pattern(entry)) is not None]
        self._named = [pattern for pattern in self._patterns if pattern.host]
        self._known: dict[str, bool] = {}

    def allow(self, origin: str) -> bool:
        """Whether pages of this origin (the Origin header) may send without a secret."""
        if len(origin) > _LONGEST:
            return _matches(origin, self._patterns)
        known = self._known.get(origin)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[origin] = _matches(origin, self._patterns)
        return known

    def name(self, origin: str) -> bool:
        """Whether an entry other than the star for any origin allows this one."""
        return _matches(origin, self._named)


def is_origin_entry(entry: str) -> bool:
    """Whether an entry of a project's list can ever allow a page."""
    pattern = _parse_pattern(entry)
    if pattern is None:
        return False
    return not pattern.host or _HOST.fullmatch(pattern.host) is not None


def _parse_pattern(entry: str) -> _Pattern | None:
    text = entry.strip().lower()
    if text == "*":
        return _Pattern("", "", "*", subdomains=True)
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    host, _, port = rest.rstrip("/").partition(":")
    if subdomains := host.startswith("*."):
        host = host[2:]
    # A star anywhere else means nothing, and must not come to mean everything.
    if not host or "*" in host or "/" in host:
        return None
    return _Pattern(scheme, host if subdomains else host.removeprefix("www."), port or None, subdomains)


def _matches(origin: str, patterns: list[_Pattern]) -> bool:
    if any(pattern.port == "*" and not pattern.host for pattern in patterns):
        return True
    parts = _ORIGIN.fullmatch(origin.lower())
    if parts is None:
        return False
    scheme, host, port = parts[1], parts[2], parts[3] or ""
    for pattern in patterns:
        if scheme != pattern.scheme if pattern.scheme else scheme not in _WEB:
            continue
        if pattern.port != "*" and port != (pattern.port or ""):
            continue
        if pattern.subdomains and host.endswith("." + pattern.host):
            return True
        if not pattern.subdomains and host.removeprefix("www.") == pattern.host:
            return True
    return False
