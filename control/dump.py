"""The control database as lines of JSON, of any database it may lie in, and back into any other.

Salts are not part of it: they are destroyed after a day so that devices cannot be traced back, and a copy would outlive
that. Whoever reads the dump back gets new ones.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from alembic.runtime.migration import MigrationContext
from sqlalchemy import JSON, Connection, DateTime, Engine, MetaData, Table, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from control.database import migrate, open_database
from control.errors import ControlError

_LEFT_OUT = frozenset({"salts", "alembic_version"})
_PORTION = 500


class DumpError(ControlError):
    """A dump of the control database cannot be read back."""


def dump(engine: Engine) -> Iterator[bytes]:
    """The lines: first the schema's revision, then every row, all as they were at one moment.

    :raises sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
    """
    with _snapshot(engine) as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
        yield orjson.dumps({"revision": revision}) + b"\n"
        for table in _tables(connection):
            for row in connection.execute(select(table)).mappings():
                yield orjson.dumps({"table": str(table.name), "row": _row(row)}) + b"\n"


def load(engine: Engine, lines: Iterable[bytes]) -> int:
    """Replace everything in a migrated database by what a dump says, all at once; how many rows. A dump of an older
    schema is brought to this one's.

    :raises DumpError: it is no dump, or of a newer schema.
    """
    with tempfile.TemporaryDirectory() as folder:
        aside = open_database(f"sqlite:///{Path(folder) / 'control.db'}")
        try:
            _fill(aside, iter(lines))
            with aside.connect() as source, engine.begin() as target:
                return _copy(source, target)
        finally:
            aside.dispose()


def _fill(engine: Engine, lines: Iterator[bytes]) -> None:
    """Make a database of the dump's own schema, put its rows in, and bring it to today's."""
    try:
        revision = orjson.loads(next(lines))["revision"]
        migrate(engine, revision)
    except (StopIteration, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise DumpError("This is no dump of a control database.") from error
    except Exception as error:
        raise DumpError(f"The dump is of another version of Weir ({error}): read it back with that one.") from error
    with engine.begin() as connection:
        tables = {table.name: table for table in _tables(connection)}
        for table in reversed(tables.values()):
            connection.execute(delete(table))
        for number, line in enumerate(lines, 2):
            try:
                entry = orjson.loads(line)
                table = tables[entry["table"]]
                connection.execute(insert(table), [_typed(table, entry["row"])])
            except (ValueError, KeyError, TypeError, AttributeError, SQLAlchemyError) as error:
                raise DumpError(
                    f"Line {number} of the dump is no row of a control database: nothing was read."
                ) from error
    migrate(engine)


def _copy(source: Connection, target: Connection) -> int:
    count = 0
    tables = {table.name: table for table in _tables(target)}
    for table in reversed(tables.values()):
        target.execute(delete(table))
    for table in _tables(source):
        rows = [_typed(tables[table.name], _row(row)) for row in source.execute(select(table)).mappings()]
        for start in range(0, len(rows), _PORTION):
            target.execute(insert(tables[table.name]), rows[start : start + _PORTION])
        count += len(rows)
    return count


def _tables(connection: Connection) -> list[Table]:
    """The tables as the database has them, those that others refer to first."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name not in _LEFT_OUT]


def _snapshot(engine: Engine) -> Connection:
    """A connection that sees one moment."""
    if engine.dialect.name != "sqlite":
        return engine.connect().execution_options(isolation_level="REPEATABLE READ")
    connection = engine.connect()
    connection.exec_driver_sql("begin")
    return connection


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    # The names that a database gives are texts of a kind of their own.
    return {str(name): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return value


def _typed(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    typed = {}
    for name, value in row.items():
        column = table.columns[name]
        if value is not None and isinstance(column.type, DateTime) and isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif value is not None and isinstance(column.type, JSON) and isinstance(value, str):
            value = orjson.loads(value)
        typed[name] = value
    return typed
