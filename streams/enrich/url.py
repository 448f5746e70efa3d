"""The parts of a page's address: path, origin, query, fragment and campaign."""

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_plus

from schemas.clean_text import clean_text
from streams.enrich.click_ids import click_source

MAX_URL = 4_096
"""Characters of an address that are looked at; the rest is cut off."""
MAX_QUERY_KEYS = 64
MAX_QUERY_KEY = 128
MAX_QUERY_VALUE = 1_024
CACHE_ENTRIES = 8_192
LONGEST_CACHED = 1_024
"""Characters; longer addresses hardly come twice, and would fill the memory."""

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Location(NamedTuple):
    """Where an event happened. Empty texts stand for what the address does not say.

    ``origin`` is ``scheme://host[:port]`` in lower case, without user name or default port. ``path`` begins with
    ``/`` for addresses; a screen's name (``Home/Details``) is kept as it came. ``hash`` begins with ``#``. ``query``
    has every key once with its last value, decoded. ``source`` is what the link says of where it was placed:
    ``utm_source``, else ``ref``, else ``utm_referrer``; ``click_source`` whose click id it carries.

    A fragment that is a path (``#/cart``, ``#!/cart``: hash routing) is part of the path, and its query of the query.
    """

    path: str
    origin: str = ""
    query: tuple[tuple[str, str], ...] = ()
    hash: str = ""
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_term: str = ""
    utm_content: str = ""
    source: str = ""
    click_source: str = ""


_NOWHERE = Location("")


def parse_location(raw: str) -> Location:
    """Take an address apart: an absolute http(s) URL, a path from ``/`` on, or the name of a screen. Never raises."""
    if len(raw) > LONGEST_CACHED:
        return _parse.__wrapped__(raw[:MAX_URL])
    return _parse(raw)


def split_origin(url: str) -> tuple[str, str]:
    """Origin and rest of an absolute http(s) URL; an empty origin and the text itself if it is not one."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        return "", url
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    host = rest[:end].rpartition("@")[2].lower().removesuffix(_DEFAULT_PORTS[scheme]).rstrip(":")
    return (f"{scheme}://{host}" if host else ""), rest[end:]


@lru_cache(maxsize=CACHE_ENTRIES)
def _parse(raw: str) -> Location:
    text = clean_text(raw)
    if not text:
        return _NOWHERE
    origin, rest = split_origin(text)
    if not origin and not text.startswith("/"):
        return Location(text)
    rest, mark, fragment = rest.partition("#")
    path, _, query_text = rest.partition("?")
    route = fragment.removeprefix("!")
    if route.startswith("/"):
        route, _, more = route.partition("?")
        query_text = f"{query_text}&{more}" if query_text and more else query_text or more
        path, fragment = f"{path or '/'}#{route}", ""
    query = parse_query(query_text) if query_text else {}
    known = {key.lower(): value for key, value in query.items()} if query else query
    utm_source = known.get("utm_source", "")
    return Location(
        path=path or "/",
        origin=origin,
        query=tuple(query.items()),
        hash=f"#{fragment}" if mark and fragment else "",
        utm_source=utm_source,
        utm_medium=known.get("utm_medium", ""),
        utm_campaign=known.get("utm_campaign", ""),
        utm_term=known.get("utm_term", ""),
        utm_content=known.get("utm_content", ""),
        source=utm_source or known.get("ref", "") or known.get("utm_referrer", ""),
        click_source=click_source(known),
    )


def parse_query(text: str) -> dict[str, str]:
    """The pairs of a query, decoded; a repeated key keeps its last value; at most 64 keys, cut to their limits."""
    query: dict[str, str] = {}
    for pair in text.split("&"):
        key, _, value = pair.partition("=")
        if "%" in key or "+" in key:
            key = clean_text(unquote_plus(key))
        if "%" in value or "+" in value:
            value = clean_text(unquote_plus(value))
        key = key[:MAX_QUERY_KEY]
        if key and (len(query) < MAX_QUERY_KEYS or key in query):
            query[key] = value[:MAX_QUERY_VALUE]
    return query
