"""JSON as browsers and other people's producers write it: half of a surrogate pair, NaN, numbers beyond 64 bits.

Strict parsers refuse all of these, and an event must not be lost for one of them.
"""

import json
import math
import re
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_INT64 = 2**63
_LONGEST_INT = 20
"""Characters of the longest integers within 64 bits; Python itself refuses those of more than 4,300."""


def parse_lenient(text: bytes) -> Any:
    """The value of a JSON text; all its texts are valid Unicode (U+FFFD for a lone surrogate), its numbers finite (null
    for NaN and infinities) and within 64 bits or floats. Raises ValueError for what is no JSON or nested too deeply.
    """
    try:
        return _clean(json.loads(text, parse_int=_parse_int))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_clean(key): _clean(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not -_INT64 <= value < _INT64 * 2:
        return float(value)
    return value


def _parse_int(text: str) -> int | float:
    # Beyond a float's range too, it becomes infinite, and with that null.
    return int(text) if len(text) <= _LONGEST_INT else float(text)
