"""Lists that grow: what becomes of a property's value when something is put at its end."""

import math
from typing import Any

import orjson

MAX_ITEMS = 1_000
"""Elements of a list that was appended to."""


class NotAListError(ValueError):
    """What stands there is no list and no element of one, or the list would become too long."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def appended(stands: Any, items: Any, *, once: bool) -> list[Any]:
    """The list with ``items`` (one, or an array) at its end; ``once``: without those it has already.

    A single value that stands there is the list's first element. A list is of one type: numbers, booleans or texts;
    a mixed one becomes texts, as everywhere (``enrich.properties``).

    :raises NotAListError: ``not_a_list``, ``list_too_long``.
    """
    old, new = _elements(stands), _elements(items)
    mixed = len({_kind(element) for element in old + new}) > 1
    if mixed:
        old, new = [_text(element) for element in old], [_text(element) for element in new]
    if once:
        has = set(old)
        new = [element for element in dict.fromkeys(new) if element not in has]
    if len(old) + len(new) > MAX_ITEMS:
        raise NotAListError("list_too_long", f"A list has at most {MAX_ITEMS} elements.")
    return old + new


def _elements(value: Any) -> list[Any]:
    if value is None:
        return []
    elements = value if isinstance(value, list) else [value]
    if not all(_kind(element) for element in elements):
        raise NotAListError("not_a_list", "It holds something else than numbers, booleans or texts.")
    return list(elements)


def _kind(value: Any) -> type | None:
    if isinstance(value, bool | str):
        return type(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return float
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
