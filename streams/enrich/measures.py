"""What a page measured of itself: how far it was scrolled, and its web vitals, in one spelling whoever sent them.

Web vitals are those of https://web.dev/articles/vitals: ``lcp``, ``inp``, ``fcp``, ``ttfb`` (and the retired ``fid``)
in milliseconds, ``cls`` without a unit.
"""

import math
from collections.abc import Mapping
from typing import Any

SCROLL_DEPTH = "__scroll_depth"
"""Percent of the page's height that was seen, an integer of 0 to 100."""
WEB_VITALS = "__web_vitals"
"""An object of the vitals measured, numbers."""

PREVIOUS = "__previous"
"""Below it, on a screen view: the page of the screen view before it in the session, and how long it was looked at."""
_PREVIOUS_PATH, _PREVIOUS_DURATION = f"{PREVIOUS}.path", f"{PREVIOUS}.duration_ms"

_PERCENT = ("scroll_depth", "scrollDepth", "percent_scrolled", "__scrollDepth")
"""Plausible's (and what people choose themselves), Google Analytics'."""
_PART = ("$prev_pageview_max_scroll_percentage",)
"""PostHog's, a part of 1, of the page that was left."""
_LONGEST_MS = 600_000.0
_LARGEST_SHIFT = 1_000.0
_LIMITS = {
    "lcp": _LONGEST_MS,
    "inp": _LONGEST_MS,
    "fcp": _LONGEST_MS,
    "ttfb": _LONGEST_MS,
    "fid": _LONGEST_MS,
    "cls": _LARGEST_SHIFT,
}
_POSTHOG = {f"$web_vitals_{name.upper()}_value": name for name in _LIMITS}
_NAMED = frozenset(_LIMITS) | {name.upper() for name in _LIMITS}
SINGLE_VITALS = frozenset({"web_vital", "web_vitals", "web-vital", "web-vitals", "$web_vitals"})
"""Names of events that report one vital each."""
MEASURED = frozenset({*_PERCENT, *_PART, *_POSTHOG})
"""Properties that any event may report a measure in."""


def measured(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What an event of that name and properties measured, as properties to be added; mostly nothing. Never raises.

    What lies outside its range, or is no number, was not measured. The library ``web-vitals`` reports one vital at a
    time (``{"name": "LCP", "value": 2500}``), which is how an event named ``web_vitals`` is read that has no other.
    """
    if name not in SINGLE_VITALS and MEASURED.isdisjoint(given):
        return {}
    found: dict[str, Any] = {}
    depth = _scroll_depth(given)
    if depth is not None:
        found[SCROLL_DEPTH] = depth
    vitals = _vitals(name, given)
    if vitals:
        found[WEB_VITALS] = vitals
    return found


def _scroll_depth(given: Mapping[str, Any]) -> int | None:
    for names, factor in ((_PERCENT, 1), (_PART, 100)):
        for name in names:
            value = _number(given.get(name), 100 / factor)
            if value is not None:
                return round(value * factor)
    return None


def _vitals(name: str, given: Mapping[str, Any]) -> dict[str, float]:
    stated = {vital: given.get(key) for key, vital in _POSTHOG.items()}
    if name in SINGLE_VITALS:
        for key in _NAMED.intersection(given):
            stated[key.lower()] = given[key]
        one = given.get("name", given.get("metric"))
        if isinstance(one, str) and one in _NAMED:
            stated[one.lower()] = given.get("value")
    return {
        vital: value for vital, limit in _LIMITS.items() if (value := _number(stated.get(vital), limit)) is not None
    }


def _number(value: Any, highest: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= highest and math.isfinite(value) else None


def add_previous_view(properties: dict[str, Any], path: str, duration_ms: int) -> None:
    """Add what is known of the screen view before to safe properties, of which none is below ``PREVIOUS``."""
    properties[_PREVIOUS_PATH] = path
    properties[_PREVIOUS_DURATION] = duration_ms
