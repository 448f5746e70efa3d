"""Many visits at once: days of the past in order of time, or a stream at a steady rate."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import exp
from random import Random

from weir.demo.visit import Step, Visit
from weir.demo.visitors import Population, Visitor, day_rhythm
from weir.demo.world import COUNTRIES

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_GROWTH = 0.35
"""How much busier the last day of a history is than its first."""
_WEEK = (1.05, 1.0, 1.0, 1.02, 0.95, 0.86, 1.12)
"""Busyness of the days from Monday to Sunday."""
_AT_ONCE_PER_RATE = 20.0
"""Visitors there at the same time, for each event a second: then each does something every 20 seconds."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A step and the visitor who takes it. ``time_ms`` is None for what happens when it is sent."""

    visitor: Visitor
    step: Step
    time_ms: int | None = None


@dataclass(slots=True)
class Traffic:
    """Everything that happens in the shop. The same seed and times give the same traffic."""

    seed: int
    prefix: str = ""
    random: Random = field(init=False)
    population: Population = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.population = Population(self.random, self.prefix or str(self.seed))

    def history(self, start_ms: int, end_ms: int, visits_per_day: float) -> Iterator[Hit]:
        """Hits between two times, in order of time; visits that the end cuts off are left out."""
        coming: list[tuple[int, int, Hit]] = []
        count = 0
        for hour_ms in range(start_ms, end_ms, _HOUR_MS):
            progress = (hour_ms - start_ms) / max(1, end_ms - start_ms)
            expected = visits_per_day / 24 * busyness(hour_ms) * (1 - _GROWTH / 2 + _GROWTH * progress)
            span = min(_HOUR_MS, end_ms - hour_ms)
            arrivals = [
                hour_ms + int(self.random.random() * span) for _ in range(self._poisson(expected * span / _HOUR_MS))
            ]
            for arrival_ms in sorted(arrivals):
                for hit in self._visit(arrival_ms, end_ms):
                    count += 1
                    heapq.heappush(coming, (hit.time_ms or 0, count, hit))
            while coming and coming[0][0] < hour_ms + span:
                yield heapq.heappop(coming)[2]
        while coming:
            yield heapq.heappop(coming)[2]

    def stream(self, events_per_second: float, now_ms: int) -> Iterator[Hit]:
        """Hits without end, to be sent at that rate; times are those of sending. ``now_ms`` sets whose day it is."""
        there: list[tuple[Visitor, Iterator[Step]]] = []
        wanted = max(3, round(events_per_second * _AT_ONCE_PER_RATE))
        sent = 0
        while True:
            time_ms = now_ms + int(sent / events_per_second * 1000)
            while len(there) < wanted:
                visitor = self.population.next_visitor(time_ms)
                # Until the visit is over, nobody comes back.
                visitor.rests_until_ms = time_ms + _DAY_MS
                there.append((visitor, Visit(self.random, self.population, visitor).steps()))
            index = self.random.randrange(len(there))
            visitor, steps = there[index]
            step = next(steps, None)
            if step is None:
                self.population.left(visitor, time_ms)
                there[index] = there[-1]
                there.pop()
                continue
            sent += 1
            yield Hit(visitor, step)

    def _visit(self, arrival_ms: int, end_ms: int) -> list[Hit]:
        visitor = self.population.next_visitor(arrival_ms)
        hits = []
        time_ms = arrival_ms
        for step in Visit(self.random, self.population, visitor).steps():
            # Two events of a moment still have an order.
            time_ms += max(3, int(step.pause_s * 1000))
            hits.append(Hit(visitor, step, time_ms))
        self.population.left(visitor, time_ms)
        return hits if time_ms < end_ms else []

    def _poisson(self, expected: float) -> int:
        if expected > 50:
            return max(0, round(self.random.gauss(expected, expected**0.5)))
        limit, product, count = exp(-expected), self.random.random(), 0
        while product > limit:
            product *= self.random.random()
            count += 1
        return count


def busyness(time_ms: int) -> float:
    """How busy the shop is in that hour, all countries together; 1 is about the average."""
    hour = time_ms / _HOUR_MS % 24
    total = sum(country.weight for country in COUNTRIES)
    now = sum(country.weight * day_rhythm((hour + country.utc_offset) % 24) for country in COUNTRIES) / total
    # The first of January 1970 was a Thursday.
    return now / 0.82 * _WEEK[(time_ms // _DAY_MS + 3) % 7]
