"""The cluster's form of the schema on the real engine: two shards that each consume their own topics.

The embedded engine has no port for other nodes: a replicated table of its stays read-only for ever, so tables are plain
ones here, and Distributed tables are made, and not asked.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial

import orjson
import pytest
from clickhouse_connect.driver.client import Client

from schemas import topics
from sinks.client import connect
from sinks.kafka_log import KafkaLog
from sinks.migrate import every_statement
from sinks.rendering import EVERYWHERE
from sinks.settings import SinkSettings
from streams.positions import read_logs, reset_position
from tests.broker import running_broker
from tests.integration.sinks.store import Store, until
from tests.integration.streams.lab import PARTITIONS, Lab, running_lab, track
from weir.local.ports import free_ports

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SHARDS = 2
EVENTS = 200
SHARDED_TABLES = {"events": topics.EVENTS, "sessions": topics.SESSIONS, "ledger": topics.LEDGER}
NODE = """<clickhouse>
    <macros><shard>{shard}</shard><replica>one</replica></macros>
    <remote_servers><main>
        <shard><replica><host>127.0.0.1</host><port>1</port></replica></shard>
        <shard><replica><host>127.0.0.1</host><port>2</port></replica></shard>
    </main></remote_servers>
</clickhouse>
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Store]]:
    """A node of each of two shards."""
    home = tmp_path_factory.mktemp("nodes")
    stores = [Store(home / f"shard-{shard}", port) for shard, port in enumerate(free_ports(SHARDS))]
    try:
        for shard, store in enumerate(stores):
            own = store.data / "config.d" / "node.xml"
            own.parent.mkdir(parents=True)
            own.write_text(NODE.format(shard=shard))
            store.start()
        yield stores
    finally:
        for store in stores:
            if store.running:
                store.kill()


@pytest.fixture(scope="module")
def cluster_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A broker with the topics of a cluster, and workers that write for it."""
    with (
        running_broker(tmp_path_factory.mktemp("cluster-kafka")) as broker,
        running_lab(broker, tmp_path_factory.mktemp("cluster-lab"), SHARDS) as lab,
    ):
        yield lab


def settings_of(store: Store, bootstrap: str) -> SinkSettings:
    return store.settings(bootstrap).model_copy(update={"clickhouse_cluster": "main", "clickhouse_shards": SHARDS})


def unreplicated(statement: str) -> str:
    """With the engine of a table that is on one node only."""
    return re.sub(r"Replicated(\w+)\('[^']+', '[^']+'(?:, )?", r"\1(", statement)


@pytest.fixture(scope="module")
def clients(nodes: list[Store], cluster_lab: Lab) -> Iterator[list[Client]]:
    """Both nodes with today's schema, and consuming."""
    made = []
    for store in nodes:
        settings = settings_of(store, cluster_lab.broker.bootstrap)
        client = connect(settings)
        for _, statement in every_statement(settings, on_cluster=False):
            client.command(unreplicated(statement))
        made.append(client)
    yield made
    for client in made:
        client.close()


def test_every_statement_of_a_cluster_is_the_engines_language(clients: list[Client]) -> None:
    cluster = SinkSettings.model_validate({"clickhouse_cluster": "main", "clickhouse_consumers": "main_consumers"})
    for file, statement in every_statement(cluster):
        (form,) = clients[0].query("select formatQuery({sql:String})", {"sql": statement}).result_rows[0]
        # What makes room and fills is done on the shard that is asked.
        assert "ON CLUSTER main" in form or form.startswith(("TRUNCATE", "INSERT")), file


def test_tables_are_divided_or_everywhere(clients: list[Client]) -> None:
    stored = "select name from system.tables where database = {database:String} and engine like '%MergeTree'"
    whole = {name for (name,) in clients[0].query(stored, {"database": "weir"}).result_rows}
    divided = {name for (name,) in clients[0].query(stored, {"database": "weir_local"}).result_rows}
    assert whole == EVERYWHERE
    assert {"events", "sessions", "events_hourly", "ledger", "dead_letters"} <= divided


def test_everybody_reads_a_table_of_all_shards(clients: list[Client]) -> None:
    """Each table of a shard's own has its Distributed one, column for column."""
    columns = (
        "select table, groupArray((name, type)) from (select * from system.columns order by table, position) "
        "where database = {database:String} and table in {tables:Array(String)} group by table order by table"
    )
    stored = "select name from system.tables where database = 'weir_local' and engine like '%MergeTree'"
    tables = [name for (name,) in clients[1].query(stored).result_rows]
    local, read = (
        clients[1].query(columns, {"database": database, "tables": tables}).result_rows
        for database in ("weir_local", "weir")
    )
    assert local == read
    engines = "select distinct engine from system.tables where database = 'weir' and name in {tables:Array(String)}"
    assert clients[1].query(engines, {"tables": tables}).result_rows == [("Distributed",)]


def test_each_shard_has_the_rows_of_its_own_topics(clients: list[Client], cluster_lab: Lab) -> None:
    cluster_lab.start_worker()
    sent = cluster_lab.send((track(f"device-{number}") for number in range(EVENTS)), per_envelope=5)
    stored = "select count(), uniqExact(event_id) from weir_local.events where synthesized = 0"
    until(lambda: sum(_count(client, stored) for client in clients) == sent, 90, "the shards have all events")
    log = KafkaLog(cluster_lab.broker.bootstrap, SHARDS)
    for shard, client in enumerate(clients):
        own = [partition for partition in range(PARTITIONS) if partition % SHARDS == shard]
        for table, topic in SHARDED_TABLES.items():
            place = (
                f"select distinct log_topic, log_partition, log_epoch from weir_local.{table} order by log_partition"
            )
            epoch = log.epochs()[f"{topic}.{shard}"]
            expected = [(f"{topic}.{shard}", partition, epoch) for partition in own]
            until(partial(_gives, client, place, expected), 60, f"{table} of shard {shard}")
        counted = "select toUInt64(sum(events)) from weir_local.visitors"
        until(
            partial(_gives, client, counted, [(_count(client, stored),)]), 60, f"shard {shard} has counted its events"
        )


def test_a_topic_of_all_shards_is_read_as_one(clients: list[Client], cluster_lab: Lab) -> None:
    """What audit and status look at: each partition where its rows are."""
    log = KafkaLog(cluster_lab.broker.bootstrap, SHARDS)
    ends = {partition: reach.end for partition, reach in log.reach(topics.EVENTS).items()}
    assert sorted(ends) == list(range(PARTITIONS))
    assert min(ends.values()) > 0
    lines = [
        line
        for message in log.messages(topics.EVENTS, {partition: (0, end) for partition, end in ends.items()})
        for line in (message.value() or b"").split(b"\n")
    ]
    events = [event for event in map(orjson.loads, lines) if not event["synthesized"]]
    assert len(events) == len({event["event_id"] for event in events}) == EVENTS

    def is_read() -> bool:
        read = log.committed(f"{topics.STORE_GROUP_PREFIX}events", topics.EVENTS)
        return sorted(read) == sorted(ends) and not log.unread(topics.EVENTS, read, ends)

    until(is_read, 60, "the shards have read their events")


def test_a_hole_is_told_to_the_ledger_of_its_shard(cluster_lab: Lab) -> None:
    cluster_lab.stop()
    bootstrap = cluster_lab.broker.bootstrap
    cluster_lab.send_value(1, b"lost")
    cluster_lab.producer.flush(30)
    end = KafkaLog(bootstrap).reach(topics.RAW)[1].end
    reset_position(bootstrap, read_logs(bootstrap, SHARDS), topics.RAW, 1, end, shards=SHARDS)
    holes = [row for row in cluster_lab.rows(f"{topics.LEDGER}.1") if row["kind"] == "hole"]
    assert [(row["raw_partition"], row["to_offset"]) for row in holes] == [(1, end)]


def _count(client: Client, sql: str) -> int:
    return int(client.query(sql).result_rows[0][0])


def _gives(client: Client, sql: str, expected: Sequence[tuple[object, ...]]) -> bool:
    return list(client.query(sql).result_rows) == list(expected)
