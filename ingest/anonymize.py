"""Addresses that senders write into their events, shortened where the project wants none written down in full.

Whatever a protocol's spelling is (``__ip``, ``$ip``, ``context.ip``, a trait, a campaign in a page's address), it ends
up in an event's payload; so it is looked for there, and in no protocol of its own.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import orjson

from ingest.client_ip import four_within, parse_address
from ingest.limits import line_limit
from ingest.protocols.protocol import SentEvent
from ingest.sender import RequestSender
from schemas.address import MAX_ADDRESS, truncate_ip

_IDS = frozenset({"id", "alias", "group_ids", "groups", "session_id"})
"""Parts of a payload that name somebody: shortened, they would name several."""
_VERSION = "version"
_DOT = r"(?:\.|%(?:25)?2e)"
_COLON = r"(?::|%(?:25)?3a)"
"""Addresses in pages' addresses may be escaped, once or twice."""
_NO_DIGIT_BEFORE = r"(?:(?<![0-9])|(?<=%[0-9a-f][0-9])|(?<=%25[0-9a-f][0-9]))(?<![0-9]\.)"
"""Not within a longer number: 1.2.3.4 is no part of 11.2.3.45, but of %221.2.3.4."""
_COLON_BEFORE = r"(?:(?<=:)|(?<=%3a)|(?<=%253a))0{0,3}"
"""What stands within an IPv6 address before the IPv4 address that it carries."""

_BEGINS = re.compile(r"[\s\"\[]*[0-9a-fA-F:]")
"""How a text begins that may be an address."""
_SPACE = (
    rb"\s|\\[tnrfb]|\\u00[01][0-9a-f]|\xc2[\x85\xa0]|\xe1\x9a\x80"
    rb"|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80"
)
"""Whatever is a space to Python, in JSON."""
_WHOLE = re.compile(rb'[:\[,]"(?:\[|\\"|' + _SPACE + rb')*(?:[0-9a-f][^"]{0,63}[.:]|:)')
"""How a text begins that may be an address, within JSON that is written in lower case."""
_REMEMBERED = 256


def without_addresses(event: SentEvent, visitors: Iterable[str]) -> SentEvent:
    """The event, and what came with it, with shortened addresses in its payload and its SDK.

    Every text that is an address as a whole is one, unless the end of its key says that it is a version (1.2.3.4 may be
    both). ``visitors``: addresses known to be the visitor's, in any spelling, which are found within longer texts and
    in keys too.
    """
    return shortener(tuple(visitors)).event(event)


class Shortener:
    """Finds addresses known to be some visitor's, in any spelling, and whole texts that are anybody's."""

    def __init__(self, visitors: tuple[str, ...]) -> None:
        parsed = [address for given in visitors if (address := parse_address(given)) is not None]
        carried = [four for address in parsed if (four := four_within(address)) is not None]
        self._filters: list[re.Pattern[bytes]] = []
        """What is found in JSON of lower case if one of the patterns is."""
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        """What is the visitor's, and what it becomes."""
        for address in dict.fromkeys([*parsed, *carried]):
            if isinstance(address, IPv6Address):
                self._find_six(address)
            else:
                self._find_four(address)
        self._sender: tuple[RequestSender, RequestSender] | None = None
        self._agent = ("", "")

    def _find_four(self, address: IPv4Address) -> None:
        dotted = _DOT.join(str(address).split("."))
        self._add(_NO_DIGIT_BEFORE, dotted, r"(?![0-9])(?!\.[0-9])", truncate_ip(str(address)))
        high, low = divmod(int(address), 0x10000)
        self._add(_COLON_BEFORE, f"{high:x}{_COLON}0{{0,3}}{low:x}", "(?![0-9a-f])", f"{high:x}:{low & 0xFF00:x}")

    def _find_six(self, address: IPv6Address) -> None:
        groups = address.exploded.split(":")
        first = groups[0].lstrip("0")
        if not first:
            return  # nobody's: it is found as a whole text only
        pattern = first
        zeros = False
        for group in groups[1:]:
            digits = group.lstrip("0")
            if digits:
                pattern += _COLON + (rf"(?:0|{_COLON}){{0,40}}" if zeros else "0{0,3}") + digits
            zeros = not digits
        if zeros:
            pattern += rf"{_COLON}(?:0|{_COLON}){{1,40}}"
        before = "" if len(first) == 4 else "(?<![0-9a-f])0{0,3}"
        self._add(before, pattern, "(?![0-9a-f])", truncate_ip(str(address)))

    def _add(self, before: str, pattern: str, after: str, short: str) -> None:
        # What begins with letters is found fastest, so what stands before is looked at only in what has the rest.
        self._filters.append(re.compile(pattern.encode()))
        self._patterns.append((re.compile(before + pattern + after, re.I), short))

    def sender(self, sender: RequestSender) -> RequestSender:
        """Another only if there is an address in it."""
        if self._sender is not None and self._sender[0] is sender:
            return self._sender[1]
        hints = {name: self._text(name, value) for name, value in orjson.loads(sender.hints).items()}
        name, version = self._within(sender.sdk_name), self._within(sender.sdk_version)
        short = RequestSender(self._within(sender.user_agent), name, version, orjson.dumps(hints), False)
        if short[:4] == sender[:4]:
            short = sender
        if sender.common:
            self._sender = sender, short
        return short

    def agent(self, text: str) -> str:
        """A visitor's is nearly always the same."""
        if text != self._agent[0]:
            self._agent = text, self._within(text)
        return self._agent[1]

    def event(self, event: SentEvent) -> SentEvent:
        """As `without_addresses`."""
        also = event.also if event.also is None else self.event(event.also)
        if event.sdk_name or event.sdk_version:
            name, version = self._within(event.sdk_name), self._within(event.sdk_version)
            if (name, version) != (event.sdk_name, event.sdk_version):
                event = event._replace(sdk_name=name, sdk_version=version)
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
        if _WHOLE.search(written):
            return True
        return any(found.search(written) for found in self._filters)

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
        if len(text) < 2 or not ("." in text or ":" in text or "%" in text):
            return text
        lowered = text.lower().encode("utf-8", "surrogatepass")
        for found, (pattern, short) in zip(self._filters, self._patterns, strict=True):
            if found.search(lowered):
                text = pattern.sub(short, text)
        return text


def may_be_address(text: str) -> bool:
    """What most texts fail, so that few are parsed."""
    return 1 < len(text) <= MAX_ADDRESS and ("." in text or ":" in text) and _BEGINS.match(text) is not None


@lru_cache(maxsize=_REMEMBERED)
def shortener(visitors: tuple[str, ...]) -> Shortener:
    """What shortens these addresses: most events are of the visitors of the last ones."""
    return Shortener(visitors)
