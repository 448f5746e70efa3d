"""The pipes: the Kafka tables and the one view that empties each. Not history but configuration: the newest definition
stands, and is laid anew whenever it, or the broker's address, has changed.
"""

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas import topics
from sinks.client import attach
from sinks.errors import MigrationError
from sinks.migration_files import Migration
from sinks.rendering import database_of, render
from sinks.settings import SinkSettings
from sinks.sql_text import identifier, literal


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe as this ClickHouse should have it. ``file`` is the migration it is defined in, ``statements`` lay it."""

    name: str
    file: str
    mark: str
    database: str
    on_cluster: str
    statements: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, str]:
        """The Kafka table and the view."""
        return f"{self.name}_queue", f"{self.name}_feed"


def pipe_of(name: str, definition: tuple[str, str, str], settings: SinkSettings, *, on_cluster: bool = True) -> Pipe:
    """The pipe ``name`` from its file and the texts of its table and its view."""
    file = definition[0]
    queue, feed = (render(text, settings, on_cluster=on_cluster) for text in definition[1:])
    # The table itself carries what it was made from, so that no record of it can be wrong.
    mark = "weir:" + hashlib.sha256(f"{queue}\n{feed}".encode()).hexdigest()
    database = database_of(f"{name}_queue", settings, reading=False)
    told = f" on cluster {identifier(settings.consumers)}" if settings.consumers and on_cluster else ""
    place = identifier(database)
    return Pipe(
        name,
        file,
        mark,
        database,
        told,
        (
            f"drop view if exists {place}.{name}_feed{told}",
            f"drop table if exists {place}.{name}_queue{told}",
            f"{queue} comment {literal(mark)}",
            feed,
        ),
    )


def is_laid(client: Client, pipe: Pipe) -> bool:
    """Whether the pipe is what its definition says, and takes rows or is only taken off for the moment."""
    rows = client.query(
        "select name, comment from system.tables where database = {database:String} and name in {parts:Array(String)}",
        {"database": pipe.database, "parts": list(pipe.parts)},
    ).result_rows
    there = {str(table): str(comment) for table, comment in rows}
    return there.get(pipe.parts[0]) == pipe.mark and pipe.parts[1] in there


def put_on(client: Client, pipe: Pipe) -> None:
    """Attach what was taken off. Safe to repeat."""
    for (detached,) in client.query(
        "select table from system.detached_tables "
        "where database = {database:String} and table in {parts:Array(String)}",
        {"database": pipe.database, "parts": list(pipe.parts)},
    ).result_rows:
        attach(client, f"{identifier(pipe.database)}.{identifier(detached)}{pipe.on_cluster}")


@contextmanager
def paused(client: Client, pipes: Sequence[Pipe]) -> Iterator[None]:
    """No row comes in by these pipes within the block; one that was on its way has arrived. Messages wait in Kafka."""
    for pipe in pipes:
        put_on(client, pipe)
    try:
        for pipe in pipes:
            name = f"{identifier(pipe.database)}.{identifier(pipe.parts[0])}"
            client.command(f"detach table if exists {name}{pipe.on_cluster}")
        yield
    finally:
        for pipe in pipes:
            put_on(client, pipe)


def await_topics(settings: SinkSettings, migrations: Sequence[Migration], seconds: float) -> None:
    """Return when the topics of all pipes exist: a Kafka table made before its topic would wait minutes for the topic's
    metadata. On a cluster, whose nodes know their shards, nothing is waited for.

    :raises MigrationError: they do not after ``seconds``, or Kafka does not answer.
    """
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
