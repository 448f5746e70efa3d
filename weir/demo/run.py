"""The demo from beginning to end: the past first, then the present."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from weir.demo.sending import Sender, Tally, send_all, send_at_rate
from weir.demo.traffic import Traffic

_DAY_MS = 24 * 3_600_000


class Phase(StrEnum):
    """What is being sent."""

    HISTORY = "history"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """``rate``: events per second of the live part, which lasts ``duration_s``; ``history_s``: how far the past goes
    back from now, with ``visits_per_day``; 0 leaves a part out. ``patience_s``: how long the gateway may be away."""

    url: str
    client_id: str
    client_secret: str
    seed: int
    rate: float = 10.0
    duration_s: float = 60.0
    history_s: float = 0.0
    visits_per_day: float = 350.0
    connections: int = 64
    patience_s: float = 120.0


@dataclass(frozen=True, slots=True)
class DemoReport:
    """``accepted``: requests answered 200. ``retried``: requests sent again. Times in seconds."""

    accepted: int
    retried: int
    visitors: int
    history_seconds: float
    live_seconds: float


Watch = Callable[[Phase, float, Tally], None]
"""Is told the phase, how much of it is done (0 to 1), and the tally; often, so it should be quick."""


def run(settings: DemoSettings, watch: Watch = lambda _phase, _done, _tally: None) -> DemoReport:
    """Send the demo's traffic; blocks until everything was answered. Each call adds to what is there.

    :raises WeirError: the gateway refused for good, or was away for longer than ``patience_s``.
    """
    return asyncio.run(run_async(settings, watch))


async def run_async(settings: DemoSettings, watch: Watch) -> DemoReport:
    """`run` for callers with an event loop of their own."""
    traffic = Traffic(settings.seed, f"{settings.seed:x}")
    sender = Sender(
        settings.url,
        settings.client_id,
        settings.client_secret,
        connections=settings.connections,
        patience_s=settings.patience_s,
    )
    begin = time.monotonic()
    if settings.history_s > 0:
        async with sender:
            await _send_history(settings, traffic, sender, watch)
        watch(Phase.HISTORY, 1.0, sender.tally)
    middle = time.monotonic()
    if settings.duration_s > 0:
        async with sender:
            await _send_live(settings, traffic, sender, watch)
        watch(Phase.LIVE, 1.0, sender.tally)
    end = time.monotonic()
    tally = sender.tally
    return DemoReport(tally.accepted, tally.retried, len(tally.visitors), middle - begin, end - middle)


async def _send_history(settings: DemoSettings, traffic: Traffic, sender: Sender, watch: Watch) -> None:
    end_ms = time.time_ns() // 1_000_000
    start_ms = end_ms - int(settings.history_s * 1000)

    def progress(tally: Tally) -> None:
        done = (tally.newest_ms - start_ms) / (end_ms - start_ms) if tally.newest_ms else 0.0
        watch(Phase.HISTORY, max(0.0, min(1.0, done)), tally)

    await send_all(sender, traffic.history(start_ms, end_ms, settings.visits_per_day), progress)


async def _send_live(settings: DemoSettings, traffic: Traffic, sender: Sender, watch: Watch) -> None:
    begin = time.monotonic()

    def progress(tally: Tally) -> None:
        watch(Phase.LIVE, min(1.0, (time.monotonic() - begin) / settings.duration_s), tally)

    hits = traffic.stream(settings.rate, time.time_ns() // 1_000_000)
    await send_at_rate(sender, hits, settings.rate, settings.duration_s, progress)
