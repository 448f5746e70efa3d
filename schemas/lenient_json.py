"""JSON as browsers and other people's producers write it: half of a surrogate pair, NaN, numbers beyond 64 bits.

Strict parsers refuse all of these, and an event must not be lost for one of them. It costs several times as much as
strict parsing, so less is taken of it: whoever has to be read this way shall not hold up all others.
"""

import json
import math
import re
from typing import Any

MAX_TOKENS = 100_000
"""Values, keys and containers of a text; half a microsecond each."""
MAX_BYTES = 4 * 1024 * 1024

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_FIRST_OF_SURROGATE = b"\xed"
"""Of one that was not escaped (and of some Korean syllables); each costs as much as a value."""
_INT64 = 2**63
_LONGEST_INT = 20
"""Characters of the longest integers within 64 bits; Python itself refuses those of more than 4,300."""
_STRUCTURE = b",:[{"
"""Before each value and key but the outermost stands one of these."""


class TooMuch(ValueError):
    """A text that holds more than is taken of it."""


def parse_lenient(text: bytes) -> Any:
    """The value of a JSON text; all its texts are valid Unicode (U+FFFD for a lone surrogate), its numbers finite (null
    for NaN and infinities) and within 64 bits or floats. Raises ValueError for what is no JSON or nested too deeply,
    `TooMuch` for more than `MAX_BYTES` or `MAX_TOKENS`.
    """
    if len(text) > MAX_BYTES or text.count(_FIRST_OF_SURROGATE) > MAX_TOKENS or has_more_tokens(text, MAX_TOKENS):
        raise TooMuch("too many values")
    try:
        return _clean(_DECODER.decode(text.decode(json.detect_encoding(text), "surrogatepass")))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def has_more_tokens(text: bytes, limit: int) -> bool:
    """Whether a JSON text holds more than ``limit`` values and keys: what it costs to parse, told at a tenth of the
    cost. Of what is no JSON the answer says nothing but that to find that out is as cheap.
    """
    if len(text) <= limit or _structure(text) <= limit:
        return False
    # Much of it may stand in texts, as in a recording: only what is between them counts.
    unescaped = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Each text is a value or key itself.
    return unescaped.count(b'"') > 2 * (limit + 1) or _structure(b"".join(unescaped.split(b'"')[::2])) > limit


def _structure(text: bytes) -> int:
    return len(text) - len(text.translate(None, _STRUCTURE))


def _clean(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _LONE_SURROGATE.sub("\ufffd", value)
    if kind is dict:
        return {key if key.isascii() else _clean(key): _clean(entry) for key, entry in value.items()}
    if kind is list:
        return [_clean(entry) for entry in value]
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is int and not -_INT64 <= value < _INT64 * 2:
        return float(value)
    return value


def _parse_int(text: str) -> int | float:
    # Beyond a float's range too, it becomes infinite, and with that null.
    return int(text) if len(text) <= _LONGEST_INT else float(text)


_DECODER = json.JSONDecoder(parse_int=_parse_int)
"""Made once: ``json.loads`` makes one at each call that has an option."""
