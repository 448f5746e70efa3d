"""Traffic with known numbers: visits that become rows of the store as the stream worker writes them."""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from schemas.event import Event
from schemas.event_time import clickhouse_time
from schemas.session import Session

COUNTRIES = ("DE", "SE", "US", "")
DEVICES = ("desktop", "mobile", "tablet")
SOURCES = (("", ""), ("Google", "search"), ("Hacker News", "social"), ("Newsletter", "email"))
PATHS = ("/", "/pricing", "/docs", "/blog/kafka")
NAMES = ("screen_view", "screen_view", "screen_view", "add_to_cart", "sign_up")
BROWSERS = ("Chrome", "Safari", "Firefox")


@dataclass(frozen=True)
class Hit:
    """An event of a visit. ``session_id`` and ``device_id`` are empty for events of a server."""

    project_id: str
    time_ms: int
    name: str
    path: str
    device_id: str
    session_id: str
    profile_id: str = ""
    bot: str = ""
    synthesized: int = 0
    event_id: str = ""
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Visit:
    """A session and its events, ascending."""

    project_id: str
    session_id: str
    device_id: str
    country: str
    device: str
    browser: str
    source: tuple[str, str]
    hits: tuple[Hit, ...]

    @property
    def start_ms(self) -> int:
        """Time of the first event."""
        return self.hits[0].time_ms

    @property
    def duration_ms(self) -> int:
        """From the first event to the last."""
        return self.hits[-1].time_ms - self.hits[0].time_ms

    @property
    def screen_views(self) -> int:
        """Pages seen."""
        return sum(hit.name == "screen_view" for hit in self.hits)


def visits(project_id: str, start: datetime, days: int, per_day: int, seed: int) -> list[Visit]:
    """Visits of ``days`` days from ``start``, at random times of the day; devices come back."""
    dice = random.Random(seed)
    found = []
    for number in range(days * per_day):
        begin = start + timedelta(days=number // per_day, seconds=dice.randrange(86_400))
        device_id = f"device-{dice.randrange(per_day * 3)}"
        session_id = f"{project_id}-session-{number}"
        time_ms = round(begin.timestamp() * 1000)
        hits = []
        for _ in range(dice.choice((1, 1, 2, 3, 6))):
            hits.append(
                Hit(project_id, time_ms, dice.choice(NAMES), dice.choice(PATHS), device_id, session_id,
                    event_id=str(uuid.UUID(int=dice.getrandbits(128), version=4)),
                    properties={"plan": dice.choice(("free", "pro")), "cart.items": dice.randrange(5)})
            )  # fmt: skip
            time_ms += dice.randrange(1_000, 300_000)
        found.append(
            Visit(
                project_id,
                session_id,
                device_id,
                dice.choice(COUNTRIES),
                dice.choice(DEVICES),
                dice.choice(BROWSERS),
                dice.choice(SOURCES),
                tuple(hits),
            )
        )
    return found


def noise(visit: Visit) -> Iterator[Hit]:
    """What must count nowhere: a bot's page view, and the events that were made up."""
    first, last = visit.hits[0], visit.hits[-1]
    yield Hit(visit.project_id, first.time_ms, "screen_view", "/robots", "bot-device", "", bot="Googlebot")
    for name, hit in (("session_start", first), ("session_end", last)):
        yield Hit(visit.project_id, hit.time_ms, name, hit.path, "ghost", visit.session_id, synthesized=1)


def event_row(hit: Hit, visit: Visit | None = None) -> Event:
    """The row of an event."""
    time = clickhouse_time(hit.time_ms)
    return Event.model_validate(
        {
            **{name: "" for name, about in Event.model_fields.items() if about.annotation is str},
            **_surroundings(visit),
            "project_id": hit.project_id,
            "event_id": hit.event_id or str(uuid.uuid4()),
            "name": hit.name,
            "device_id": hit.device_id,
            "session_id": hit.session_id,
            "profile_id": hit.profile_id,
            "created_at": time,
            "received_at": time,
            "path": hit.path,
            "origin": "https://shop.example",
            "title": f"Title of {hit.path}",
            "bot": hit.bot,
            "duration_ms": 0,
            "revenue": 0,
            "groups": (),
            "properties": hit.properties,
            "synthesized": hit.synthesized,
            **_COORDINATES,
            "raw_line": 0,
        }
    )


def session_rows(visit: Visit) -> Iterator[Session]:
    """The rows of a session in three versions: after its first event, its middle one and its last."""
    sizes = sorted({1, (len(visit.hits) + 1) // 2, len(visit.hits)})
    for version, size in enumerate(sizes, 1):
        if version > 1:
            yield _session_row(visit, sizes[version - 2], -1, version - 1)
        yield _session_row(visit, size, 1, version)


_COORDINATES = {"raw_epoch": 1, "raw_partition": 0, "raw_offset": 0, "log_epoch": 1}


def _surroundings(visit: Visit | None) -> dict[str, Any]:
    if visit is None:
        return {"longitude": None, "latitude": None}
    return {
        "country": visit.country,
        "device": visit.device,
        "browser": visit.browser,
        "referrer_name": visit.source[0],
        "referrer_type": visit.source[1],
        "longitude": 13.4,
        "latitude": None,
    }


def _session_row(visit: Visit, size: int, sign: int, version: int) -> Session:
    hits = visit.hits[:size]
    views = sum(hit.name == "screen_view" for hit in hits)
    month = clickhouse_time(visit.start_ms)[:7].replace("-", "")
    return Session.model_validate(
        {
            **{name: "" for name, about in Session.model_fields.items() if about.annotation is str},
            **_surroundings(visit),
            "project_id": visit.project_id,
            "session_id": visit.session_id,
            "session_month": int(month),
            "device_id": visit.device_id,
            "started_at": clickhouse_time(hits[0].time_ms),
            "ended_at": clickhouse_time(hits[-1].time_ms),
            "duration_ms": hits[-1].time_ms - hits[0].time_ms,
            "event_count": size,
            "screen_view_count": views,
            "is_bounce": int(views <= 1),
            "is_closed": 0,
            "revenue": 0,
            "entry_path": hits[0].path,
            "exit_path": hits[-1].path,
            "sign": sign,
            "version": version,
            **_COORDINATES,
        }
    )
