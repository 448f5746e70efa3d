"""One at a time changes the past, be it a run or an erasure: a table that only one can create, with a beat in it while
its owner lives.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import connect
from sinks.settings import SinkSettings
from sinks.shadow.plan import ReprocessError

LOCK = "reprocess_lock"
_BEAT_SECONDS = 5.0
_DEAD_SECONDS = 60
_TABLE_EXISTS = 57


@contextmanager
def locked(client: Client, settings: SinkSettings) -> Iterator[None]:
    """Nobody else reprocesses or erases within the block. What a dead owner left is taken over: at once on the machine
    it was on, after a minute elsewhere.

    :raises ReprocessError: somebody else does.
    """
    _take_over(client)
    try:
        client.command(
            f"create table {LOCK} (host String, process UInt32, beat DateTime) engine = MergeTree order by beat"
        )
    except ClickHouseError as error:
        if getattr(error, "code", None) != _TABLE_EXISTS:
            raise
        raise ReprocessError("Another run of weir reprocess, or an erasure, is at work: wait for its end.") from error
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(settings, stop), name="reprocess-beat", daemon=True)
    try:
        _say(client)
        beating.start()
        yield
    finally:
        stop.set()
        if beating.ident is not None:
            beating.join(_BEAT_SECONDS)
        client.command(f"drop table if exists {LOCK}")


def _take_over(client: Client) -> None:
    made = client.query(
        "select dateDiff('second', metadata_modification_time, now()) from system.tables "
        "where database = currentDatabase() and name = {name:String}",
        {"name": LOCK},
    ).result_rows
    if not made:
        return
    beats = client.query(
        f"select host, process, dateDiff('second', beat, now()) from {LOCK} order by beat desc limit 1"
    ).result_rows
    host, process, age = beats[0] if beats else ("", 0, made[0][0])
    if age > _DEAD_SECONDS or (host == socket.gethostname() and not _is_alive(process)):
        client.command(f"drop table if exists {LOCK}")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _beat(settings: SinkSettings, stop: threading.Event) -> None:
    while not stop.wait(_BEAT_SECONDS):
        # One that is missed is made up for by the next.
        with suppress(Exception), closing(connect(settings)) as client:
            client.database = settings.clickhouse_database
            _say(client)


def _say(client: Client) -> None:
    client.command(
        f"insert into {LOCK} select {{host:String}}, {{process:UInt32}}, now()",
        {"host": socket.gethostname(), "process": os.getpid()},
    )
