"""The files for ClickHouse servers agree with the embedded store and with what the schema is rendered for."""

from xml.etree import ElementTree

import pytest

from sinks.settings import StoreSettings
from tests.broker import REPOSITORY
from tests.contract.sinks.cluster_schema import SETTINGS

FOLDER = REPOSITORY / "deploy" / "clickhouse"
FILES = sorted(path.name for path in FOLDER.glob("*.xml"))


def _of(name: str) -> ElementTree.Element:
    return ElementTree.parse(FOLDER / name).getroot()


@pytest.mark.parametrize("name", FILES)
def test_it_is_a_file_of_clickhouse(name: str) -> None:
    root = _of(name)
    assert root.tag == "clickhouse"
    assert {child.tag for child in root} == {"profiles"} or not name.endswith("users.xml")


def test_consumers_are_back_as_soon_as_those_of_the_store() -> None:
    store = StoreSettings.model_construct()
    found = _of("weir.xml")
    assert found.findtext("kafka/session_timeout_ms") == str(store.kafka_session_timeout_ms)
    assert found.findtext("kafka/heartbeat_interval_ms") == str(store.kafka_heartbeat_interval_ms)


def test_logs_of_the_server_are_off_or_end() -> None:
    logs = [child for child in _of("weir.xml") if child.tag.endswith("_log")]
    assert len(logs) > 10
    for log in logs:
        assert log.get("remove") == "1" or "interval" in (log.findtext("ttl") or ""), log.tag


def test_a_small_server_can_still_merge_and_consume() -> None:
    found = _of("small.xml")
    pool = int(found.findtext("background_pool_size") or 0)
    pool *= int(found.findtext("background_merges_mutations_concurrency_ratio") or 0)
    entries = [child for group in found.iter("merge_tree") for child in group]
    assert len(entries) == 3
    # The server does not start with bounds beyond its pool.
    assert all(int(entry.text or 0) <= pool for entry in entries)
    assert int(found.findtext("background_message_broker_schedule_pool_size") or 0) >= 16


def test_the_clusters_are_those_of_the_schema_and_one_node_a_shard_consumes() -> None:
    servers = _of("cluster.xml").find("remote_servers")
    assert servers is not None
    hosts = {
        cluster.tag: [[replica.findtext("host") for replica in shard.iter("replica")] for shard in cluster]
        for cluster in servers
    }
    assert list(hosts) == [SETTINGS.clickhouse_cluster, SETTINGS.clickhouse_consumers]
    shards, consumers = hosts.values()
    assert [len(shard) for shard in consumers] == [1] * len(shards)
    assert all(consumer[0] in shard for consumer, shard in zip(consumers, shards, strict=True))
