"""Sessions by the words of docs/sessions.md, in as few lines as they take. Knows nothing of ``streams``."""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Protocol

import orjson

HALF_HOUR = 30 * 60_000
LAST_IDS = 1_000


class RawMessage(Protocol):
    """What is read of a message of the raw log."""

    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]: ...


class OfflineSessions:
    """The sessions of one raw partition. ``found``: per device [first, last, events, screen views, revenue] of each.
    ``dies`` tells which lines become dead letters, ``is_bot`` which are crawlers'.
    """

    def __init__(
        self,
        dies: Callable[[dict[str, Any]], bool] = lambda event: False,
        is_bot: Callable[[dict[str, Any]], bool] = lambda event: False,
    ) -> None:
        self.found: dict[str, list[list[int]]] = defaultdict(list)
        self._dies = dies
        self._is_bot = is_bot
        self._current: dict[str, list[int]] = {}
        self._earlier: dict[str, list[int]] = {}
        self._seen: dict[str, dict[str, None]] = defaultdict(dict)

    def take(self, message: RawMessage) -> None:
        """The next message. A line that is no event, and a tick, make no session."""
        for line in (message.value or b"").split(b"\n"):
            try:
                event = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if "payload" not in event or not event.get("device_id") or self._dies(event) or not self._is_new(event):
                continue
            if event["kind"] == "track" and not self._is_bot(event):
                self._add(event)

    def _is_new(self, event: dict[str, Any]) -> bool:
        seen = self._seen[event["device_id"]]
        if event["event_id"] in seen:
            return False
        seen[event["event_id"]] = None
        if len(seen) > 2 * LAST_IDS:  # further back than any sender of a test repeats
            for old in list(seen)[:LAST_IDS]:
                del seen[old]
        return True

    def _add(self, event: dict[str, Any]) -> None:
        device, time = event["device_id"], event["time"]
        candidates = [one[device] for one in (self._current, self._earlier) if device in one]
        mine = next((s for s in candidates if s[0] - HALF_HOUR <= time <= s[1] + HALF_HOUR), None)
        if mine is None:
            mine = [time, time, 0, 0, 0]
            self.found[device].append(mine)
            if device in self._current and time < self._current[device][0]:
                self._earlier[device] = mine
            else:
                if device in self._current:
                    self._earlier[device] = self._current[device]
                self._current[device] = mine
        mine[0], mine[1] = min(mine[0], time), max(mine[1], time)
        mine[2] += 1
        mine[3] += event["payload"]["name"] == "screen_view"
        mine[4] += event["payload"]["properties"].get("__revenue", 0)

    def spans(self, written: Callable[[int], str]) -> Counter[tuple[Any, ...]]:
        """How often each (device, start, end, events, screen views, revenue) is there, times as ``written``."""
        return Counter(
            (device, written(first), written(last), *numbers)
            for device, sessions in self.found.items()
            for first, last, *numbers in sessions
        )
