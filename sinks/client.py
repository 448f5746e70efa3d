"""The way to ClickHouse, whichever answers: the embedded store, a server or a cluster."""

import time
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from sinks.errors import SinkError
from sinks.settings import SinkSettings


def connect(settings: SinkSettings) -> Client:
    """A client of the configured ClickHouse; its database need not exist yet. Close it when done.

    :raises SinkError: nothing answers at the address.
    """
    url = settings.clickhouse_url.get_secret_value()
    try:
        return clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False)
    except ClickHouseError as error:
        where = urlsplit(url)
        raise SinkError(
            f"ClickHouse does not answer at {where.hostname}:{where.port}: start it (weir store) or set "
            "WEIR_CLICKHOUSE_URL."
        ) from error


_STILL_IN_USE = 57


def attach(client: Client, table: str, *, seconds: float = 30.0) -> None:
    """Attach a table that was detached; ``table`` is quoted, and may end in a cluster clause.

    A query that was reading the table when it was detached holds it for a moment longer.

    :raises DatabaseError: ClickHouse refuses, or the table is still in use after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            client.command(f"attach table if not exists {table}")
        except DatabaseError as error:
            if error.code != _STILL_IN_USE or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
