"""Where a visit came from: the referring address or campaign source, by name and type."""

from functools import cache, lru_cache
from typing import NamedTuple

from schemas.clean_text import clean_text
from streams.enrich.referrer_names import BY_TYPE
from streams.enrich.url import parse_query, split_origin

MAX_REFERRER = 1_024
"""Characters of a referrer that are looked at and kept."""
MAX_SOURCE = 256
CACHE_ENTRIES = 8_192

_APP_SCHEMES = ("android-app://", "ios-app://")
_MOST_LABELS = 10
"""Labels at a host's end that are looked at: no name here has more, and senders may write hundreds."""
_SECOND_LEVEL = frozenset({"co", "com", "org", "net", "ne", "or", "gov", "ac"})


class Referrer(NamedTuple):
    """Where a visit came from. All empty: directly, or from the same site.

    ``url`` has no fragment, no user name and no closing slash. ``name`` is the service's name if it has one here,
    else the host without ``www.``, else the source as given. ``type`` is a key of ``referrer_names.BY_TYPE``
    (``search``, ``social``, ``email``, ``ai`` …), or empty.
    """

    url: str = ""
    name: str = ""
    type: str = ""


DIRECT = Referrer()


class _Names(NamedTuple):
    hosts: dict[str, tuple[str, str]]
    brands: dict[str, tuple[str, str]]
    """``google`` or ``images.google``: hosts under any country's ending."""
    apps: dict[str, tuple[str, str]]
    sources: dict[str, tuple[str, str]]


@cache
def _names() -> _Names:
    names = _Names({}, {}, {}, {})
    for kind, table in BY_TYPE.items():
        for line in table.strip().splitlines():
            name, _, entries = line.partition(" = ")
            found = (name, kind)
            names.sources.setdefault(name.lower(), found)
            for entry in entries.split():
                if entry.startswith("app:"):
                    names.apps[entry.removeprefix("app:")] = found
                elif entry.endswith(".*"):
                    names.brands[entry.removesuffix(".*")] = found
                elif "." in entry:
                    names.hosts[entry] = found
                else:
                    names.sources[entry] = found
    return names


def parse_referrer(raw: str, own_origin: str = "") -> Referrer:
    """The referrer of an event on a page of ``own_origin`` (as ``parse_location`` gives it). Never raises.

    The same host, with or without ``www.``, is no referrer. A referrer that is no address (an app's install
    referrer such as ``utm_source=ads&…``) is looked up as a source.
    """
    if not raw:
        return DIRECT
    return _parse(raw[:MAX_REFERRER], own_origin)


def referrer_from_source(source: str) -> Referrer:
    """Name and type of what a link says of itself (``utm_source``, ``ref``); unknown ones name themselves."""
    if not source:
        return DIRECT
    return _from_source(source[:MAX_SOURCE])


@lru_cache(maxsize=CACHE_ENTRIES)
def _parse(raw: str, own_origin: str) -> Referrer:
    text = clean_text(raw)
    if text.startswith(_APP_SCHEMES):
        return _from_app(text)
    origin, rest = split_origin(text)
    if not origin:
        if "utm_source=" in text:
            return _from_source(parse_query(text).get("utm_source", ""))
        return _from_source(text[:MAX_SOURCE]) if text else DIRECT
    host = _bare_host(origin)
    if own_origin and host == _bare_host(own_origin):
        return DIRECT
    name, kind = _of_host(host) or (host, "")
    return Referrer((origin + rest.partition("#")[0]).rstrip("/"), name, kind)


def _from_app(text: str) -> Referrer:
    app = text.partition("://")[2].strip("/").partition("/")[0]
    name, kind = _names().apps.get(app) or (app, "")
    return Referrer(text.rstrip("/"), name, kind)


def _bare_host(origin: str) -> str:
    host = origin.partition("://")[2]
    if not host.startswith("["):
        host = host.partition(":")[0]
    return host.removeprefix("www.").rstrip(".")


def _of_host(host: str) -> tuple[str, str] | None:
    """The longest known ending of a host."""
    names = _names()
    labels = host.rsplit(".", _MOST_LABELS)[-_MOST_LABELS:]
    for first in range(len(labels) - 1):
        if found := names.hosts.get(".".join(labels[first:])):
            return found
        # What follows the brand must be an ending of a country or a generic one, so that google.evil.com is not Google.
        for endings in (1, 2):
            ending = labels[len(labels) - endings :]
            brand = labels[first : len(labels) - endings]
            plain = len(ending[-1]) <= 3 if endings == 1 else ending[0] in _SECOND_LEVEL and len(ending[1]) == 2
            if brand and plain and (found := names.brands.get(".".join(brand))):
                return found
    return None


@lru_cache(maxsize=CACHE_ENTRIES)
def _from_source(raw: str) -> Referrer:
    source = clean_text(raw).lower()
    if not source:
        return DIRECT
    names = _names()
    found = names.sources.get(source) or _of_host(source.removeprefix("www.")) or names.hosts.get(f"{source}.com")
    name, kind = found or (source, "")
    return Referrer("", name, kind)
