"""Clients: secrets are never stored, and what a client may read."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from control.clients import (
    authenticate,
    create_client,
    delete_client,
    hash_secret,
    may_read,
    new_secret,
    replace_secret,
    secret_matches,
)
from control.database import migrate, open_database
from control.errors import ConflictError, InvalidIdError, NotFoundError
from control.models import Client
from control.projects import create_organization, create_project, delete_project
from schemas.control import ClientType


@pytest.fixture
def session() -> Iterator[Session]:
    engine = open_database("sqlite://")
    migrate(engine)
    with Session(engine) as opened:
        create_organization(opened, "acme", "Acme")
        create_organization(opened, "other", "Other")
        create_project(opened, "acme", "shop", "Shop")
        create_project(opened, "acme", "blog", "Blog")
        create_project(opened, "other", "elsewhere", "Elsewhere")
        yield opened
    engine.dispose()


@pytest.mark.parametrize("project_id", ["", "x" * 65, "a b", "a/b", "a.b", "ä", "shop\n"])
def test_a_project_id_is_plain(session: Session, project_id: str) -> None:
    with pytest.raises(InvalidIdError, match="1 to 64 letters"):
        create_project(session, "acme", project_id, "Shop")
    create_project(session, "acme", "Shop_2-" + "x" * 57, "Shop")


def test_a_secret_is_long_random_and_stored_only_as_a_hash(session: Session) -> None:
    made = create_client(session, "acme", ClientType.WRITE, project_id="shop", name="web")
    assert made.client_secret.startswith("sec_")
    assert len(made.client_secret) == 44
    assert int(made.client_secret[4:], 16) >= 0
    row = session.scalars(select(Client)).one()
    assert row.secret_hash == hash_secret(made.client_secret)
    assert made.client_secret not in repr(vars(row))


@given(st.text())
def test_only_the_secret_itself_matches(other: str) -> None:
    secret = new_secret()
    assert secret_matches(secret, hash_secret(secret))
    assert secret_matches(other, hash_secret(secret)) == (other == secret)
    assert not secret_matches(other, None)


def test_authentication_tells_neither_id_nor_secret_is_wrong(session: Session) -> None:
    made = create_client(session, "acme", ClientType.READ, project_id="shop")
    found = authenticate(session, made.client_id, made.client_secret)
    assert found is not None
    assert found.id == made.client_id
    assert authenticate(session, made.client_id, "sec_wrong") is None
    assert authenticate(session, "nobody", made.client_secret) is None
    replaced = replace_secret(session, made.client_id)
    assert authenticate(session, made.client_id, made.client_secret) is None
    assert authenticate(session, made.client_id, replaced.client_secret) is not None
    delete_client(session, made.client_id)
    assert authenticate(session, made.client_id, replaced.client_secret) is None


@pytest.mark.parametrize(
    ("client_type", "project", "readable"),
    [
        (ClientType.WRITE, "shop", set()),
        (ClientType.READ, "shop", {"shop"}),
        (ClientType.ROOT, None, {"shop", "blog"}),
    ],
)
def test_who_may_read_what(session: Session, client_type: ClientType, project: str | None, readable: set[str]) -> None:
    made = create_client(session, "acme", client_type, project_id=project)
    client = authenticate(session, made.client_id, made.client_secret)
    assert client is not None
    asked = ("shop", "blog", "elsewhere", "missing")
    assert {name for name in asked if may_read(session, client, name)} == readable


def test_a_client_belongs_where_its_type_says(session: Session) -> None:
    with pytest.raises(ValueError, match="root client has no project"):
        create_client(session, "acme", ClientType.ROOT, project_id="shop")
    with pytest.raises(ValueError, match="every other client"):
        create_client(session, "acme", ClientType.READ, project_id=None)
    with pytest.raises(NotFoundError):
        create_client(session, "acme", ClientType.READ, project_id="elsewhere")
    session.add(Client(id="x", organization_id="acme", project_id=None, type="read"))
    with pytest.raises(IntegrityError):
        session.flush()


def test_projects_are_unique_and_go_with_their_clients(session: Session) -> None:
    create_client(session, "acme", ClientType.READ, project_id="shop")
    with pytest.raises(ConflictError):
        create_project(session, "acme", "shop", "Again")
    delete_project(session, "shop")
    assert session.scalars(select(Client)).all() == []
    with pytest.raises(NotFoundError):
        delete_project(session, "shop")
