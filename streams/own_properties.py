"""Which of an event's properties are stored as such, and what is put beside them."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from streams.enrich.measures import MEASURED, PREVIOUS, SINGLE_VITALS, measured
from streams.enrich.properties import is_plain_path, safe_plain, safe_properties
from streams.page import Page
from streams.sender import OVERRIDES

_CACHE_ENTRIES = 2_048
_LONGEST_NAMES = 2_048
"""Characters of an event's names of properties that are remembered together."""
_TAKEN = frozenset(
    {"__path", "__referrer", "__title", "__timestamp", "__revenue", "__currency", "__deviceId", "__ip", "__identify"}
    | {"__language", "__screen", "__bot", "__bot_reasons", PREVIOUS}
)
"""Properties that have a column or a meaning of their own, or that only we may set: not stored as properties."""
_BELOW_PREVIOUS = f"{PREVIOUS}."
_PLACED = frozenset({"__query", "__hash", "__scroll_depth", "__web_vitals"})
"""Properties that we set; a sender's own of that name is put below what we say."""
_SPECIAL = OVERRIDES | _PLACED | MEASURED


def own_properties(name: str, given: Mapping[str, Any], page: Page, stored: tuple[str, ...] | None) -> dict[str, Any]:
    """The sender's own properties, what the page measured, and the address's query and fragment, made safe together, in
    a new dict. ``stored``: see ``stored_names``.
    """
    if stored is not None and page.properties is not None and name not in SINGLE_VITALS:
        plain = safe_plain(given, stored, page.properties)
        if plain is not None:
            return plain
    own = {key: value for key, value in given.items() if key not in _TAKEN and not key.startswith(_BELOW_PREVIOUS)}
    # Put in before they are made safe: a sender's own "__query" beside "__query.a" is a row that no store can read.
    own |= page.said
    own |= measured(name, given)
    properties, _ = safe_properties(own)
    return properties


def stored_names(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Of the names of an event's properties those that are stored, if that is all there is to say: none is one that we
    set or measure, and none has to be changed. Else None.
    """
    try:
        return _remembered_names(names)
    except _TooLongError:
        return _stored_names(names)


class _TooLongError(Exception):
    """Names that are not to be remembered: any sender may send others with each event."""


@lru_cache(maxsize=_CACHE_ENTRIES)
def _remembered_names(names: tuple[str, ...]) -> tuple[str, ...] | None:
    if sum(map(len, names)) > _LONGEST_NAMES:
        raise _TooLongError
    return _stored_names(names)


def _stored_names(names: tuple[str, ...]) -> tuple[str, ...] | None:
    stored = tuple([name for name in names if name not in _TAKEN])
    return stored if _SPECIAL.isdisjoint(names) and all(map(is_plain_path, stored)) else None
