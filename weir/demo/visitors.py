"""The people of the demo: who they are, and who comes back."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from random import Random

from weir.demo.world import (
    COUNTRIES,
    CRAWLER,
    CRAWLER_NETWORK,
    DEVICES,
    FIRST_NAMES,
    LAST_NAMES,
    PLANS,
    Country,
    Device,
)

RETURNING_SHARE = 0.38
"""Of the visits, once there are enough people who could come back."""
CRAWLER_SHARE = 0.01
_REMEMBERED = 4_000
_REST_MS = 3 * 3_600_000
"""Nobody comes back sooner, so that two visits of one visitor never overlap."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who a visitor says to be after signing up."""

    profile_id: str
    first_name: str
    last_name: str
    email: str
    plan: str


@dataclass(slots=True)
class Visitor:
    """A browser and the one who uses it. ``number`` is unique in a population."""

    number: int
    country: Country
    device: Device
    ip: str
    is_crawler: bool = False
    person: Person | None = None
    signed_in: bool = False
    visits: int = 0
    rests_until_ms: int = 0


@dataclass(slots=True)
class Population:
    """Everybody who has been here, growing with each new visitor. All chance comes from ``random``.

    ``prefix`` goes into profile ids, so that the people of two runs are not taken for the same.
    """

    random: Random
    prefix: str
    _count: int = 0
    _known: list[Visitor] = field(default_factory=list)
    _countries: dict[float, list[float]] = field(default_factory=dict)

    def next_visitor(self, time_ms: int) -> Visitor:
        """Who comes at this time: somebody new, or somebody who was here before and has rested since."""
        if self.random.random() < CRAWLER_SHARE:
            return self._crawler()
        if self._known and self.random.random() < RETURNING_SHARE * min(1.0, len(self._known) / 200):
            # Most of those who return were here lately, and some of them always return.
            index = int(len(self._known) * self.random.betavariate(3, 1))
            visitor = self._known[min(index, len(self._known) - 1)]
            if visitor.rests_until_ms <= time_ms:
                return visitor
        return self._stranger(time_ms)

    def left(self, visitor: Visitor, time_ms: int) -> None:
        """A visit has ended; its visitor may come back after a while."""
        visitor.visits += 1
        visitor.rests_until_ms = time_ms + _REST_MS
        if visitor.visits == 1 and not visitor.is_crawler:
            self._known.append(visitor)
            if len(self._known) > _REMEMBERED:
                self._known.pop(self.random.randrange(_REMEMBERED // 2))

    def sign_up(self, visitor: Visitor) -> Person:
        """Make the visitor known."""
        first, last = self.random.choice(FIRST_NAMES), self.random.choice(LAST_NAMES)
        number = f"{self.prefix}-{visitor.number}"
        email = f"{first}.{last}.{number}@mail.example".lower()
        visitor.person = Person(f"customer-{number}", first, last, email, self.random.choice(PLANS))
        visitor.signed_in = True
        return visitor.person

    def _stranger(self, time_ms: int) -> Visitor:
        self._count += 1
        country = self.random.choices(COUNTRIES, weights=self._country_weights(time_ms))[0]
        device = self.random.choices(DEVICES, weights=[device.weight for device in DEVICES])[0]
        return Visitor(self._count, country, device, self._address(self.random.choice(country.networks)))

    def _crawler(self) -> Visitor:
        self._count += 1
        return Visitor(self._count, COUNTRIES[0], CRAWLER, self._address(CRAWLER_NETWORK), is_crawler=True)

    def _address(self, network: IPv4Network) -> str:
        return str(IPv4Address(int(network.network_address) + self.random.randrange(1, network.num_addresses - 1)))

    def _country_weights(self, time_ms: int) -> list[float]:
        """Countries where it is day send more people."""
        hour = time_ms // 3_600_000 % 24
        if hour not in self._countries:
            self._countries[hour] = [
                country.weight * day_rhythm((hour + country.utc_offset) % 24) for country in COUNTRIES
            ]
        return self._countries[hour]


_RHYTHM = (
    *(0.30, 0.20, 0.14, 0.10, 0.10, 0.16, 0.32, 0.55, 0.80, 0.95, 1.05, 1.12),
    *(1.20, 1.15, 1.08, 1.05, 1.08, 1.15, 1.28, 1.45, 1.60, 1.50, 1.05, 0.60),
)


def day_rhythm(local_hour: float) -> float:
    """How busy people are in shops at that hour of their day; 1 is about the average of a day."""
    low = int(local_hour) % 24
    share = local_hour - int(local_hour)
    return _RHYTHM[low] * (1 - share) + _RHYTHM[(low + 1) % 24] * share
