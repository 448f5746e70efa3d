"""Brings a ClickHouse to the schema of this version.

Files are numbered and never change once released. Each statement is recorded when it is done and is written so
that doing it twice is harmless, so a run that was broken off is simply run again. Statements marked ``-- pipe``
(the Kafka tables and the one view that empties each) are not history but configuration: the newest definition
stands, and is made anew whenever it, or the broker's address, has changed.
"""

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas import topics
from sinks.client import attach
from sinks.errors import MigrationError
from sinks.settings import SinkSettings
from sinks.sql_text import identifier, literal, statements

RECORDS = "schema_migrations"
_FILE = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
_PLACEHOLDER = re.compile(r"\{\{([a-z_]+)(?::([^}]*))?\}\}")
_PIPE = re.compile(r"create (?:table|materialized view) if not exists \{\{database\}\}\.([a-z_]+)_(queue|feed)\b")
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
"""
# Topics with a copy for each shard of a cluster; a partition must never move to another shard's consumer.
_SHARDED = {topics.EVENTS, topics.SESSIONS, topics.IDENTITIES, topics.LEDGER, topics.REPLAY}


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered file: its statements as written, apart from the pipes among them."""

    file: str
    checksum: str
    steps: tuple[str, ...]
    pipes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Applied:
    """A statement that was done now. ``step`` counts from 0; pipes have the step −1."""

    file: str
    step: int
    seconds: float


Progress = Callable[[Applied], None]


def read_migrations(folder: Traversable | None = None) -> list[Migration]:
    """The migrations of this version, in order.

    :raises MigrationError: a file's name or number is wrong.
    """
    place = folder if folder is not None else files("sinks").joinpath("migrations")
    found = sorted((entry for entry in place.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    for number, entry in enumerate(found, 1):
        if not _FILE.fullmatch(entry.name) or int(entry.name[:4]) != number:
            raise MigrationError(f"{entry.name} should be a migration with the number {number:04d}.")
    return [_read(entry) for entry in found]


def migrate(
    client: Client,
    settings: SinkSettings,
    progress: Progress | None = None,
    *,
    folder: Traversable | None = None,
    pipes: bool = True,
    wait_for_topics: float = 0.0,
) -> list[Applied]:
    """Do what is missing, and return it. Safe to repeat, and to run again after it was broken off.

    ``pipes``: whether to lay the pipes, that is to begin or go on consuming. ``wait_for_topics``: seconds to wait
    for the topics they read.

    :raises MigrationError: a released file was changed, files are missing, a topic is missing, or a statement
        failed.
    """
    migrations = read_migrations(folder)
    database = identifier(settings.clickhouse_database)
    _run(client, render(f"create database if not exists {database} {{{{on_cluster}}}}", settings), "database")
    _run(client, render(_RECORDS_TABLE, settings), RECORDS)
    done = _recorded(client, settings)
    _check(migrations, done)
    applied: list[Applied] = []

    def tell(step: Applied) -> None:
        applied.append(step)
        if progress is not None:
            progress(step)

    for migration in migrations:
        finished = done.get(migration.file, ("", frozenset[int]()))[1]
        for number, step in enumerate(migration.steps):
            if number not in finished:
                tell(_do_step(client, settings, migration, number, step))
    if not pipes:
        return applied
    _await_topics(settings, migrations, wait_for_topics)
    for name, pair in _pipes(migrations).items():
        laid = _lay_pipe(client, settings, name, pair)
        if laid is not None:
            tell(laid)
    return applied


def render(statement: str, settings: SinkSettings) -> str:
    """The statement for this ClickHouse: a single node or a cluster, and its broker."""

    def value(match: re.Match[str]) -> str:
        name, argument = match.group(1), match.group(2) or ""
        match name:
            case "database":
                return identifier(settings.clickhouse_database)
            case "on_cluster":
                cluster = settings.clickhouse_cluster
                return f"on cluster {identifier(cluster)}" if cluster else ""
            case "engine":
                return _engine(argument, replicated=settings.clickhouse_cluster is not None)
            case "kafka":
                return literal(settings.bootstrap_for_store)
            case "group":
                return literal(topics.STORE_GROUP_PREFIX + argument)
            case "topic":
                topic = str(getattr(topics, argument))
                sharded = settings.clickhouse_cluster is not None and topic in _SHARDED
                return literal(topic + ".{shard}" if sharded else topic)
        raise MigrationError(f"A migration has the unknown placeholder {match.group()}.")

    return _PLACEHOLDER.sub(value, statement)


def _engine(declared: str, *, replicated: bool) -> str:
    name, _, arguments = declared.partition("(")
    inner = arguments.removesuffix(")")
    if not replicated:
        return f"{name}({inner})"
    parts = ["'/clickhouse/tables/{shard}/{database}/{table}'", "'{replica}'", *([inner] if inner else [])]
    return f"Replicated{name}({', '.join(parts)})"


def _read(entry: Traversable) -> Migration:
    text = entry.read_text(encoding="utf-8")
    steps: list[str] = []
    pipes: dict[str, str] = {}
    for part in re.split(r"^(?=-- pipe$)", text, flags=re.MULTILINE):
        found = statements(part)
        if part.startswith("-- pipe"):
            named = _PIPE.match(found[0])
            if named is None:
                raise MigrationError(f"{entry.name}: a pipe must create a _queue table or a _feed view.")
            pipes[f"{named.group(1)}_{named.group(2)}"] = found[0]
            found = found[1:]
        steps.extend(found)
    return Migration(entry.name, hashlib.sha256(text.encode()).hexdigest(), tuple(steps), pipes)


def _recorded(client: Client, settings: SinkSettings) -> dict[str, tuple[str, frozenset[int]]]:
    """Per file its checksum when it was run, and the statements that are done."""
    rows = client.query(
        "select file, any(checksum), groupUniqArray(statement) "
        f"from {identifier(settings.clickhouse_database)}.{RECORDS} group by file"
    ).result_rows
    return {str(file): (str(checksum), frozenset(done)) for file, checksum, done in rows}


def _check(migrations: Sequence[Migration], done: Mapping[str, tuple[str, frozenset[int]]]) -> None:
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


def _do_step(client: Client, settings: SinkSettings, migration: Migration, number: int, step: str) -> Applied:
    started = time.monotonic()
    _run(client, render(step, settings), f"{migration.file}, statement {number + 1}")
    client.insert(
        RECORDS,
        [[migration.file, migration.checksum, number]],
        column_names=["file", "checksum", "statement"],
        database=settings.clickhouse_database,
    )
    return Applied(migration.file, number, time.monotonic() - started)


def _pipes(migrations: Sequence[Migration]) -> dict[str, tuple[str, str, str]]:
    """Per pipe: the file with its newest definition, the Kafka table and the view that empties it."""
    newest: dict[str, tuple[str, str]] = {}
    for migration in migrations:
        newest.update({name: (migration.file, text) for name, text in migration.pipes.items()})
    names = [name.removesuffix("_queue") for name in newest if name.endswith("_queue")]
    return {name: (*newest[f"{name}_queue"], newest[f"{name}_feed"][1]) for name in names}


def _lay_pipe(client: Client, settings: SinkSettings, name: str, pair: tuple[str, str, str]) -> Applied | None:
    """Make the pipe what its definition says; None when it is. A pipe that was taken off is put on again."""
    started = time.monotonic()
    file, queue, feed = pair[0], render(pair[1], settings), render(pair[2], settings)
    # The table itself carries what it was made from, so that no record of it can be wrong.
    mark = "weir:" + hashlib.sha256(f"{queue}\n{feed}".encode()).hexdigest()
    database = identifier(settings.clickhouse_database)
    cluster = render("{{on_cluster}}", settings)
    names = {"database": settings.clickhouse_database, "queue": f"{name}_queue", "feed": f"{name}_feed"}
    for (detached,) in client.query(
        "select table from system.detached_tables "
        "where database = {database:String} and table in ({queue:String}, {feed:String})",
        names,
    ).result_rows:
        attach(client, f"{database}.{identifier(detached)} {cluster}")
    rows = client.query(
        "select name, comment from system.tables "
        "where database = {database:String} and name in ({queue:String}, {feed:String})",
        names,
    ).result_rows
    there = {str(table): str(comment) for table, comment in rows}
    if there.get(names["queue"]) == mark and names["feed"] in there:
        return None
    _run(client, f"drop view if exists {database}.{names['feed']} {cluster}", file)
    _run(client, f"drop table if exists {database}.{names['queue']} {cluster}", file)
    _run(client, f"{queue} comment {literal(mark)}", f"{file}, {names['queue']}")
    _run(client, feed, f"{file}, {names['feed']}")
    return Applied(file, -1, time.monotonic() - started)


def _await_topics(settings: SinkSettings, migrations: Sequence[Migration], seconds: float) -> None:
    """A Kafka table made before its topic would wait minutes for the topic's metadata."""
    if settings.clickhouse_cluster is not None:
        return
    pattern = re.compile(r"\{\{topic:([A-Z_]+)\}\}")
    wanted = {
        str(getattr(topics, name))
        for migration in migrations
        for pipe in migration.pipes.values()
        for name in pattern.findall(pipe)
    }
    if not wanted:
        return
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
    deadline = time.monotonic() + seconds
    while True:
        try:
            missing = wanted - set(admin.list_topics(timeout=5).topics)
        except KafkaException as error:
            if time.monotonic() < deadline:
                continue
            raise MigrationError(
                f"Kafka does not answer at {settings.kafka_bootstrap}: start the broker, then run weir migrate."
            ) from error
        if not missing:
            return
        if time.monotonic() >= deadline:
            raise MigrationError(
                f"The topics {', '.join(sorted(missing))} do not exist at {settings.kafka_bootstrap}: "
                "run weir topics, then weir migrate."
            )
        time.sleep(0.2)


def _run(client: Client, sql: str, what: str) -> None:
    try:
        client.command(sql)
    except ClickHouseError as error:
        raise MigrationError(f"{what} failed: {error}. Nothing is lost; run weir migrate again.") from error
