"""One at a time changes the past, be it a run or an erasure."""

from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.client import Client

from sinks.errors import LockedError
from sinks.lock import only_one
from sinks.settings import SinkSettings
from sinks.shadow.plan import ReprocessError

LOCK = "reprocess_lock"


@contextmanager
def locked(client: Client, settings: SinkSettings) -> Iterator[None]:
    """Nobody else reprocesses or erases within the block.

    :raises ReprocessError: somebody else does.
    """
    try:
        with only_one(client, settings, LOCK):
            yield
    except LockedError as error:
        raise ReprocessError("Another run of weir reprocess, or an erasure, is at work: wait for its end.") from error
