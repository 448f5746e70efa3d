"""A store that is killed again and again while rows come in, and what must be in it afterwards."""

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import orjson
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import Producer

from schemas import topics
from sinks.client import connect
from sinks.errors import SinkError
from sinks.migrate import migrate
from sinks.rebuild import repair
from sinks.rollup_compare import compare
from sinks.rollups import ROLLUPS
from sinks.settings import SinkSettings
from tests.integration.sinks import rows
from tests.integration.sinks.store import Store, until

PER_MESSAGE = 100
_TURN_SECONDS = 0.1
_SESSIONS = 400
_PROFILES = 100
_KINDS = 72
"""Messages that differ in more than their number: each has an hour of its own in one of three months."""
_OFFSET, _PARTITION, _ID = b'"OFFSET"', b'"PARTITION"', b"IIIIIIIIIIII"


@dataclass
class Truth:
    """What was sent: numbers of events, the newest version and the events of each session, the version of a profile."""

    events: int = 0
    sessions: dict[str, tuple[int, int]] = field(default_factory=dict)
    profiles: dict[str, int] = field(default_factory=dict)


class Load:
    """Events at ``rate`` a second, with sessions that go on and profiles that change, until it is left."""

    def __init__(self, bootstrap: str, rate: int, chance: random.Random) -> None:
        self.truth = Truth()
        self._rate = rate
        self._chance = chance
        self.seconds = 0.0
        """How long it has been sending."""
        self._messages = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "enable.idempotence": True})
        # Written before the clock runs: what a message says is its number, and which of these it is.
        self._written = [b"\n".join(self._events(kind)) for kind in range(_KINDS)]

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        assert self._producer.flush(60) == 0

    def _send(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(_TURN_SECONDS):
            while self.truth.events < (time.monotonic() - began) * self._rate and not self._stop.is_set():
                self._put(topics.EVENTS, self._message(self._messages), self._messages % 2)
                self._messages += 1
                self.truth.events += PER_MESSAGE
            self.seconds = time.monotonic() - began
            self._put(topics.SESSIONS, b"\n".join(self._sessions()), 0)
            profile = f"profile-{self._chance.randrange(_PROFILES)}"
            self.truth.profiles[profile] = version = self.truth.profiles.get(profile, 0) + 1
            self._put(topics.PROFILES, orjson.dumps(rows.profile(profile_id=profile, version=version)), 0)
            self._producer.poll(0)

    def _put(self, topic: str, value: bytes, partition: int) -> None:
        self._producer.produce(topic, value, "key", partition)

    def _message(self, number: int) -> bytes:
        """The message of that number: where its rows came from and their ids say it."""
        return (
            self._written[number % _KINDS]
            .replace(_OFFSET, b"%d" % number)
            .replace(_ID, b"%012d" % number)
            .replace(_PARTITION, b"%d" % (number % 2))
        )

    def _events(self, kind: int) -> Iterator[bytes]:
        """The lines of a message; what is still to be said is marked."""
        created_at = f"2026-{1 + kind % 3:02d}-05 {kind % 24:02d}:04:05.000"
        for line in range(PER_MESSAGE):
            event_id = str(uuid.UUID(int=line << 48))
            row = rows.event(
                event_id=event_id, device_id=f"device-{self._chance.randrange(2000)}", created_at=created_at
            )
            marked = {"raw_offset": "OFFSET", "raw_line": line, "raw_partition": "PARTITION"}
            marked["event_id"] = event_id[:-12] + _ID.decode()
            yield orjson.dumps(row | marked)

    def _sessions(self) -> Iterator[bytes]:
        """Some sessions go on: the row that was last with the sign −1, and the new one."""
        for number in self._chance.sample(range(_SESSIONS), 5):
            session = f"session-{number}"
            version, events = self.truth.sessions.get(session, (0, 0))
            if version:
                yield orjson.dumps(rows.session(session_id=session, version=version, event_count=events, sign=-1))
            events += self._chance.randrange(1, 5)
            yield orjson.dumps(rows.session(session_id=session, version=version + 1, event_count=events))
            self.truth.sessions[session] = version + 1, events


def kill_again_and_again(
    store: Store, settings: SinkSettings, rate: int, kills: int, seed: int, tell: Callable[[str], None]
) -> list[str]:
    """Migrate the store, send at ``rate`` and kill it ``kills`` times, each in the midst of ingesting; what is wrong in
    the end, in sentences. Rollups may be short after a kill, between a table's part and theirs: how often is told, and
    the repair has to find it.
    """
    chance = random.Random(seed)
    client = connect(settings)
    migrate(client, settings)
    client.close()
    with Load(settings.kafka_bootstrap, rate, random.Random(seed)) as load:
        for number in range(kills):
            before = _stored(store)
            until(lambda least=before: _stored(store) > least, 120, "rows come in again")  # type: ignore[misc]
            time.sleep(chance.uniform(0, 1.5))
            store.kill()
            tell(f"kill {number + 1} of {kills}: {load.truth.events:,} events sent, at least {before:,} stored")
            store.start()
        time.sleep(1)
    client = store.client("weir")
    until(lambda: _stored(store) >= load.truth.events, 300, f"{load.truth.events:,} events are stored")
    until(lambda: not wrong_rows(client, load.truth), 60, f"all is there, not {wrong_rows(client, load.truth)}")
    found = wrong_rows(client, load.truth)
    for rollup in ROLLUPS:
        if differing := compare(client, rollup, settle_seconds=0.2):
            tell(f"{rollup.table} was short after a kill ({differing.rows} rows differed), and is repaired")
            repair(client, settings, rollup)
        if left := compare(client, rollup, settle_seconds=0.2):
            found.append(f"{rollup.table} differs after its repair: {left.examples[0]}")
    tell(f"{load.truth.events / load.seconds:,.0f} events/s were sent")
    tell(f"{load.truth.events:,} events, {len(load.truth.sessions)} sessions, {len(load.truth.profiles)} profiles")
    client.close()
    return found


def wrong_rows(client: Client, truth: Truth) -> list[str]:
    """What the tables say else than was sent."""
    found = []
    events = client.query("select count(), uniqExact(raw_partition, raw_offset, raw_line) from events").result_rows[0]
    if events != (truth.events, truth.events):
        found.append(f"{truth.events} events were sent, {events[0]} are stored, {events[1]} different ones")
    sessions = client.query(
        "select session_id, sum(sign), maxIf(version, sign = 1), sum(sign * event_count) "
        "from sessions group by session_id"
    ).result_rows
    wanted = {(session, 1, *state) for session, state in truth.sessions.items()}
    if set(sessions) != wanted:
        found.append(f"{len(set(sessions) ^ wanted)} rows of sessions are not as they were sent")
    profiles = client.query("select profile_id, version from profiles final").result_rows
    if set(profiles) != set(truth.profiles.items()):
        found.append("profiles are not as they were sent")
    return found


def _stored(store: Store) -> int:
    try:
        client = store.client("weir")
        try:
            return int(client.query("select count() from events").result_rows[0][0])
        finally:
            client.close()
    except (ClickHouseError, SinkError):
        return -1
