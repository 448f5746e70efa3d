"""A dump goes from one kind of database to the other and back."""

from datetime import UTC
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from control.clients import authenticate, create_client
from control.database import migrate, open_database
from control.dump import dump, load
from control.erasures import begin_erasure, finish
from control.models import Project
from control.projects import create_organization, create_project
from schemas.control import ClientType
from tests.integration.control.postgres import binaries, running_postgres

pytestmark = pytest.mark.integration


def test_from_sqlite_to_postgresql_and_back(tmp_path: Path) -> None:
    one = open_database(f"sqlite:///{tmp_path / 'one.db'}")
    migrate(one)
    with Session(one) as session:
        create_organization(session, "acme", "Acme")
        create_project(session, "acme", "shop", "Shop", origins=["https://shop.example"])
        made = create_client(session, "acme", ClientType.WRITE, project_id="shop")
        row = begin_erasure(session, "shop", "ann", (["ann", "a-n-n"], ["phone"]), "listed", 5)
        finish(row, {"events": 3}, {"erasure": 7, "ends": [1, 2]})
        session.commit()
        client_id, secret = made.client_id, made.client_secret
        created = session.get_one(Project, "shop").created_at.replace(tzinfo=UTC)
    lines = list(dump(one))
    folder = binaries()
    if folder is None:
        pytest.fail("no PostgreSQL server is installed on this machine (Debian: apt install postgresql)")
    with running_postgres(folder) as url:
        postgres = open_database(url)
        migrate(postgres)
        load(postgres, lines)
        with Session(postgres) as session:
            assert authenticate(session, client_id, secret) is not None
            [project] = session.scalars(select(Project))
            assert project.created_at.astimezone(UTC) == created
        back = list(dump(postgres))
        postgres.dispose()
    assert sorted(back) == sorted(lines)
    two = open_database(f"sqlite:///{tmp_path / 'two.db'}")
    migrate(two)
    load(two, back)
    assert list(dump(two)) == lines
