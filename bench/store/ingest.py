"""Rows from a real Kafka: how many a second with all views on and with each of them off, how soon they are seen, and
how long nothing comes in after a kill. ``python -m bench.store.ingest``.
"""

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import clickhouse_connect
from clickhouse_connect.driver.client import Client
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition

from bench.store.traffic import DAY_MS, DAYS, Traffic, session_rows_sql, traffic_sql
from bench.worker import cpu_seconds
from schemas import topics
from schemas.topics import TOPICS
from sinks.migrate import migrate
from tests.broker import Broker, running_broker
from tests.integration.sinks.store import Store, until
from weir.local.ports import free_ports

_LINES = 100
"""Rows of a message: about what a busy worker puts into one."""
_TRAFFIC_EVENTS = 100_000_000


class Rig:
    """A broker with rows in it, and a store that consumes them when it is told to."""

    def __init__(self, broker: Broker, store: Store) -> None:
        self.broker = broker
        self.store = store
        self.settings = store.settings(broker.bootstrap)
        self.client: Client = clickhouse_connect.get_client(
            dsn=store.url, send_receive_timeout=3600, autogenerate_session_id=False
        )
        migrate(self.client, self.settings, pipes=False)
        self.client.database = "weir"
        self.counts: dict[str, int] = {}

    def cpu(self) -> float:
        """Seconds of processor time the store has used."""
        return cpu_seconds(self.store.process.pid)

    def fill(self, events: int) -> None:
        """Events and their sessions into Kafka, from a day of the traffic."""
        traffic = Traffic(_TRAFFIC_EVENTS, int(datetime.now(UTC).timestamp() * 1000) // DAY_MS * DAY_MS - DAYS * DAY_MS)
        share = events / (_TRAFFIC_EVENTS / DAYS)
        parameters = traffic.parameters(60) | {"sessions": int(traffic.sessions_per_day * share)}
        for topic, sql in ((topics.EVENTS, _event_rows(self.client)), (topics.SESSIONS, session_rows_sql())):
            text = self.client.raw_query(f"{sql} format JSONEachRow", parameters)
            lines = text.splitlines()
            self.counts[topic] = len(lines)
            _produce(self.broker, topic, lines)

    def begin(self) -> None:
        """Lay the pipes, or put them on again from the topics' beginnings, over empty tables."""
        for (table,) in self.client.query(
            "select name from system.tables where database = 'weir' and engine like '%MergeTree' "
            "and name not in ('schema_migrations')"
        ).result_rows:
            self.client.command(f"truncate table `{table}`")
        self._rewind()
        migrate(self.client, self.settings)

    def end(self) -> None:
        """Take the pipes off."""
        for table in ("events_queue", "sessions_queue"):
            self.client.command(f"detach table if exists {table}")

    def number(self, table: str = "events") -> int:
        """Rows in the table now."""
        rows = self.client.query(
            "select sum(rows) from system.parts where active and database = 'weir' and table = {table:String}",
            {"table": table},
        ).result_rows
        return int(rows[0][0])

    def rate(self) -> tuple[float, float]:
        """(events per second from the first block to the last, microseconds of processor time per event of all)."""
        self.begin()
        goal, began = self.counts[topics.EVENTS], self.cpu()
        first, number = (0.0, 0), 0
        while number < goal:
            time.sleep(0.05)
            number = self.number()
            if number and not first[1]:
                first = (time.monotonic(), number)
        seconds, used = time.monotonic() - first[0], self.cpu() - began
        self.end()
        return (goal - first[1]) / max(seconds, 0.05), used / goal * 1e6

    def views(self) -> list[str]:
        """The views over events and sessions that fill rollups."""
        rows = self.client.query(
            "select name from system.tables where database = 'weir' and engine = 'MaterializedView' "
            "and name like '%_view' order by name"
        ).result_rows
        return [str(name) for (name,) in rows]

    def _rewind(self) -> None:
        admin = self.broker.admin()
        for table, topic in (("events", topics.EVENTS), ("sessions", topics.SESSIONS)):
            partitions = [
                TopicPartition(topic, number, 0) for number in admin.list_topics(topic).topics[topic].partitions
            ]
            group = topics.STORE_GROUP_PREFIX + table

            def rewound(group: str = group, partitions: list[TopicPartition] = partitions) -> bool:
                try:
                    wanted = [ConsumerGroupTopicPartitions(group, partitions)]
                    for future in admin.alter_consumer_group_offsets(wanted).values():
                        future.result(10)
                except Exception as error:  # noqa: BLE001 - while the last consumer is leaving the group
                    return "UNKNOWN_MEMBER" not in str(error) and "NON_EMPTY" not in str(error)
                return True

            until(rewound, 60, "the group is empty")


@contextmanager
def running_rig(home: Path, events: int) -> Iterator[Rig]:
    """A rig with so many events in Kafka."""
    with running_broker(home / "kafka") as broker:
        for spec in TOPICS:
            broker.create_topic_named(spec.name, spec.partitions or topics.DEFAULT_PARTITIONS, spec.config)
        store = Store(home / "data", free_ports(1)[0])
        store.start()
        try:
            rig = Rig(broker, store)
            rig.fill(events)
            yield rig
        finally:
            if store.running:
                store.kill()


def measure_views(rig: Rig) -> None:
    """Print what each view costs: all on, each off, all off."""
    click.echo("| views | events/s | CPU per event |\n|---|---|---|")
    rate, whole = rig.rate()
    click.echo(f"| all | {rate:,.0f} | {whole:.1f} us |")
    views = rig.views()
    for view in views:
        rig.client.command(f"detach table {view}")
        rate, cost = rig.rate()
        rig.client.command(f"attach table {view}")
        click.echo(f"| all but {view} | {rate:,.0f} | {cost:.1f} us ({whole - cost:+.1f}) |")
    for view in views:
        rig.client.command(f"detach table {view}")
    rate, cost = rig.rate()
    for view in views:
        rig.client.command(f"attach table {view}")
    click.echo(f"| none | {rate:,.0f} | {cost:.1f} us |")


def measure_freshness(rig: Rig, per_second: int, seconds: int) -> None:
    """Print how long after it was sent an event is seen, while so many a second come; and how long nothing comes in
    after a kill.
    """
    rig.end()
    rig.client.command("truncate table events")
    base = rig.counts[topics.EVENTS]
    rig.begin()
    until(lambda: rig.number() >= base, 600, "the backlog is in")
    lines = rig.client.raw_query(
        f"{_event_rows(rig.client)} limit 100000 format JSONEachRow",
        Traffic(_TRAFFIC_EVENTS, 1_700_000_000_000 // DAY_MS * DAY_MS).parameters(60),
    ).splitlines()
    sent: list[tuple[float, int]] = []
    seen: list[tuple[float, int]] = []
    stop = threading.Event()
    sender = threading.Thread(target=_send_steadily, args=(rig.broker, lines, per_second, base, sent, stop))
    sender.start()
    try:
        _watch(rig, seconds, seen)
        delays = _delays(sent, seen)
        click.echo(
            f"freshness at {per_second:,} events/s for {seconds} s: p50 {delays[len(delays) // 2]:.2f} s, "
            f"p99 {delays[int(len(delays) * 0.99)]:.2f} s, longest {delays[-1]:.2f} s"
        )
        rig.store.kill()
        killed = time.monotonic()
        before = rig.counts[topics.EVENTS]
        rig.store.start()
        before = rig.number()
        until(lambda: rig.number() > before, 120, "rows come in again")
        click.echo(
            f"kill -9 of the store, still {per_second:,} events/s: rows again after {time.monotonic() - killed:.1f} s"
        )
    finally:
        stop.set()
        sender.join()


def _watch(rig: Rig, seconds: int, seen: list[tuple[float, int]]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen.append((time.monotonic(), rig.number()))
        time.sleep(0.02)


def _delays(sent: Sequence[tuple[float, int]], seen: Sequence[tuple[float, int]]) -> list[float]:
    """For each message in the time watched: from its delivery to the first look that has as many rows."""
    found: list[float] = []
    at = 0
    for moment, number in list(sent):
        while at < len(seen) and seen[at][1] < number:
            at += 1
        if at == len(seen):
            break
        if moment >= seen[0][0]:
            found.append(max(0.0, seen[at][0] - moment))
    return sorted(found)


def _send_steadily(
    broker: Broker, lines: Sequence[bytes], rate: int, base: int, sent: list[tuple[float, int]], stop: threading.Event
) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5, "compression.type": "lz4"})
    began, number = time.monotonic(), 0
    while not stop.is_set():
        while number < (time.monotonic() - began) * rate:
            at = number % (len(lines) - _LINES)
            message = b"\n".join(lines[at : at + _LINES])
            producer.produce(topics.EVENTS, message, partition=number // _LINES % topics.DEFAULT_PARTITIONS)
            number += _LINES
            sent.append((time.monotonic(), base + number))
        producer.poll(0.005)
    producer.flush(30)


def _event_rows(client: Client) -> str:
    """The rows of a day as a worker writes them: what the Kafka table has columns for."""
    rows = client.query(
        "select name from system.columns where database = currentDatabase() and table = 'events_arrivals' "
        "and name not in ('log_stamp', 'log_topic', 'log_partition', 'log_offset', 'error', 'raw_message')"
    ).result_rows
    names = ", ".join("properties::JSON as properties" if name == "properties" else str(name) for (name,) in rows)
    return f"select {names} from ({traffic_sql()})"


def _produce(broker: Broker, topic: str, lines: Sequence[bytes]) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 20, "compression.type": "lz4"})
    for at in range(0, len(lines), _LINES):
        message = b"\n".join(lines[at : at + _LINES])
        while True:
            try:
                producer.produce(topic, message, partition=at // _LINES % topics.DEFAULT_PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(120)


@click.command()
@click.option("--events", default=500_000, show_default=True, help="Events of the backlog.")
@click.option("--views/--no-views", default=True, help="Measure the cost of each view.")
@click.option("--rate", default=5_000, show_default=True, help="Events a second while freshness is measured.")
@click.option("--seconds", default=60, show_default=True, help="How long freshness is measured; 0: not at all.")
def main(events: int, views: bool, rate: int, seconds: int) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as home, running_rig(Path(home), events) as rig:
        if views:
            measure_views(rig)
        else:
            found, cost = rig.rate()
            click.echo(f"all views: {found:,.0f} events/s, {cost:.1f} us of CPU per event")
        if seconds:
            measure_freshness(rig, rate, seconds)


if __name__ == "__main__":
    main()
