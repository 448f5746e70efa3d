"""What can be set of a project and its clients, and what is told to gateways and workers of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from control.clients import create_client, limit_client, list_clients
from control.database import migrate, open_database
from control.errors import ConflictError, InvalidChangeError, NotFoundError
from control.filters import add_filter, list_filters, remove_filter
from control.models import SiteName
from control.projects import (
    change_project,
    create_organization,
    create_project,
    delete_project,
    get_project,
    list_projects,
)
from control.publish import records
from control.records import client_record, project_record
from schemas.control import BotPolicy, ClientRecord, ClientType, ProjectRecord, RateLimit
from schemas.filters import MAX_FILTERS, FilterRecord


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    engine = open_database(f"sqlite:///{tmp_path}/control.db")
    migrate(engine)
    with Session(engine) as opened:
        create_organization(opened, "acme", "Acme")
        create_project(opened, "acme", "shop", "Shop")
        opened.commit()
        yield opened
    engine.dispose()


def published(session: Session) -> ProjectRecord:
    session.commit()
    (found,) = [record for record in records(session) if isinstance(record, ProjectRecord)]
    return found


def test_a_new_project_has_the_defaults_of_its_record(session: Session) -> None:
    # But for one: a record that does not say how long is of a project that keeps its rows for as long as can be.
    made = published(session)
    assert made == ProjectRecord(id="shop", organization_id="acme", name="Shop", retention_days=90)
    assert [project.id for project in list_projects(session)] == ["shop"]


def test_what_is_set_is_published(session: Session) -> None:
    changes = {
        "bot_policy": "flag",
        "client_rate": 50.5,
        "client_burst": 200,
        "ip_rate": 5.0,
        "monthly_events": 1_000_000,
        "anonymize_ip": True,
        "timezone": "Europe/Zurich",
        "currency": "CHF",
        "origins": ["https://shop.example"],
    }
    change_project(session, "shop", changes)
    record = published(session)
    assert (record.bot_policy, record.anonymize_ip, record.monthly_events) == (BotPolicy.FLAG, True, 1_000_000)
    assert record.client_limit == RateLimit(per_second=50.5, burst=200)
    assert record.ip_limit == RateLimit(per_second=5)
    assert (record.timezone, record.currency, record.origins) == ("Europe/Zurich", "CHF", ("https://shop.example",))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention_days", 401),
        ("client_rate", -1.0),
        ("client_rate", float("inf")),
        ("ip_burst", -1),
        ("monthly_events", -5),
        ("week_start", 8),
        ("timezone", "Mars/Olympus"),
        ("currency", "Euro"),
    ],
)
def test_what_cannot_be_is_told_and_changes_nothing(session: Session, name: str, value: object) -> None:
    before = published(session)
    with pytest.raises(InvalidChangeError, match=r"cannot be that|is no"):
        change_project(session, "shop", {"name": "Other", name: value})
    assert project_record(get_project(session, "shop")) == before


def test_filters_come_and_go_in_one_spelling(session: Session) -> None:
    assert add_filter(session, "shop", "ip", "81.2.69.9/24") == FilterRecord(kind="ip", value="81.2.69.0/24")
    add_filter(session, "shop", "country", "ch")
    assert published(session).filters == tuple(list_filters(session, "shop"))
    with pytest.raises(ConflictError):
        add_filter(session, "shop", "ip", "81.2.69.0/24")
    with pytest.raises(InvalidChangeError, match="neither an address"):
        add_filter(session, "shop", "ip", "shop.example")
    remove_filter(session, "shop", "ip", "81.2.69.1/24")
    with pytest.raises(NotFoundError):
        remove_filter(session, "shop", "ip", "81.2.69.0/24")
    assert published(session).filters == (FilterRecord(kind="country", value="CH"),)
    with pytest.raises(NotFoundError):
        add_filter(session, "gone", "country", "CH")


def test_filters_are_bounded(session: Session) -> None:
    get_project(session, "shop").filters = [{"kind": "path", "value": f"/{number}"} for number in range(MAX_FILTERS)]
    with pytest.raises(InvalidChangeError, match="at most"):
        add_filter(session, "shop", "path", "/more")


def test_a_client_may_have_a_limit_of_its_own(session: Session) -> None:
    made = create_client(session, "acme", ClientType.WRITE, project_id="shop")
    create_client(session, "acme", ClientType.ROOT, project_id=None)
    client = limit_client(session, made.client_id, 5.0, 20)
    assert client_record(client).limit == RateLimit(per_second=5, burst=20)
    assert any(isinstance(record, ClientRecord) and record.limit for record in records(session))
    assert client_record(limit_client(session, made.client_id, 0.0, None)).limit == RateLimit()
    assert client_record(limit_client(session, made.client_id, None, None)).limit is None
    with pytest.raises(InvalidChangeError):
        limit_client(session, made.client_id, -1.0, None)
    assert len(list_clients(session)) == 2
    assert [client.id for client in list_clients(session, "shop")] == [made.client_id]


@pytest.mark.parametrize(
    "entry", ["not an origin", "", "https://", "https://shop.example/path", "shop.*", "*.*.example"]
)
def test_what_can_never_be_an_origin_is_refused(session: Session, entry: str) -> None:
    with pytest.raises(InvalidChangeError, match="is no origin"):
        change_project(session, "shop", {"origins": [entry]})


@pytest.mark.parametrize(
    "entry",
    ["*", "https://shop.example", "https://shop.example/", "*.shop.example", "shop.example:8080", "http://localhost:*"],
)
def test_origins_of_every_form_are_taken(session: Session, entry: str) -> None:
    change_project(session, "shop", {"origins": [entry]})
    assert published(session).origins == (entry,)


def test_nobody_names_another_organisations_site(session: Session) -> None:
    create_organization(session, "others", "Others")
    create_project(session, "others", "theirs", "Theirs", origins=["https://shop.example", "*.blog.example"])
    session.commit()
    for entry in ("http://www.shop.example:8080", "a.blog.example", "*.a.blog.example", "*.blog.example"):
        with pytest.raises(ConflictError, match="another organisation"):
            change_project(session, "shop", {"origins": [entry]})
        session.rollback()
        with pytest.raises(ConflictError, match="another organisation"):
            create_project(session, "acme", "second", "Second", origins=[entry])
        session.rollback()
    change_project(session, "shop", {"origins": ["https://a.shop.example", "*.com", "http://localhost:*", "*"]})
    with pytest.raises(ConflictError, match=r"\*.shop.example belongs"):
        change_project(session, "theirs", {"origins": ["*.shop.example"]})


def test_a_name_that_is_given_back_is_free(session: Session) -> None:
    create_organization(session, "others", "Others")
    create_project(session, "acme", "second", "Second", origins=["https://shop.example"])
    create_project(session, "others", "theirs", "Theirs")
    change_project(session, "shop", {"origins": ["https://shop.example", "https://blog.example"]})
    change_project(session, "second", {"origins": []})
    session.commit()
    with pytest.raises(ConflictError):
        change_project(session, "theirs", {"origins": ["https://shop.example"]})
    session.rollback()
    delete_project(session, "shop")
    change_project(session, "theirs", {"origins": ["https://shop.example", "https://blog.example"]})
    session.commit()


def test_names_that_come_at_the_same_time_go_to_one(session: Session) -> None:
    """Whatever two see before they write, the database keeps one owner of a name."""
    create_organization(session, "others", "Others")
    session.add(SiteName(name="shop.example", organization_id="others"))
    session.flush()
    session.add(SiteName(name="shop.example", organization_id="acme"))
    with pytest.raises(IntegrityError):
        session.flush()
