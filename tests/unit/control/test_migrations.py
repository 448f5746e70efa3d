"""The migrated schema is the declared one, and migrating twice changes nothing."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from control.database import migrate, open_database
from control.models import Base


def test_migrations_make_what_is_declared_and_repeat_harmlessly(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/deep/control.db")
    for _ in range(2):
        migrate(engine)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []
    assert set(Base.metadata.tables) < set(inspect(engine).get_table_names())
    engine.dispose()
