"""Opening and migrating the control database: SQLite locally, PostgreSQL in production."""

from pathlib import Path
from sqlite3 import Connection as SqliteConnection

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

MIGRATIONS = Path(__file__).with_name("migrations")


def open_database(url: str) -> Engine:
    """An engine for the SQLAlchemy URL; nothing is connected yet. Safe to share between threads.

    Use it with ``sqlalchemy.orm.Session(engine)``, one session per unit of work.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": 10})
    event.listen(engine, "connect", _configure_sqlite)
    return engine


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to a revision, the newest by default. Safe to repeat; one process at a time."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _configure_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    if not isinstance(connection, SqliteConnection):
        return
    cursor = connection.cursor()
    cursor.execute("pragma foreign_keys = on")
    cursor.execute("pragma journal_mode = wal")
    # Salts that are deleted must be gone from the file too, not only from the table.
    cursor.execute("pragma secure_delete = on")
    cursor.close()
