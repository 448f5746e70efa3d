"""The first and the last touch of a profile: where its visits came from, by when they began.

Of two touches the one that began first is the first and the one that began last is the last, whichever came first; a
repeat changes nothing. They are kept apart from what senders set, under names that nobody can set.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from schemas.event_time import clickhouse_time
from schemas.touch import TOUCHED

MAX_TEXT = 512
"""Characters of a touch's text: it stays in state as long as the profile."""
FIRST, LAST = "__first", "__last"
"""Properties below which touches stand; ``seen_at`` among them is when the visit began."""
_RESERVED = re.compile(r"(?:properties\.)?__(?:first|last)(?:\.|$)")

Touch = list[Any]
"""[time in milliseconds, what it tells]."""


def is_reserved(path: str) -> bool:
    """Whether a property of that path, with or without ``properties.``, is a touch's."""
    return "__" in path and _RESERVED.match(path) is not None


def touch_of(session: Mapping[str, Any]) -> dict[str, str]:
    """What the session's beginning tells; nothing of what is not known."""
    return {name: str(value)[:MAX_TEXT] for name in TOUCHED if (value := session[name])}


def first_of(known: Touch | None, other: Touch) -> Touch:
    """The one that began first."""
    return other if known is None or _order(other) < _order(known) else known


def last_of(known: Touch | None, other: Touch) -> Touch:
    """The one that began last."""
    return other if known is None or _order(other) > _order(known) else known


def touch_properties(prefix: str, touch: Touch | None) -> dict[str, str]:
    """The properties of a touch, by path."""
    if touch is None:
        return {}
    time, told = touch
    return {f"{prefix}.seen_at": clickhouse_time(time)} | {f"{prefix}.{name}": value for name, value in told.items()}


def _order(touch: Touch) -> tuple[int, bytes]:
    # Two visits may begin in the same millisecond: any rule will do, as long as it is one.
    return touch[0], orjson.dumps(touch[1], option=orjson.OPT_SORT_KEYS)
