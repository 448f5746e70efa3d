"""The migrated schema is the declared one, and migrating twice changes nothing."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session

from control.database import migrate, open_database
from control.models import Base, DatabaseIdentity


def test_migrations_make_what_is_declared_and_repeat_harmlessly(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/deep/control.db")
    for _ in range(2):
        migrate(engine)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []
    assert set(Base.metadata.tables) < set(inspect(engine).get_table_names())
    engine.dispose()


def test_names_that_are_taken_already_stay_with_the_oldest_project(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/control.db")
    migrate(engine, "0002")
    with engine.begin() as connection:
        for number, (organization, origins) in enumerate(
            [("b", '["https://shop.example", "*"]'), ("a", '["*.shop.example", "http://shop.example"]'), ("b", "[]")]
        ):
            made = {"at": f"2026-01-0{number + 1} 00:00:00", "organization": organization, "origins": origins}
            connection.execute(
                text("insert or ignore into organizations (id, name, created_at) values (:organization, '', :at)"), made
            )
            connection.execute(
                text(
                    "insert into projects (id, organization_id, name, origins, timezone, week_start, retention_days, "
                    "currency, created_at) values (:id, :organization, '', :origins, 'UTC', 1, 400, 'EUR', :at)"
                ),
                {**made, "id": f"p{number}"},
            )
    migrate(engine)
    with engine.connect() as connection:
        owners = connection.execute(text("select name, organization_id from site_names order by name")).all()
    assert [tuple(row) for row in owners] == [("*.shop.example", "a"), ("shop.example", "b")]
    engine.dispose()


def test_every_database_has_an_id_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        engine = open_database(f"sqlite:///{tmp_path}/{name}.db")
        migrate(engine, "0006")
        for _ in range(2):
            migrate(engine)
            with Session(engine) as session:
                found.append(session.scalars(select(DatabaseIdentity.id)).one())
        engine.dispose()
    assert found[0] == found[1] != found[2] == found[3]
