"""ClickHouse as the commands ask it: the configured database, and errors as sentences."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import connect
from sinks.errors import SinkError
from weir.errors import WeirError
from weir.prepare import sink_settings
from weir.settings import Settings


@contextmanager
def clickhouse(settings: Settings) -> Iterator[Client]:
    """A client of the configured database, closed at the end.

    :raises WeirError: nothing answers, or ClickHouse refuses what is asked; what is done is safe to repeat.
    """
    try:
        with closing(connect(sink_settings(settings))) as client:
            client.database = settings.clickhouse_database
            yield client
    except SinkError as error:
        raise WeirError(str(error)) from error
    except ClickHouseError as error:
        raise WeirError(
            f"ClickHouse refused a statement ({error}): nothing is lost. Is the schema up to date (weir migrate)? Then "
            "run it again."
        ) from error
