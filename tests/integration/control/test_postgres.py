"""Control data on a real PostgreSQL, as in production: the same schema, the same rules, the same records."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import TypeAdapter
from sqlalchemy import Engine, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from control.clients import authenticate, create_client, delete_client, replace_secret
from control.database import migrate, open_database
from control.epochs import register_topics
from control.errors import ConflictError
from control.models import Base, Client, DatabaseIdentity, Project, Salt
from control.projects import change_project, create_organization, create_project, delete_project
from control.publish import Publisher
from control.salts import rotate_salts
from control.topic import log_records, read_published
from schemas.control import ClientType, ControlRecord, LogRecord, ProjectRecord
from schemas.topics import CONTROL
from tests.broker import Broker
from tests.integration.control.postgres import binaries, running_postgres

pytestmark = pytest.mark.integration

RECORD: TypeAdapter[ControlRecord] = TypeAdapter(ControlRecord)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT_NOON = NOON.timestamp()


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    folder = binaries()
    if folder is None:
        pytest.fail("no PostgreSQL server is installed on this machine (Debian: apt install postgresql)")
    with running_postgres(folder) as url:
        yield url


@pytest.fixture
def engine(postgres: str) -> Iterator[Engine]:
    """A migrated database, empty but for its identity."""
    opened = open_database(postgres)
    migrate(opened)
    with opened.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name != DatabaseIdentity.__tablename__:
                connection.execute(table.delete())
    yield opened
    opened.dispose()


@pytest.fixture
def shop(engine: Engine) -> Engine:
    with Session(engine) as session:
        create_organization(session, "acme", "Acme")
        create_project(session, "acme", "shop", "Shop «ü»", origins=["https://shop.example", "*.shop.example"])
        session.commit()
    return engine


def test_migrations_make_what_is_declared_and_repeat_harmlessly(engine: Engine) -> None:
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert set(Base.metadata.tables) < set(inspect(engine).get_table_names())


def test_clients_are_made_known_renewed_and_revoked(shop: Engine) -> None:
    with Session(shop) as session:
        made = create_client(session, "acme", ClientType.READ, project_id="shop")
        root = create_client(session, "acme", ClientType.ROOT, project_id=None)
        session.commit()
    with Session(shop) as session:
        found = authenticate(session, made.client_id, made.client_secret)
        assert found is not None
        assert found.created_at.tzinfo is not None
        assert authenticate(session, root.client_id, made.client_secret) is None
        renewed = replace_secret(session, made.client_id)
        session.commit()
        assert authenticate(session, made.client_id, made.client_secret) is None
        assert authenticate(session, made.client_id, renewed.client_secret) is not None
        delete_client(session, root.client_id)
        delete_project(session, "shop")
        session.commit()
        assert session.query(Client).count() == session.query(Project).count() == 0


def test_a_root_client_with_a_project_is_refused_by_the_database(shop: Engine) -> None:
    with Session(shop) as session:
        session.add(Client(id="x", organization_id="acme", project_id="shop", type=ClientType.ROOT.value))
        with pytest.raises(DBAPIError, match='"ck_clients_root_has_no_project"'):
            session.flush()


def test_processes_that_start_at_once_agree_on_salts_and_epochs(shop: Engine) -> None:
    together = threading.Barrier(4)
    found: list[dict[str, LogRecord]] = []

    def start(number: int) -> None:
        ids = {f"topic-{n}": f"id-{n}" for n in range(5)}
        with Session(shop) as session:
            together.wait(30)
            found.append(register_topics(session, ids, {}, lambda: AT_NOON + number))
            rotate_salts(session, NOON)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    assert all(records == found[0] for records in found)
    with Session(shop) as session:
        assert {salt.day for salt in session.query(Salt)} == {"2026-03-01", "2026-03-02"}


def test_of_two_that_name_a_site_at_once_one_has_it(shop: Engine) -> None:
    """Neither sees the other's rows before it commits, and a star is not the row of a host below it."""
    refused: list[str] = []

    def claim() -> None:
        with Session(shop) as session:
            try:
                change_project(session, "theirs", {"origins": ["https://my.blog.example"]})
                session.commit()
            except ConflictError as error:
                refused.append(str(error))

    with Session(shop) as session:
        create_organization(session, "others", "Others")
        create_project(session, "others", "theirs", "Theirs")
        session.commit()
        change_project(session, "shop", {"origins": ["*.blog.example"]})
        other = threading.Thread(target=claim)
        other.start()
        other.join(0.3)
        assert other.is_alive()
        session.commit()
    other.join(30)
    assert len(refused) == 1
    assert "my.blog.example belongs" in refused[0]


def test_the_topic_says_what_the_database_says(own_broker: Broker, shop: Engine) -> None:
    own_broker.create_topic_named(CONTROL, config={"cleanup.policy": "compact"})
    # Beyond what 31 bits hold: epochs are Unix seconds, and the database must not be what ends in 2038.
    with Session(shop) as session:
        register_topics(session, {"weir.raw": "abc"}, {}, lambda: 2**31 + 5)
        rotate_salts(session, NOON)
        made = create_client(session, "acme", ClientType.WRITE, project_id="shop")
        session.commit()
    publisher = Publisher(shop, own_broker.bootstrap)
    assert publisher.publish() == 6
    assert publisher.publish() == 0
    published = read_published(own_broker.bootstrap)
    assert set(published) == {
        "project/shop",
        f"client/{made.client_id}",
        "salt/2026-03-01",
        "salt/2026-03-02",
        "log/weir.raw",
        "database/owner",
    }
    project = RECORD.validate_json(published["project/shop"])
    assert isinstance(project, ProjectRecord)
    assert (project.name, project.origins) == ("Shop «ü»", ("https://shop.example", "*.shop.example"))
    assert log_records(published)["weir.raw"].epoch == 2**31 + 5

    with Session(shop) as session:
        delete_client(session, made.client_id)
        session.commit()
    assert Publisher(shop, own_broker.bootstrap).publish() == 1
