"""What a request's headers say of its sender: user agent, hints and SDK. The same ones come again and again."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import orjson

from ingest.limits import MAX_HINT, MAX_SDK_TEXT, MAX_USER_AGENT

HINTS = (
    *("accept-language", "origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user"),
    *("sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-ch-ua-platform-version", "sec-ch-ua-model"),
    *("sec-ch-ua-arch", "sec-ch-ua-bitness", "sec-ch-ua-full-version-list", "sec-ch-ua-form-factors"),
)
"""Headers that describe the client and travel with its events."""
_LONGEST_REMEMBERED = 1_024
"""Bytes of all these headers together: three times what a browser sends. Whoever sends more is read anew each time."""
_NAMES = tuple(name.encode() for name in ("user-agent", "openpanel-sdk-name", "openpanel-sdk-version", *HINTS))
_BOUNDS = (MAX_USER_AGENT, MAX_SDK_TEXT, MAX_SDK_TEXT, *(MAX_HINT for _ in HINTS))


class RequestSender(NamedTuple):
    """A sender, as text of bounded length. ``hints`` is JSON."""

    user_agent: str
    sdk_name: str
    sdk_version: str
    hints: bytes
    common: bool
    """Short enough to be remembered."""


def describe_sender(headers: Mapping[bytes, bytes]) -> RequestSender:
    """The sender of a request with these headers (lower-case names)."""
    values = tuple(map(headers.get, _NAMES))
    # Measured before they are remembered: headers without measure would fill the memory.
    if len(b"".join(filter(None, values))) <= _LONGEST_REMEMBERED:
        return _remembered(values)
    return _describe(tuple([value and value[:bound] for value, bound in zip(values, _BOUNDS, strict=True)]))


@lru_cache(maxsize=768)
def _remembered(values: tuple[bytes | None, ...]) -> RequestSender:
    return _describe(tuple([value and value[:bound] for value, bound in zip(values, _BOUNDS, strict=True)]), True)


def _describe(values: tuple[bytes | None, ...], common: bool = False) -> RequestSender:
    user_agent, sdk_name, sdk_version, *hints = [None if value is None else value.decode("latin-1") for value in values]
    given = {name: value for name, value in zip(HINTS, hints, strict=True) if value is not None}
    return RequestSender(
        user_agent or "",
        sdk_name or "",
        sdk_version or "",
        orjson.dumps(given),
        common,
    )
