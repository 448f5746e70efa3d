"""A raw partition without Kafka: messages, a processor over them, and the rows it gives."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from schemas import topics
from schemas.control import BotPolicy, ProjectRecord
from schemas.envelope import envelope_headers, tick_message
from schemas.topics import TOPICS
from streams.chunk import Chunk
from streams.devices import DevicesProcessor
from streams.enrich.geo import NOWHERE, Geo
from streams.processor import Outcome, Processor, Record
from streams.sender import Locate
from streams.state import apply_changes

PROJECT = "project-1"
PARTITION = 3
PARTITIONS = 8
EPOCHS = {spec.name: number for number, spec in enumerate(TOPICS, 1)}
"""Each topic another, so that a mix-up shows."""
PROJECTS = {
    PROJECT: ProjectRecord(
        id=PROJECT, organization_id="organization-1", name="Test", currency="EUR", bot_policy=BotPolicy.FLAG
    )
}

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
NOON = 1_772_625_600_000
"""2026-03-04 12:00:00 UTC."""
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Message:
    """A message of the raw log (``chunk.SourceMessage``)."""

    offset: int
    timestamp: int
    value: bytes | None
    headers: Headers = ()


def nowhere(ip: str) -> Geo:
    """A Locate that knows no place."""
    return NOWHERE


class PoisonedGeo:
    """A Locate that fails for one address, as a damaged database file may."""

    def __init__(self, poison: str) -> None:
        self._poison = poison

    def __call__(self, ip: str) -> Geo:
        if ip == self._poison:
            raise ValueError("The database is damaged.")
        return NOWHERE


def track(device: str = "device-1", time: int = NOON, name: str = "screen_view", **more: Any) -> dict[str, Any]:
    """A raw track event; ``properties`` and all else in ``more``. Its id is its content's."""
    properties = more.pop("properties", {"__path": "https://shop.example/a"})
    event = {
        "kind": "track",
        "project_id": PROJECT,
        "device_id": device,
        "time": time,
        "user_agent": BROWSER,
        "payload": {"name": name, "properties": properties},
        **more,
    }
    event.setdefault("event_id", f"{device}/{time}/{name}/{orjson.dumps(more).decode()}")
    return event


def identify(device: str, profile: str, time: int = NOON, **payload: Any) -> dict[str, Any]:
    """A raw identify."""
    return {
        "kind": "identify",
        "event_id": f"{device}/{time}/{profile}",
        "project_id": PROJECT,
        "device_id": device,
        "profile_id": profile,
        "time": time,
        "user_agent": BROWSER,
        "payload": payload,
    }


def operate(
    kind: str, payload: dict[str, Any], profile: str = "", time: int = NOON, device: str = "device-1", **more: Any
) -> dict[str, Any]:
    """A raw event of any other kind. Its id is its content's."""
    event = {
        "kind": kind,
        "project_id": PROJECT,
        "device_id": device,
        "profile_id": profile,
        "time": time,
        "user_agent": BROWSER,
        "payload": payload,
        **more,
    }
    if "event_id" not in more:
        event["event_id"] = orjson.dumps([device, profile, time, kind, payload]).decode()
    return event


@dataclass
class RawLog:
    """Messages at growing offsets; ``hole`` skips some, as markers of transactions do."""

    messages: list[Message] = field(default_factory=list)
    end: int = 0

    def send(self, stamp: int, *lines: dict[str, Any] | bytes) -> "RawLog":
        """One envelope of those lines, stamped by the broker at ``stamp``."""
        value = b"\n".join(line if isinstance(line, bytes) else orjson.dumps(line) for line in lines)
        return self._append(stamp, value, ())

    def envelope(self, stamp: int, gateway: str, number: int, *lines: dict[str, Any] | bytes) -> "RawLog":
        """What a gateway sends: ``send`` with its id and the envelope's number."""
        self.send(stamp, *lines)
        self.messages[-1] = replace(self.messages[-1], headers=_known(envelope_headers(gateway, number)))
        return self

    def tick(self, stamp: int) -> "RawLog":
        """A tick."""
        value, headers = tick_message("test")
        return self._append(stamp, value, _known(headers))

    def ticks(self, first: int, last: int, every: int = 30 * SECOND) -> "RawLog":
        """Ticks from ``first`` up to ``last``, as the ticker sends them."""
        for stamp in range(first, last + 1, every):
            self.tick(stamp)
        return self

    def hole(self, offsets: int = 1) -> "RawLog":
        """Offsets that hold nothing."""
        self.end += offsets
        return self

    def _append(self, stamp: int, value: bytes, headers: Headers) -> "RawLog":
        self.messages.append(Message(self.end, stamp, value, headers))
        self.end += 1
        return self

    def chunk(self, start: int = 0, end: int | None = None) -> Chunk:
        """The offsets from ``start`` up to ``end`` as one chunk."""
        end = self.end if end is None else end
        return Chunk(topics.RAW, PARTITION, start, [m for m in self.messages if start <= m.offset < end], end)


def _known(headers: list[tuple[str, str | bytes | None]]) -> Headers:
    return tuple((name, text if isinstance(text, bytes) else b"") for name, text in headers)


def devices_processor(
    locate: Locate = nowhere, projects: Callable[[], dict[str, ProjectRecord]] = lambda: PROJECTS
) -> DevicesProcessor:
    """A processor of one raw partition, not restored yet."""
    return DevicesProcessor(PARTITION, PARTITIONS, EPOCHS, projects, locate)


class Partition:
    """What the batch loop does, in memory: process, commit, apply. ``reload`` is what a new owner does."""

    def __init__(self, make: Callable[[], Processor] = devices_processor, state: dict[bytes, bytes] | None = None):
        self._make = make
        self.state: dict[bytes, bytes] = dict(state or {})
        self.records: list[Record] = []
        self.outcomes: list[Outcome] = []
        self.reload()

    def reload(self) -> None:
        """Forget everything that is not committed, and begin with the state that is."""
        self._processor = self._make()
        self.state = dict(self.state)
        self._processor.restore(self.state)

    def take(self, chunks: Sequence[Chunk]) -> "Partition":
        """Process adjoining chunks to their end, in as many transactions as it takes."""
        waiting = list(chunks)
        while waiting:
            outcome = self._processor.process(waiting)
            self.outcomes.append(outcome)
            self.records.extend(outcome.records)
            apply_changes(self.state, outcome.changes)
            outcome.applied()
            waiting = [rest for chunk in waiting if (rest := _after(chunk, outcome.end)) is not None]
        return self

    def rows(self, topic: str) -> list[dict[str, Any]]:
        """The rows committed to a topic, in order."""
        return lines_of(self.records, topic)

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The event rows, or those of the names given."""
        return [row for row in self.rows(topics.EVENTS) if not names or row["name"] in names]

    def dead(self) -> list[dict[str, str]]:
        """The headers of the dead letters."""
        return [
            {name: value.decode() for name, value in record.headers or [] if isinstance(value, bytes)}
            for record in self.records
            if record.topic == topics.DEAD_LETTERS
        ]

    def sessions(self) -> dict[str, dict[str, Any]]:
        """The sessions as they stand, by id: every other row was taken back, and each was said before that."""
        return standing_sessions(self.rows(topics.SESSIONS))


def lines_of(records: Iterable[Record], topic: str) -> list[dict[str, Any]]:
    """The rows within the envelopes of a topic."""
    return [
        orjson.loads(line)
        for record in records
        if record.topic == topic
        for line in (record.value or b"").split(b"\n")
        if line
    ]


_COORDINATES = ("raw_epoch", "raw_partition", "raw_offset", "log_epoch", "sign")


def standing_sessions(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Collapse session rows as the store does. Fails when a row is taken back that does not stand just so."""
    standing: dict[str, dict[str, Any]] = {}
    for row in rows:
        name = row["session_id"]
        if row["sign"] == 1:
            assert name not in standing, "said twice"
            standing[name] = row
        else:
            was = standing.pop(name)
            assert [was[key] for key in was if key not in _COORDINATES] == [
                row[key] for key in row if key not in _COORDINATES
            ]
    return standing


def _after(chunk: Chunk, offset: int) -> Chunk | None:
    if chunk.end <= offset:
        return None
    start = max(chunk.start, offset)
    return chunk._replace(start=start, messages=[m for m in chunk.messages if m.offset >= start])


def process(log: RawLog, locate: Locate = nowhere) -> Partition:
    """The whole log in one batch."""
    return Partition(lambda: devices_processor(locate)).take([log.chunk()])
