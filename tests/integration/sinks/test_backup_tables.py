"""Tables that were restored are tables like others: what is to be deleted of them goes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from sinks.backup import STORE, back_up_tables, restore_tables
from sinks.client import connect
from sinks.erased_rows import Cut, delete_rows, list_ids
from sinks.errors import DeletionError
from sinks.migrate import migrate
from sinks.retention import EVENTS, Plan, _carry_out
from sinks.settings import SinkSettings
from tests.integration.sinks import rows
from tests.integration.sinks.arrivals import arrive, number
from tests.integration.sinks.databases import NO_BROKER
from tests.integration.sinks.store import running_store

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CUT = Cut(7, "shop", 1, (100,), 1_772_359_200_000)
HERS = "select count() from events where device_id = 'ada-phone'"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SinkSettings]:
    """A store with a backup, of a table of which something was deleted before."""
    home: Path = tmp_path_factory.mktemp("restored")
    with running_store(home) as store:
        made = store.settings(NO_BROKER)
        client = connect(made)
        migrate(client, made, pipes=False)
        client.database = made.clickhouse_database
        for offset in range(8):
            device = "ada-phone" if offset % 2 else "another"
            arrive(client, "events", offset, [rows.event(raw_offset=offset, device_id=device)])
        client.command("alter table events delete where raw_offset = 7", settings={"mutations_sync": 2})
        client.command("alter table events delete where raw_offset = 6", settings={"mutations_sync": 2})
        back_up_tables(client, made, "one", None)
        client.close()
        yield made


@pytest.fixture
def client(settings: SinkSettings) -> Iterator[Client]:
    client = connect(settings)
    yield client
    client.close()


def test_what_is_erased_of_a_restored_table_goes(settings: SinkSettings, client: Client) -> None:
    restore_tables(client, settings, "one")
    client.database = settings.clickhouse_database
    assert number(client, HERS) == 3
    list_ids(client, CUT, {"device": ["ada-phone"]})
    delete_rows(client, settings, CUT, "events")
    assert number(client, HERS) == 0
    assert number(client, "select count() from events") == 3
    # In the rollup they were counted by the view, which the table still feeds.
    before = number(client, "select sum(events) from events_hourly")
    arrive(client, "events", 8, [rows.event(raw_offset=200)])
    assert number(client, "select sum(events) from events_hourly") == before + 1


def test_who_is_told_of_a_deletion_that_deleted_nothing(settings: SinkSettings, client: Client) -> None:
    """As after a restore by ClickHouse's own command: it takes mutations for done that it has not done."""
    database = settings.clickhouse_database
    client.command(f"drop database {database}")
    client.command(f"create database {database}")
    client.command(f"restore database {database} from File('one/{STORE}')")
    client.database = database
    list_ids(client, CUT, {"device": ["ada-phone"]})
    with pytest.raises(DeletionError, match="3 rows of events are still there"):
        delete_rows(client, settings, CUT, "events")
    plan = Plan(projects={"shop": 4_000_000_000}, months=())
    with pytest.raises(DeletionError, match="6 rows of events are still there: start ClickHouse again"):
        _carry_out(client, 1, EVENTS, plan)
