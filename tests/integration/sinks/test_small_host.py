"""A store with little memory: what needs too much is refused with its reason, and the store lives on."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from schemas import topics
from tests.broker import REPOSITORY, Broker
from tests.integration.sinks import rows
from tests.integration.sinks.store import Pipeline, Store, lines, running_store
from weir.local.ports import free_ports

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

MIB = 1024 * 1024
MEMORY = 768 * MIB
TOO_MUCH_MEMORY = 241


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that may take 768 MiB, and a query half of that."""
    with running_store(tmp_path_factory.mktemp("small"), {"WEIR_STORE_MEMORY_BYTES": str(MEMORY)}) as running:
        yield running


@pytest.fixture
def client(small: Store) -> Iterator[Client]:
    made = small.client("default")
    yield made
    made.close()


def test_the_engine_has_taken_its_bounds(client: Client) -> None:
    sql = "select name, toUInt64(value) from system.server_settings where name in {names:Array(String)}"
    caches = ("mark_cache_size", "primary_index_cache_size", "index_mark_cache_size", "compiled_expression_cache_size")
    names = {"names": ["max_server_memory_usage", "merges_mutations_memory_usage_soft_limit", *caches]}
    found = {str(name): int(value) for name, value in client.query(sql, names).result_rows}
    assert found["max_server_memory_usage"] == MEMORY
    assert found["merges_mutations_memory_usage_soft_limit"] == MEMORY // 2
    assert {found[name] for name in caches} == {MEMORY // 16}
    # The logs of itself, by which a server grows day by day, the embedded engine has not.
    assert client.query("select count() from system.tables where name like '%\\_log'").result_rows == [(0,)]


@pytest.mark.parametrize(
    "settings", [{}, {"max_memory_usage": 0}, {"max_memory_usage": 100 * 1024 * MIB}], ids=["none", "no bound", "more"]
)
def test_a_query_that_needs_too_much_gets_the_reason(client: Client, settings: dict[str, int]) -> None:
    with pytest.raises(DatabaseError, match="MEMORY_LIMIT_EXCEEDED") as refused:
        client.query("select uniqExact(number) from numbers(100000000)", settings=settings)
    assert refused.value.code == TOO_MUCH_MEMORY
    assert client.query("select 1").result_rows == [(1,)]


def test_grouping_and_sorting_of_more_than_fits_go_to_disk(client: Client) -> None:
    # Half a gigabyte of groups, and of rows.
    groups = "select count() from (select number, count() from numbers(10000000) group by number)"
    assert client.query(groups).result_rows == [(10_000_000,)]
    rows_in_order = (
        "select sum(length(s)) from (select toString(number) as s from numbers(20000000) order by cityHash64(s))"
    )
    assert client.query(rows_in_order).result_rows[0][0] > 0


def test_rows_come_in_while_queries_are_refused(small: Store, sinks_broker: Broker) -> None:
    pipeline = Pipeline(sinks_broker, small, small.settings(sinks_broker.bootstrap))
    pipeline.migrate()
    client = pipeline.client()
    sent = 0
    for _ in range(5):
        messages = [lines([rows.event(raw_offset=sent + at, raw_line=line) for line in range(100)]) for at in range(20)]
        pipeline.send(topics.EVENTS, messages)
        sent += len(messages)
        with pytest.raises(DatabaseError, match="MEMORY_LIMIT_EXCEEDED"):
            client.query("select groupArray(number) from numbers(1000000000)")
    pipeline.await_number("select count() from events", sent * 100)
    pipeline.await_number("select sum(events) from events_hourly", sent * 100)
    client.close()


def test_the_files_for_servers_are_read_as_they_are_meant(tmp_path: Path) -> None:
    """The embedded engine reads the same settings; the logs of itself, and users, it has not."""
    store = Store(tmp_path / "data", free_ports(1)[0])
    place = store.data / "config.d"
    place.mkdir(parents=True)
    for name in ("weir.xml", "small.xml"):
        shutil.copy(REPOSITORY / "deploy" / "clickhouse" / name, place)
    store.start()
    try:
        client = store.client("default")
        root = ElementTree.parse(place / "small.xml").getroot()
        # Sizes of pools and the number of queries are told as they are at work, which the embedded engine does not do.
        untold = (
            "background_schedule_pool_size",
            "background_message_broker_schedule_pool_size",
            "max_concurrent_queries",
        )
        wanted = {child.tag: child.text for child in root if child.tag not in (*untold, "merge_tree")}
        assert len(wanted) > 5
        sql = "select name, value from system.server_settings where changed"
        found = {str(name): str(value) for name, value in client.query(sql).result_rows}
        assert {name: found.get(name) for name in wanted} == wanted
        sql = "select name, value from system.merge_tree_settings where changed"
        found = {str(name): str(value) for name, value in client.query(sql).result_rows}
        assert found["min_free_disk_bytes_to_perform_insert"] == "1073741824"
        assert found["number_of_free_entries_in_pool_to_execute_mutation"] == "2"
        client.command("create table t (a Int8) engine = MergeTree order by a")
        client.close()
    finally:
        store.kill()
