"""Who is on each project's site now, as the workers tell it on ``weir.live``: the last five minutes, in memory."""

import threading
from dataclasses import dataclass

from schemas.live import AHEAD_MS, LIVE_MS, LiveMessage, LiveVisitor

MAX_SHOWN = 200
"""Visitors of a project that are told in full: those seen last."""
MAX_VISITORS = 200_000
"""Of one project; of more, those told last."""
_TIDY_MS = 30_000


@dataclass(frozen=True, slots=True)
class LiveView:
    """A project at a moment: how many visitors, and the newest of them, newest first."""

    count: int
    visitors: tuple[LiveVisitor, ...] = ()


class LiveVisitors:
    """The visitors of all projects. Fed by one thread, asked by another. What is not live any more is forgotten."""

    def __init__(self) -> None:
        self._projects: dict[str, dict[str, LiveVisitor]] = {}
        self._lock = threading.Lock()
        self._tidied_ms = 0

    def take(self, message: LiveMessage, now_ms: int) -> None:
        """What a worker saw."""
        with self._lock:
            known = self._projects.setdefault(message.project_id, {})
            for visitor in message.visitors:
                _put(known, visitor)
            for name, seen in message.others:
                # Where it was before is better than nothing.
                was = known.get(name)
                _put(known, LiveVisitor(visitor=name, seen=seen) if was is None else _seen_again(was, seen))
            while len(known) > MAX_VISITORS:
                del known[next(iter(known))]
            if now_ms - self._tidied_ms > _TIDY_MS:
                self._tidied_ms = now_ms
                self._projects = {name: left for name, each in self._projects.items() if (left := _live(each, now_ms))}

    def view(self, project_id: str, now_ms: int) -> LiveView:
        """One project's visitors, and nobody else's: the only way to them."""
        with self._lock:
            known = self._projects.get(project_id)
            if known is None:
                return LiveView(0)
            known = self._projects[project_id] = _live(known, now_ms)
            # As the store counts: events that lie ahead by more than clocks may differ are not now.
            now = [visitor for visitor in known.values() if visitor.seen <= now_ms + AHEAD_MS]
        newest = sorted(now, key=lambda visitor: visitor.seen, reverse=True)[:MAX_SHOWN]
        return LiveView(len(now), tuple(newest))


def _put(known: dict[str, LiveVisitor], visitor: LiveVisitor) -> None:
    was = known.pop(visitor.visitor, None)
    known[visitor.visitor] = visitor if was is None or was.seen <= visitor.seen else was


def _seen_again(was: LiveVisitor, seen: int) -> LiveVisitor:
    return was.model_copy(update={"seen": max(was.seen, seen)})


def _live(known: dict[str, LiveVisitor], now_ms: int) -> dict[str, LiveVisitor]:
    since = now_ms - LIVE_MS
    return {name: visitor for name, visitor in known.items() if visitor.seen > since}
