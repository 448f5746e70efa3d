"""The cluster's form of the schema on the real engine: two shards that each consume their own topics.

The embedded engine has no port for other nodes: a replicated table of its stays read-only for ever, so tables are plain
ones here, and Distributed tables are made, and not asked.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial

import pytest
from clickhouse_connect.driver.client import Client

from schemas import topics
from schemas.topics import TOPICS
from sinks.client import connect
from sinks.migrate import every_statement
from sinks.rendering import EVERYWHERE, SHARDED
from sinks.settings import SinkSettings
from tests.broker import Broker, running_broker
from tests.integration.sinks import rows
from tests.integration.sinks.store import Pipeline, Store, lines, until
from weir.local.ports import free_ports

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SHARDS = 2
PARTITIONS = 4
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
def cluster_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with the topics of a cluster."""
    with running_broker(tmp_path_factory.mktemp("cluster-kafka")) as running:
        for spec in TOPICS:
            copies = [f".{shard}" for shard in range(SHARDS)] if spec.name in SHARDED else [""]
            for copy in copies:
                running.create_topic_named(spec.name + copy, spec.partitions or PARTITIONS, spec.config)
        yield running


def settings_of(store: Store, bootstrap: str) -> SinkSettings:
    return store.settings(bootstrap).model_copy(update={"clickhouse_cluster": "main", "clickhouse_shards": SHARDS})


def unreplicated(statement: str) -> str:
    """With the engine of a table that is on one node only."""
    return re.sub(r"Replicated(\w+)\('[^']+', '[^']+'(?:, )?", r"\1(", statement)


@pytest.fixture(scope="module")
def clients(nodes: list[Store], cluster_broker: Broker) -> Iterator[list[Client]]:
    """Both nodes with today's schema, and consuming."""
    made = []
    for store in nodes:
        settings = settings_of(store, cluster_broker.bootstrap)
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


def test_each_shard_has_the_rows_of_its_own_topics(
    nodes: list[Store], clients: list[Client], cluster_broker: Broker
) -> None:
    sender = Pipeline(cluster_broker, nodes[0], settings_of(nodes[0], cluster_broker.bootstrap))
    for partition in range(PARTITIONS):
        sender.send(
            f"{topics.EVENTS}.{partition % SHARDS}",
            [
                lines([rows.event(raw_partition=partition, raw_offset=at, raw_line=line) for line in range(10)])
                for at in range(5)
            ],
            partition=partition,
        )
    found = "select raw_partition, count() from weir_local.events group by raw_partition order by raw_partition"
    for shard, client in enumerate(clients):
        expected = [(partition, 50) for partition in range(PARTITIONS) if partition % SHARDS == shard]
        until(partial(_gives, client, found, expected), 60, f"shard {shard} has its rows")
        counted = "select toUInt32(sum(events)) from weir_local.events_hourly"
        until(partial(_gives, client, counted, [(100,)]), 60, f"shard {shard} has counted them")
        topic = client.query("select distinct log_topic from weir_local.events").result_rows
        assert topic == [(f"{topics.EVENTS}.{shard}",)]


def _gives(client: Client, sql: str, expected: Sequence[tuple[int, ...]]) -> bool:
    return list(client.query(sql).result_rows) == list(expected)
