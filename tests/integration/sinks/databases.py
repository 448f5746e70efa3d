"""Migrated databases that tests get one after the other: seconds of work that need not be done for each."""

from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.client import Client

from sinks.client import connect
from sinks.migrate import RECORDS, migrate
from tests.integration.sinks.store import Store

NO_BROKER = "127.0.0.1:1"


class Databases:
    """Databases of one store, with all tables and views and without the pipes from Kafka."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._made = 0
        self._free: list[tuple[str, object]] = []

    @contextmanager
    def empty(self) -> Iterator[Client]:
        """A client of a database without rows that nobody else uses meanwhile."""
        database, definitions = self._free.pop() if self._free else self._make()
        client = self._store.client(database)
        yield client
        # What a test did to the tables themselves, the next one would find.
        if _definitions(client) == definitions:
            _empty(client)
            self._free.append((database, definitions))
        else:
            client.command(f"drop database {database}")
        client.close()

    def _make(self) -> tuple[str, object]:
        self._made += 1
        settings = self._store.settings(NO_BROKER, f"test_{self._made}")
        client = connect(settings)
        migrate(client, settings, pipes=False)
        client.close()
        client = self._store.client(settings.clickhouse_database)
        # Rows of tests are of a fixed day, which will be long ago.
        client.command("system stop ttl merges dead_letters")
        definitions = _definitions(client)
        client.close()
        return settings.clickhouse_database, definitions


def _definitions(client: Client) -> object:
    """Every table, view and dictionary as it was made."""
    return client.query(
        "select name, uuid, create_table_query from system.tables where database = currentDatabase() order by name"
    ).result_rows


def _empty(client: Client) -> None:
    filled = client.query(
        "select distinct table from system.parts where database = currentDatabase() and table != {records:String}",
        {"records": RECORDS},
    ).result_rows
    for (table,) in filled:
        client.command(f"truncate table {table}")
