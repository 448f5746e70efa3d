"""The control database as lines, and back."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from control.database import migrate, open_database
from control.dump import DumpError, dump, load
from control.erasures import begin_erasure
from control.models import Client, DatabaseIdentity, Erasure, Project, Salt
from control.projects import create_organization, create_project
from control.salts import rotate_salts


def test_everything_but_salts_comes_back(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'one.db'}")
    migrate(engine)
    with Session(engine) as session:
        create_organization(session, "acme", "Acme")
        create_project(session, "acme", "shop", "Shop", origins=["https://shop.example"])
        session.add(Client(id="c", organization_id="acme", project_id="shop", type="write", secret_hash="h"))
        begin_erasure(session, "shop", "ann", (["ann"], ["phone"]), "listed", 5)
        rotate_salts(session, datetime.now(UTC))
        session.commit()
        identity = session.scalars(select(DatabaseIdentity.id)).one()
        created = session.get_one(Project, "shop").created_at
    lines = list(dump(engine))
    assert b"salt" not in b"".join(lines)
    other = open_database(f"sqlite:///{tmp_path / 'two.db'}")
    migrate(other)
    with Session(other) as session:
        create_organization(session, "else", "Else")
        create_project(session, "else", "gone", "Gone")
        rotate_salts(session, datetime.now(UTC))
        session.commit()
    assert load(other, lines) == load(other, lines) == len(lines) - 1
    with Session(other) as session:
        assert session.scalars(select(DatabaseIdentity.id)).all() == [identity]
        [project] = session.scalars(select(Project))
        assert (project.id, project.origins, project.created_at) == ("shop", ["https://shop.example"], created)
        [client] = session.scalars(select(Client))
        assert (client.id, client.secret_hash) == ("c", "h")
        [erasure] = session.scalars(select(Erasure))
        assert (erasure.profile_ids, erasure.device_ids) == (["ann"], ["phone"])
        assert len(session.scalars(select(Salt)).all()) == 2
    # The same lines, wherever they come from.
    assert list(dump(other)) == lines


def test_a_dump_of_an_older_schema_is_brought_to_this_one(tmp_path: Path) -> None:
    old = open_database(f"sqlite:///{tmp_path / 'old.db'}")
    migrate(old, "0002")
    lines = [
        *dump(old),
        b'{"table":"organizations","row":{"id":"a","name":"A","created_at":"2026-01-01T00:00:00+00:00"}}\n',
    ]
    new = open_database(f"sqlite:///{tmp_path / 'new.db'}")
    migrate(new)
    load(new, lines)
    with Session(new) as session:
        # One that had no identity gets one.
        assert len(session.scalars(select(DatabaseIdentity.id)).all()) == 1


@pytest.mark.parametrize(
    "lines", [[], [b"{}"], [b"no"], [b'{"revision":"9999"}']], ids=["none", "object", "text", "newer"]
)
def test_what_is_no_dump_changes_nothing(tmp_path: Path, lines: list[bytes]) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'one.db'}")
    migrate(engine)
    before = list(dump(engine))
    with pytest.raises(DumpError):
        load(engine, lines)
    assert list(dump(engine)) == before


@pytest.mark.parametrize(
    "row",
    [
        b'{"table":"clien',
        b'{"table":"nope","row":{}}',
        b'{"table":"projects","row":{"nope":1}}',
        b'{"table":"projects","row":5}',
        b'{"table":"clients","row":{"id":"x"}}',
        b'{"table":"organizations","row":{"id":"a","name":"A","created_at":"yesterday"}}',
        b"[]",
    ],
    ids=["cut", "table", "column", "number", "incomplete", "time", "array"],
)
def test_a_dump_with_a_line_that_is_no_row_changes_nothing(tmp_path: Path, row: bytes) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'one.db'}")
    migrate(engine)
    before = list(dump(engine))
    with pytest.raises(DumpError, match=f"Line {len(before) + 1}"):
        load(engine, [*before, row])
    assert list(dump(engine)) == before
