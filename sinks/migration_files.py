"""Migrations as files: numbered, never changed once released, taken apart into statements.

A file is statements, each ended by a semicolon. A line of its own says more of what follows it:

``-- pipe``
    The next statement is a Kafka table (`…_queue`) or the one view that empties it (`…_feed`): not history but
    configuration, of which the newest definition stands.
``-- paused: events sessions``
    Up to ``-- resumed`` nothing comes in from these topics' tables: what must not miss or double a row, such as a
    rollup's view that is replaced and filled from its table. Together such statements are done whole or, after a
    break, again from the first: begin with one that makes room (``truncate table if exists …``).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from sinks.errors import MigrationError
from sinks.sql_text import statements

_FILE = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
_MARK = re.compile(r"^(?=-- (?:pipe|resumed|paused: [a-z_ ]+)$)", re.MULTILINE)
_PAUSED = re.compile(r"-- paused: ([a-z_ ]+)$", re.MULTILINE)
_PIPE = re.compile(r"create (?:table|materialized view) if not exists \{\{database\}\}\.([a-z_]+)_(queue|feed)\b")


@dataclass(frozen=True, slots=True)
class Step:
    """A statement as written, and the pipes that are off while it is done."""

    sql: str
    paused: tuple[str, ...] = ()
    section: int = -1
    """The number of the first step of its paused section; −1 outside of one."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered file: its statements as written, apart from the pipes among them."""

    file: str
    checksum: str
    statements: tuple[Step, ...]
    pipes: Mapping[str, str]

    @property
    def steps(self) -> tuple[str, ...]:
        """The texts of the statements."""
        return tuple(step.sql for step in self.statements)


def read_migrations(folder: Traversable | None = None) -> list[Migration]:
    """The migrations of this version, in order.

    :raises MigrationError: a file's name or number is wrong, or a mark in it.
    """
    place = folder if folder is not None else files("sinks").joinpath("migrations")
    found = sorted((entry for entry in place.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    for number, entry in enumerate(found, 1):
        if not _FILE.fullmatch(entry.name) or int(entry.name[:4]) != number:
            raise MigrationError(f"{entry.name} should be a migration with the number {number:04d}.")
    return [_read(entry) for entry in found]


def newest_pipes(migrations: list[Migration]) -> dict[str, tuple[str, str, str]]:
    """Per pipe: the file with its newest definition, the Kafka table and the view that empties it."""
    newest: dict[str, tuple[str, str]] = {}
    for migration in migrations:
        newest.update({name: (migration.file, text) for name, text in migration.pipes.items()})
    names = [name.removesuffix("_queue") for name in newest if name.endswith("_queue")]
    return {name: (max(newest[f"{name}_queue"][0], newest[f"{name}_feed"][0]), *_texts(newest, name)) for name in names}


def _texts(newest: Mapping[str, tuple[str, str]], name: str) -> tuple[str, str]:
    return newest[f"{name}_queue"][1], newest[f"{name}_feed"][1]


def _read(entry: Traversable) -> Migration:
    text = entry.read_text(encoding="utf-8")
    steps: list[Step] = []
    pipes: dict[str, str] = {}
    paused: tuple[str, ...] = ()
    section = -1
    for part in _MARK.split(text):
        found = statements(part)
        if part.startswith("-- pipe"):
            named = _PIPE.match(found[0]) if found else None
            if named is None:
                raise MigrationError(f"{entry.name}: a pipe must create a _queue table or a _feed view.")
            pipes[f"{named.group(1)}_{named.group(2)}"] = found[0]
            found = found[1:]
        elif named := _PAUSED.match(part):
            paused, section = tuple(named.group(1).split()), len(steps)
        elif part.startswith("-- resumed"):
            paused, section = (), -1
        steps.extend(Step(sql, paused, section) for sql in found)
    return Migration(entry.name, hashlib.sha256(text.encode()).hexdigest(), tuple(steps), pipes)
