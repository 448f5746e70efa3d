"""A disk that fills: nothing comes in, reads go on, no offset is committed of what is not stored, and with room again
everything is there once.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import ConsumerGroupTopicPartitions

from schemas import topics
from tests.broker import Broker
from tests.chaos import small_disk
from tests.integration.sinks import rows
from tests.integration.sinks.store import Pipeline, Store, lines, until
from weir.local.ports import free_ports

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MIB = 1024 * 1024
PER_MESSAGE = 20
NEVER_ENOUGH = str(10**18)


def envelopes(count: int, start: int) -> list[bytes]:
    return [
        lines([rows.event(raw_offset=start + at, raw_line=line) for line in range(PER_MESSAGE)]) for at in range(count)
    ]


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bool]]:
    """A folder on a disk of its own of 400 MiB, if mounting is allowed here."""
    place = tmp_path_factory.mktemp("disk")
    with small_disk(place, "400m") as mounted:
        yield place, mounted


def test_a_disk_without_room_stops_what_comes_in_and_nothing_else(
    disk: tuple[Path, bool], sinks_broker: Broker
) -> None:
    place, mounted = disk
    store = Store(place / "data", free_ports(1)[0])
    store.environment["WEIR_STORE_KEEP_FREE_BYTES"] = str(32 * MIB)
    store.start()
    try:
        pipeline = Pipeline(sinks_broker, store, store.settings(sinks_broker.bootstrap))
        pipeline.migrate()
        pipeline.send(topics.EVENTS, envelopes(50, 0))
        pipeline.await_number("select count() from events", 50 * PER_MESSAGE)
        client = pipeline.client()
        fill(store, place, mounted, client)
        committed = offset(sinks_broker)
        pipeline.send(topics.EVENTS, envelopes(50, 50))
        until(lambda: refusals(client) > 2, 60, "rows are refused, and tried again")
        # The views and the feed say the same as before, and answer.
        assert client.query("select count(), uniqExact(raw_offset) from events").result_rows == [(50 * PER_MESSAGE, 50)]
        assert client.query("select sum(events) from events_hourly").result_rows == [(50 * PER_MESSAGE,)]
        assert offset(sinks_broker) == committed
        client.close()
        make_room(store, place, mounted)
        for table in ("events", "events_hourly"):
            number = "count()" if table == "events" else "sum(events)"
            pipeline.await_number(f"select {number} from {table}", 100 * PER_MESSAGE)
        until(lambda: offset(sinks_broker) > committed, 60, "the offset moves on")
    finally:
        if store.running:
            store.kill()


def fill(store: Store, place: Path, mounted: bool, client: Client) -> None:
    """Take all room there is; where nothing can be mounted, begin to want more than there is."""
    if mounted:
        try:
            with (place / "filler").open("wb") as filler:
                while True:
                    filler.write(bytes(MIB))
                    filler.flush()
        except OSError:
            return
    store.stop()
    store.environment["WEIR_STORE_KEEP_FREE_BYTES"] = NEVER_ENOUGH
    store.start()


def make_room(store: Store, place: Path, mounted: bool) -> None:
    if mounted:
        (place / "filler").unlink()
        return
    store.stop()
    store.environment["WEIR_STORE_KEEP_FREE_BYTES"] = "0"
    store.start()


def refusals(client: Client) -> int:
    """How often there was no room."""
    sql = "select sum(value) from system.errors where name in ('NOT_ENOUGH_SPACE', 'CANNOT_WRITE_TO_FILE_DESCRIPTOR')"
    return int(client.query(sql).result_rows[0][0])


def offset(broker: Broker) -> int:
    """What the store has told Kafka it has of the first partition."""
    group = topics.STORE_GROUP_PREFIX + "events"
    answer = broker.admin().list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(30)
    return sum(
        place.offset for place in answer.topic_partitions if place.topic == topics.EVENTS and place.partition == 0
    )
