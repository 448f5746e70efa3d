"""Text of strangers, made fit to be kept."""

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def clean_text(raw: str) -> str:
    """The text without control characters and outer white space; lone surrogates become U+FFFD."""
    if not raw.isascii():
        raw = _SURROGATE.sub("\ufffd", raw)
    return _CONTROL.sub("", raw).strip()
