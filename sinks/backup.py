"""ClickHouse's own BACKUP and RESTORE of Weir's database: everything but what reads Kafka.

A backup is taken while rows come in, and each table as it is at a moment of its own. That is enough: from positions of
before it, all that comes from Kafka comes again, and each table drops what it has. Rollups may be ahead of their table
or behind it by what came in at that moment; they are compared and mended after a restore.
"""

import time
from collections.abc import Iterable, Sequence

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import attach
from sinks.errors import SinkError
from sinks.migration_files import read_migrations
from sinks.settings import SinkSettings
from sinks.sql_text import identifier, literal

STORE = "store"
"""The folder of a backup that ClickHouse writes."""
MARK = "restore_under_way"
"""A table that is there from the first to the last step of a restore."""
_RECORDS = "schema_migrations"
_NOT_KEPT = r"""
select name from system.tables
where database = {database:String} and (
    engine = 'Kafka' or name like '%\_feed' or match(name, '_(shadow|beside)(_|$)') or name like '%\_lock%'
)
"""
_NO_DATABASE = 81
_POLL_SECONDS = 0.2
_OTHERS_SECONDS = 600.0


class BackupError(SinkError):
    """A backup could not be made, read or restored; the message says what to do."""


def refuse_cluster(settings: SinkSettings) -> None:
    """Raises BackupError on a cluster: ``BACKUP`` of one node writes neither what other shards have nor the local
    tables, and a restore of it would empty everybody's.
    """
    if settings.clickhouse_cluster is not None:
        raise BackupError(
            "Weir backs up and restores a single node; WEIR_CLICKHOUSE_CLUSTER names a cluster, of which it would have "
            f"one shard at most. Use ClickHouse's own BACKUP … ON CLUSTER {settings.clickhouse_cluster} for both its "
            "databases, and weir archive for the raw log (docs/backup.md)."
        )


def back_up_tables(client: Client, settings: SinkSettings, name: str, base: str | None) -> None:
    """Write the tables into the folder of the backup ``name``, which is below the one that ClickHouse may write backups
    to; with ``base`` only what differs from that backup. Rows may come in meanwhile.

    :raises BackupError: ClickHouse refuses.
    """
    database = settings.clickhouse_database
    try:
        left_out = [str(row[0]) for row in client.query(_NOT_KEPT, {"database": database}).result_rows]
        but = ", ".join(f"{identifier(database)}.{identifier(table)}" for table in left_out)
        sql = (
            f"backup database {identifier(database)}{f' except tables {but}' if but else ''} "
            f"to File({literal(f'{name}/{STORE}')})"
        )
        if base is not None:
            sql += f" settings base_backup = File({literal(f'{base}/{STORE}')})"
        _complete(client, sql)
    except (ClickHouseError, BackupError) as error:
        raise BackupError(
            f"ClickHouse did not back up {database}: {error}. It must see the backups' folder as its "
            "backups.allowed_path (docs/backup.md)."
        ) from error


def _complete(client: Client, sql: str) -> None:
    """Begin it, and ask until it is over: no connection would wait for as long as it may take.

    :raises BackupError: it failed.
    """
    told = client.command(f"{sql} async")
    number = told.split()[0] if isinstance(told, str) else next(iter(told)) if isinstance(told, Sequence) else ""
    while True:
        rows = client.query(
            "select toString(status), error from system.backups where id = {id:String}", {"id": number}
        ).result_rows
        status, error = rows[0] if rows else ("", "ClickHouse knows nothing of it any more: was it started again?")
        if status in ("BACKUP_CREATED", "RESTORED"):
            return
        if status not in ("CREATING_BACKUP", "RESTORING"):
            raise BackupError(str(error)[:2000] or f"ClickHouse says {status}.")
        time.sleep(_POLL_SECONDS)


def _await_others(client: Client) -> None:
    """ClickHouse goes on with a restore whose command was killed: two would get into each other's way."""
    deadline = time.monotonic() + _OTHERS_SECONDS
    while client.query("select count() from system.backups where status = 'RESTORING'").result_rows[0][0]:
        if time.monotonic() > deadline:
            raise BackupError("ClickHouse is still at work on another restore: see system.backups.")
        time.sleep(_POLL_SECONDS)


def applied_migrations(client: Client) -> dict[str, str]:
    """Which migrations the database has had, with their checksums. Raises ClickHouseError."""
    rows = client.query(f"select distinct file, checksum from {_RECORDS} order by file").result_rows
    return {str(file): str(checksum) for file, checksum in rows}


def check_migrations(applied: dict[str, str]) -> None:
    """Raises BackupError unless this version of Weir can go on from a database that has had these."""
    known = {migration.file: migration.checksum for migration in read_migrations()}
    for file, checksum in applied.items():
        if known.get(file) != checksum:
            raise BackupError(
                f"The backup is of another version of Weir ({file} is not the one here): restore it with that version, "
                "or a newer one."
            )


def count_stored(client: Client, settings: SinkSettings) -> int:
    """Rows of people and of raw messages that are stored; 0 also where there is no database yet."""
    database = identifier(settings.clickhouse_database)
    try:
        sql = " + ".join(
            f"(select count() from {database}.{table})" for table in ("events", "profiles", "dead_letters")
        )
        return int(client.query(f"select {sql}").result_rows[0][0])
    except ClickHouseError as error:
        if getattr(error, "code", None) in (_NO_DATABASE, 60):
            return 0
        raise


def restore_tables(client: Client, settings: SinkSettings, name: str) -> None:
    """Replace the database by that of the backup. Nothing comes in from Kafka afterwards before ``migrate``, which
    refuses until ``end_restore``. Safe to repeat.

    :raises BackupError: ClickHouse refuses; run again, it begins anew.
    """
    database = identifier(settings.clickhouse_database)
    try:
        _await_others(client)
        # Not at once: the engine needs its time to let go of what it reads, and does so by itself.
        client.command(f"drop database if exists {database}")
        client.command(f"create database {database}")
        client.command(f"create table {database}.{MARK} (backup String) engine = MergeTree order by backup")
        _complete(client, f"restore database {database} from File({literal(f'{name}/{STORE}')})")
        _count_from_the_parts(client, settings)
    except (ClickHouseError, BackupError) as error:
        raise BackupError(
            f"ClickHouse did not restore {name}: {error}. Run weir restore again: it begins anew."
        ) from error


def _count_from_the_parts(client: Client, settings: SinkSettings) -> None:
    """A restored part keeps the number of the last mutation it has had, while its new table numbers mutations from 1:
    ClickHouse would take those to come for done, and delete nothing. A table that is attached begins where its parts
    ended.
    """
    behind = client.query(
        "select table from system.parts where database = {database:String} and active "
        "group by table having max(data_version) > max(max_block_number) order by table",
        {"database": settings.clickhouse_database},
    ).result_rows
    for (table,) in behind:
        name = f"{identifier(settings.clickhouse_database)}.{identifier(str(table))}"
        client.command(f"detach table {name}")
        attach(client, name)


def end_restore(client: Client, settings: SinkSettings) -> None:
    """All is in its place; ``migrate`` may lay the pipes."""
    client.command(f"drop table if exists {identifier(settings.clickhouse_database)}.{MARK}")


def is_restoring(client: Client, database: str) -> bool:
    """Whether a restore was begun and not ended."""
    sql = "select count() from system.tables where database = {database:String} and name = {name:String}"
    return bool(client.query(sql, {"database": database, "name": MARK}).result_rows[0][0])


def known_erasures(client: Client, numbers: Iterable[int]) -> set[int]:
    """Which of these erasures the database has in force."""
    sql = "select distinct erasure from erased final where notEmpty(raw_ends) and erasure in {numbers:Array(UInt64)}"
    return {int(row[0]) for row in client.query(sql, {"numbers": list(numbers)}).result_rows}
