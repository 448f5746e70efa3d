"""One at a time: a table that only one can create, with a beat in it while its owner lives."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import connect
from sinks.errors import LockedError
from sinks.settings import SinkSettings
from sinks.sql_text import identifier, literal

_BEAT_SECONDS = 5.0
_DEAD_SECONDS = 60
_LOOK_SECONDS = 0.5
_TABLE_EXISTS = 57


@dataclass(frozen=True, slots=True)
class _Owner:
    """Who has the lock: the table that is it, where its process is, and the seconds since its last beat."""

    table: str
    host: str
    process: int
    silent: int

    @property
    def is_gone(self) -> bool:
        if self.silent > _DEAD_SECONDS:
            return True
        return self.host == socket.gethostname() and not _is_alive(self.process)


class _Lock:
    def __init__(self, settings: SinkSettings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._database = identifier(settings.clickhouse_database)
        cluster = settings.clickhouse_cluster
        self._on_cluster = f"on cluster {identifier(cluster)}" if cluster else ""
        table = f"{self._database}.{identifier(name)}"
        self._beats = f"clusterAllReplicas({literal(cluster)}, {table})" if cluster else table

    def taken(self, client: Client) -> bool:
        """Whether it is ours now; another's stays as it is."""
        try:
            client.command(
                f"create table {self._database}.{identifier(self._name)} {self._on_cluster} "
                "(host String, process UInt32, beat DateTime) engine = MergeTree order by beat"
            )
        except ClickHouseError as error:
            if getattr(error, "code", None) != _TABLE_EXISTS:
                raise
            return False
        self.beat(client)
        return True

    def owner(self, client: Client) -> _Owner | None:
        made = client.query(
            "select toString(uuid), dateDiff('second', metadata_modification_time, now()) from system.tables "
            "where database = {database:String} and name = {name:String}",
            {"database": self._settings.clickhouse_database, "name": self._name},
        ).result_rows
        if not made:
            return None
        table, age = made[0]
        try:
            beats = client.query(
                f"select host, process, dateDiff('second', beat, now()) from {self._beats} order by beat desc limit 1"
            ).result_rows
        except ClickHouseError:
            # Let go of since.
            return None
        host, process, silent = beats[0] if beats else ("", 0, age)
        return _Owner(table, host, process, silent)

    def take_from(self, client: Client, gone: _Owner) -> None:
        """Away with the table of an owner that is gone: by its own name, so that a newer one of that name, made by
        somebody who was quicker, is seen and put back.
        """
        aside = identifier(f"{self._name}_{gone.table.replace('-', '')}")
        name = identifier(self._name)
        with suppress(ClickHouseError):
            client.command(f"rename table {self._database}.{name} to {self._database}.{aside} {self._on_cluster}")
            moved = client.query(
                "select toString(uuid) from system.tables where database = {database:String} and name = {name:String}",
                {"database": self._settings.clickhouse_database, "name": aside.strip("`")},
            ).result_rows
            if moved and moved[0][0] != gone.table:
                client.command(f"rename table {self._database}.{aside} to {self._database}.{name} {self._on_cluster}")
            else:
                client.command(f"drop table if exists {self._database}.{aside} {self._on_cluster}")

    def beat(self, client: Client) -> None:
        client.command(
            f"insert into {self._database}.{identifier(self._name)} select {{host:String}}, {{process:UInt32}}, now()",
            {"host": socket.gethostname(), "process": os.getpid()},
        )

    def beats_until(self, stop: threading.Event) -> None:
        while not stop.wait(_BEAT_SECONDS):
            # One that is missed is made up for by the next.
            with suppress(Exception), closing(connect(self._settings)) as client:
                self.beat(client)

    def let_go(self, client: Client) -> None:
        client.command(f"drop table if exists {self._database}.{identifier(self._name)} {self._on_cluster}")


@contextmanager
def only_one(client: Client, settings: SinkSettings, name: str, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Nobody else has the lock ``name`` of this database within the block. What a dead owner left is taken over: at
    once on the machine it was on, after a minute elsewhere.

    :param wait_seconds: how long to wait for another owner's end.
    :raises LockedError: somebody else has it still; the message says who.
    """
    lock = _Lock(settings, name)
    deadline = time.monotonic() + wait_seconds
    while not lock.taken(client):
        owner = lock.owner(client)
        if owner is None:
            continue
        if owner.is_gone:
            lock.take_from(client, owner)
        elif time.monotonic() >= deadline:
            raise LockedError(owner.host, owner.process)
        else:
            time.sleep(_LOOK_SECONDS)
    stop = threading.Event()
    beating = threading.Thread(target=lock.beats_until, args=(stop,), name=f"{name}-beat", daemon=True)
    try:
        beating.start()
        yield
    finally:
        stop.set()
        if beating.ident is not None:
            beating.join(_BEAT_SECONDS)
        lock.let_go(client)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
