"""Addresses that senders write into their events, shortened where the project wants none written down in full.

Whatever a protocol's spelling is (``__ip``, ``$ip``, ``context.ip``, a trait, a campaign in a page's address), it ends
up in an event's payload; so it is looked for there, and in no protocol of its own.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson

from ingest.client_ip import parse_address
from ingest.limits import line_limit
from ingest.protocols.protocol import SentEvent
from schemas.address import MAX_ADDRESS, Address, read_address, truncate_ip

_IDS = frozenset({"id", "alias", "group_ids", "groups", "session_id"})
"""Parts of a payload that name somebody: shortened, they would name several."""
_VERSION = "version"
_SIXES = re.compile(r"(?:[0-9a-f]{0,4}:){2,7}[0-9a-f.]{0,15}", re.IGNORECASE)
"""What may be an IPv6 address, which has many spellings."""

_BEGINS = re.compile(r"[\s\"\[]*[0-9a-fA-F:]")
"""How a text begins that may be an address."""
_WHOLE = re.compile(rb'[:\[,]"(?:\s|\[|\\"|\\[tnrf])*(?:[0-9a-f][^"]{0,63}[.:]|:)')
"""The same within JSON that is written in lower case."""
_REMEMBERED = 256


def without_addresses(event: SentEvent, visitors: Iterable[str]) -> SentEvent:
    """The event, and what came with it, with shortened addresses in its payload.

    Every text that is an address as a whole is one, unless the end of its key says that it is a version (1.2.3.4 may be
    both). ``visitors``: addresses known to be the visitor's, in any spelling, which are found within longer texts and
    in keys too.
    """
    return _shortener(tuple(visitors)).event(event)


class _Shortener:
    def __init__(self, visitors: tuple[str, ...]) -> None:
        self._short: dict[str, str] = {}
        self._addresses: set[Address] = set()
        for given in visitors:
            address = parse_address(given)
            if address is None:
                continue
            short = truncate_ip(str(address))
            self._addresses.add(address)
            for spelling in (str(address), given.strip().lower()):
                self._short[spelling] = self._short[quote(spelling, safe="").lower()] = short
        self._spellings = [spelling.encode() for spelling in self._short]
        self._is_six = any(address.version == 6 for address in self._addresses)
        # The longest first: one spelling may begin another.
        known = sorted(self._short, key=len, reverse=True)
        pattern = "|".join(re.escape(spelling) for spelling in known)
        # Not within a longer number or group: 1.2.3.4 is no part of 11.2.3.45.
        self._known = (
            re.compile(rf"(?<![0-9a-z])(?<![0-9]\.)(?:{pattern})(?![0-9a-z])(?!\.[0-9])", re.I) if known else None
        )

    def event(self, event: SentEvent) -> SentEvent:
        also = event.also if event.also is None else self.event(event.also)
        if not self._may_hold_any(event.payload, line_limit(event.kind)):
            return event if also is event.also else event._replace(also=also)
        payload = {key: value if key in _IDS else self._value(key, value) for key, value in event.payload.items()}
        return event._replace(payload=payload, also=also)

    def _may_hold_any(self, payload: Mapping[str, Any], longest: int) -> bool:
        """What most payloads fail, so that few are walked through; ``longest``: those that are longer are refused."""
        try:
            written = orjson.dumps(payload).lower()
        except orjson.JSONEncodeError:
            # Nested too deeply to be written down, or to be walked through: it will be refused.
            return False
        if len(written) > longest:
            return False
        if any(spelling in written for spelling in self._spellings) or _WHOLE.search(written):
            return True
        return self._is_six and (b"::" in written or written.count(b":") > 6)

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(key, value)
        if isinstance(value, dict):
            return {self._within(inner): self._value(inner, entry) for inner, entry in value.items()}
        if isinstance(value, list):
            return [self._value(key, entry) for entry in value]
        return value

    def _text(self, key: str, text: str) -> str:
        text = self._within(text)
        if may_be_address(text) and not key.lower().endswith(_VERSION):
            address = parse_address(text)
            if address is not None:
                return truncate_ip(str(address))
        return text

    def _within(self, text: str) -> str:
        # No spelling is without one of these; most texts are without all of them.
        if self._known is None or len(text) < 2 or not ("." in text or ":" in text or "%" in text):
            return text
        text = self._known.sub(lambda found: self._short[found[0].lower()], text)
        return _SIXES.sub(self._six, text) if "::" in text or text.count(":") > 6 else text

    def _six(self, found: re.Match[str]) -> str:
        address = read_address(found[0])
        return truncate_ip(str(address)) if address is not None and address in self._addresses else found[0]


def may_be_address(text: str) -> bool:
    """What most texts fail, so that few are parsed."""
    return 1 < len(text) <= MAX_ADDRESS and ("." in text or ":" in text) and _BEGINS.match(text) is not None


@lru_cache(maxsize=_REMEMBERED)
def _shortener(visitors: tuple[str, ...]) -> _Shortener:
    return _Shortener(visitors)
