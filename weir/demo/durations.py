"""Durations as people write them."""

import re

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")


def parse_duration(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``15m``, ``12h``, ``30d`` or ``2w``.

    :raises ValueError: the text is none of these.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no duration: write 90s, 15m, 12h, 30d or 2w")
    return float(found[1]) * _UNITS[found[2] or "s"]
