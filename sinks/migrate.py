"""Brings a ClickHouse to the schema of this version.

Files are numbered and never change once released. Each statement is recorded when it is done and is written so
that doing it twice is harmless, so a run that was broken off is simply run again. Statements marked ``-- pipe``
(the Kafka tables and the one view that empties each) are not history but configuration: the newest definition
stands, and is made anew whenever it, or the broker's address, has changed. One run at a time; rows may come in
meanwhile, and what has to wait for a statement waits in Kafka.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.backup import is_restoring
from sinks.errors import LockedError, MigrationError, RestoreUnderWayError
from sinks.lock import only_one
from sinks.migration_files import Migration, newest_pipes, read_migrations
from sinks.pipes import Pipe, await_topics, is_laid, paused, pipe_of, put_on
from sinks.rendering import rendered
from sinks.settings import SinkSettings
from sinks.sql_text import identifier

RECORDS = "schema_migrations"
LOCK = "migration_lock"
_LOCK_SECONDS = 60.0
_NO_DATABASE = 81
_RECORDS_TABLE = """
create table if not exists {{database}}.schema_migrations {{on_cluster}}
(
    file String,
    checksum String,
    statement UInt32,
    done_at DateTime64(3, 'UTC') default now64(3)
)
engine = {{engine:MergeTree}}
order by (file, statement)
""".strip()


@dataclass(frozen=True, slots=True)
class Applied:
    """A statement that was done now. ``step`` counts from 0; pipes have the step −1."""

    file: str
    step: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be done: the SQL as it would be run, and what does not come in meanwhile and why, if anything."""

    file: str
    step: int
    sql: tuple[str, ...]
    pauses: str = ""


Progress = Callable[[Applied], None]
_Done = Mapping[str, tuple[str, frozenset[int]]]


def migrate(
    client: Client,
    settings: SinkSettings,
    progress: Progress | None = None,
    *,
    folder: Traversable | None = None,
    pipes: bool = True,
    wait_for_topics: float = 0.0,
    wait_for_others: float = _LOCK_SECONDS,
    node_only: bool = False,
) -> list[Applied]:
    """Do what is missing, and return it. Safe to repeat, to run again after it was broken off, and while rows come in.

    ``pipes``: whether to lay the pipes, that is to begin or go on consuming. ``wait_for_topics``: seconds to wait
    for the topics they read. ``wait_for_others``: seconds to wait while another run is at work. ``node_only``: bring
    this one node of a cluster, a new one, to the schema: every statement is done there and nowhere else.

    :raises MigrationError: a released file was changed, files are missing, a topic is missing, a statement failed, or
        another run is at work still.
    """
    alone = settings.model_copy(update={"clickhouse_cluster": None}) if node_only else settings
    run = _Run(client, settings, progress, read_migrations(folder), on_cluster=not node_only)
    try:
        for sql in _first(settings, on_cluster=not node_only):
            run.do(sql, "database")
        with only_one(client, alone, LOCK, wait_seconds=wait_for_others):
            if is_restoring(client, settings.clickhouse_database):
                raise RestoreUnderWayError("A restore was broken off, and not all is there: run weir restore again.")
            run.steps({} if node_only else _checked(client, settings, run.migrations), record=not node_only)
            if pipes:
                await_topics(settings, run.migrations, wait_for_topics)
                run.lay_pipes()
    except LockedError as error:
        raise MigrationError(f"Another weir migrate ({error.owner}) is at work: wait for its end.") from error
    return run.applied


def plan(client: Client, settings: SinkSettings, *, folder: Traversable | None = None) -> list[Planned]:
    """What ``migrate`` would do now, in its order. Changes nothing.

    :raises MigrationError: a released file was changed, or files are missing.
    """
    migrations = read_migrations(folder)
    try:
        done = _checked(client, settings, migrations)
        first: list[Planned] = []
    except _NothingThereError:
        done = {}
        first = [Planned("", -1, tuple(_first(settings)))]
    steps = []
    for migration in migrations:
        for number in _missing(migration, done):
            step = migration.statements[number]
            why = f"{', '.join(step.paused)}: rows wait in Kafka until the statements of this part are done"
            steps.append(
                Planned(migration.file, number, tuple(rendered(step.sql, settings)), why if step.paused else "")
            )
    return [*first, *steps, *_planned_pipes(client, settings, migrations)]


def every_statement(
    settings: SinkSettings, folder: Traversable | None = None, *, on_cluster: bool = True
) -> list[tuple[str, str]]:
    """All that an empty ClickHouse is told, in order, each with the file it is from; with ``on_cluster`` by one node of
    a cluster, else by each for itself.
    """
    migrations = read_migrations(folder)
    told = [("", sql) for sql in _first(settings, on_cluster=on_cluster)]
    told += [
        (m.file, sql) for m in migrations for step in m.steps for sql in rendered(step, settings, on_cluster=on_cluster)
    ]
    for name, definition in newest_pipes(migrations).items():
        pipe = pipe_of(name, definition, settings, on_cluster=on_cluster)
        told += [(pipe.file, sql) for sql in pipe.statements[2:]]
    return told


class _NothingThereError(Exception):
    """There is no record of a migration: the database is empty, or is not there."""


class _Run:
    def __init__(
        self,
        client: Client,
        settings: SinkSettings,
        progress: Progress | None,
        migrations: list[Migration],
        *,
        on_cluster: bool,
    ) -> None:
        self.applied: list[Applied] = []
        self.migrations = migrations
        self._client = client
        self._settings = settings
        self._progress = progress
        self._on_cluster = on_cluster
        self._pipes = {
            name: pipe_of(name, definition, settings, on_cluster=on_cluster)
            for name, definition in newest_pipes(migrations).items()
        }

    def do(self, sql: str, what: str) -> None:
        # On a cluster a statement is done when every replica has done it.
        settings = {"alter_sync": 2} if self._settings.clickhouse_cluster else None
        try:
            self._client.command(sql, settings=settings)
        except ClickHouseError as error:
            raise MigrationError(f"{what} failed: {error}. Nothing is lost; run weir migrate again.") from error

    def steps(self, done: _Done, *, record: bool) -> None:
        for migration in self.migrations:
            missing = _missing(migration, done)
            at = 0
            while at < len(missing):
                section = migration.statements[missing[at]].section
                size = sum(
                    1 for number in missing[at:] if section >= 0 and migration.statements[number].section == section
                )
                numbers = missing[at : at + max(size, 1)]
                self._section(migration, numbers, record=record)
                at += len(numbers)

    def lay_pipes(self) -> None:
        for pipe in self._pipes.values():
            started = time.monotonic()
            put_on(self._client, pipe)
            if not is_laid(self._client, pipe):
                for sql in pipe.statements:
                    self.do(sql, f"{pipe.file}, {pipe.name}")
                self._tell(Applied(pipe.file, -1, time.monotonic() - started))

    def _section(self, migration: Migration, numbers: Sequence[int], *, record: bool) -> None:
        """Statements that belong together, with their pipes off; recorded when the last of them is done."""
        with ExitStack() as stack:
            names = migration.statements[numbers[0]].paused
            there = [pipe for pipe in self._named(names) if _exists(self._client, pipe)]
            if there:
                stack.enter_context(paused(self._client, there))
            for number in numbers:
                started = time.monotonic()
                for sql in rendered(migration.steps[number], self._settings, on_cluster=self._on_cluster):
                    self.do(sql, f"{migration.file}, statement {number + 1}")
                self._tell(Applied(migration.file, number, time.monotonic() - started))
            if record:
                self._record(migration, numbers)

    def _named(self, names: Sequence[str]) -> Iterator[Pipe]:
        for name in names:
            if name not in self._pipes:
                raise MigrationError(f"A migration pauses the unknown pipe {name}.")
            yield self._pipes[name]

    def _record(self, migration: Migration, numbers: Sequence[int]) -> None:
        self._client.insert(
            RECORDS,
            [[migration.file, migration.checksum, number] for number in numbers],
            column_names=["file", "checksum", "statement"],
            database=self._settings.clickhouse_database,
        )

    def _tell(self, step: Applied) -> None:
        self.applied.append(step)
        if self._progress is not None:
            self._progress(step)


def _first(settings: SinkSettings, *, on_cluster: bool = True) -> list[str]:
    names = dict.fromkeys((settings.clickhouse_database, settings.local_database))
    made = [f"create database if not exists {identifier(name)} {{{{on_cluster}}}}" for name in names]
    return [sql for text in (*made, _RECORDS_TABLE) for sql in rendered(text, settings, on_cluster=on_cluster)]


def _missing(migration: Migration, done: _Done) -> list[int]:
    """The numbers of the statements to do; of a paused section that was not finished, all."""
    finished = done.get(migration.file, ("", frozenset[int]()))[1]
    open_sections = {
        step.section for number, step in enumerate(migration.statements) if number not in finished and step.section >= 0
    }
    return [
        number
        for number, step in enumerate(migration.statements)
        if number not in finished or step.section in open_sections
    ]


def _planned_pipes(client: Client, settings: SinkSettings, migrations: list[Migration]) -> list[Planned]:
    planned = []
    for name, definition in newest_pipes(migrations).items():
        pipe = pipe_of(name, definition, settings)
        if is_laid(client, pipe):
            continue
        is_new = not _exists(client, pipe)
        why = f"{name}: its table is made anew, and rows wait in Kafka until it has joined its group, some seconds"
        planned.append(
            Planned(pipe.file, -1, pipe.statements[2:] if is_new else pipe.statements, "" if is_new else why)
        )
    return planned


def _exists(client: Client, pipe: Pipe) -> bool:
    """Whether the Kafka table is there, or is taken off."""
    rows = client.query(
        "select count() from (select name from system.tables where database = {database:String} "
        "union all select table from system.detached_tables where database = {database:String}) "
        "where name in {parts:Array(String)}",
        {"database": pipe.database, "parts": list(pipe.parts)},
    ).result_rows
    return bool(rows[0][0])


def _checked(client: Client, settings: SinkSettings, migrations: Sequence[Migration]) -> _Done:
    """Per file its checksum when it was run, and the statements that are done.

    :raises MigrationError: they do not go together with ``migrations``.
    :raises _NothingThereError: there is no record.
    """
    there = client.query(
        "select count() from system.tables where database = {database:String} and name = {name:String}",
        {"database": settings.clickhouse_database, "name": RECORDS},
    ).result_rows
    if not there[0][0]:
        raise _NothingThereError
    rows = client.query(
        "select file, any(checksum), groupUniqArray(statement) "
        f"from {identifier(settings.clickhouse_database)}.{RECORDS} group by file"
    ).result_rows
    done = {str(file): (str(checksum), frozenset(numbers)) for file, checksum, numbers in rows}
    _check(migrations, done)
    return done


def _check(migrations: Sequence[Migration], done: _Done) -> None:
    known = {migration.file for migration in migrations}
    if missing := sorted(set(done) - known):
        raise MigrationError(
            f"This ClickHouse was migrated by a newer version ({missing[0]} is unknown here): run that version."
        )
    newest = max(done, default="")
    for migration in migrations:
        checksum = done.get(migration.file, ("", frozenset()))[0]
        if checksum and checksum != migration.checksum:
            raise MigrationError(
                f"{migration.file} was changed after it had been run here: put it back as it was, and write the "
                "change as a new file."
            )
        if not checksum and migration.file < newest and migration.steps:
            raise MigrationError(
                f"{migration.file} was never run here, but {newest} was: give it the next free number."
            )
