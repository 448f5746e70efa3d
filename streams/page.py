"""What an event's address and referrer say, looked up once for all events of a page."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from streams.columns import Columns
from streams.enrich.properties import safe_properties
from streams.enrich.source import settle_source
from streams.enrich.url import LONGEST_CACHED, Location, parse_location

CACHE_ENTRIES = 8_192


class Page(NamedTuple):
    """``said``: what the address adds to an event's properties; ``properties``: that made safe, None if it takes the
    event's own to know; ``own``: the columns ``path`` and ``origin``.
    """

    said: Mapping[str, Any]
    own: Columns
    source: Columns
    properties: Mapping[str, Any] | None


def page_of(path: str, referrer: str, origins: tuple[str, ...]) -> Page:
    """What an event's address and referrer say on a site of those origins. Never raises."""
    return (_page if len(path) <= LONGEST_CACHED else _page.__wrapped__)(path, referrer, origins)


@lru_cache(maxsize=CACHE_ENTRIES)
def _page(path: str, referrer: str, origins: tuple[str, ...]) -> Page:
    location = parse_location(path)
    said = _said_by(location)
    properties, changed = safe_properties(said)
    own = Columns({"path": location.path, "origin": location.origin})
    return Page(said, own, Columns(settle_source(referrer, location, origins)), None if changed else properties)


def _said_by(location: Location) -> dict[str, Any]:
    """What an address adds to an event's properties: its query and fragment."""
    said: dict[str, Any] = {}
    if location.query:
        said["__query"] = {key.replace(".", "_"): value for key, value in location.query}
    if location.hash:
        said["__hash"] = location.hash
    return said
