"""From the database to the topic, over a real broker."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from control.clients import create_client, delete_client
from control.database import migrate, open_database
from control.errors import OtherDatabaseError, PublishError
from control.models import Organization
from control.projects import create_organization, create_project
from control.publish import Publisher, keep_published
from control.salts import rotate_salts
from control.topic import read_published
from schemas.control import ClientRecord, ClientType, ControlRecord, ProjectRecord
from schemas.topics import CONTROL
from tests.broker import Broker
from weir.control_data import changing
from weir.errors import WeirError
from weir.prepare import control_database
from weir.settings import Settings

pytestmark = pytest.mark.integration

RECORD: TypeAdapter[ControlRecord] = TypeAdapter(ControlRecord)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def topic(own_broker: Broker) -> Broker:
    own_broker.create_topic_named(CONTROL, config={"cleanup.policy": "compact"})
    return own_broker


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    opened = open_database(f"sqlite:///{tmp_path_factory.mktemp('control')}/control.db")
    migrate(opened)
    with Session(opened) as session:
        create_organization(session, "acme", "Acme")
        create_project(session, "acme", "shop", "Shop", origins=["https://shop.example"])
        rotate_salts(session, NOON)
    yield opened
    opened.dispose()


def test_the_topic_says_what_the_database_says(topic: Broker, engine: Engine) -> None:
    with Session(engine) as session:
        made = create_client(session, "acme", ClientType.WRITE, project_id="shop")
        session.commit()
    publisher = Publisher(engine, topic.bootstrap)
    assert publisher.publish() == 5
    assert publisher.publish() == 0
    # A process that starts later repeats nothing of what is there already.
    assert Publisher(engine, topic.bootstrap).publish() == 0
    published = read_published(topic.bootstrap)
    assert set(published) == {
        "project/shop",
        f"client/{made.client_id}",
        "salt/2026-03-01",
        "salt/2026-03-02",
        "database/owner",
    }
    project = RECORD.validate_json(published["project/shop"])
    assert isinstance(project, ProjectRecord)
    assert project.origins == ("https://shop.example",)
    client = RECORD.validate_json(published[f"client/{made.client_id}"])
    assert isinstance(client, ClientRecord)
    assert made.client_secret.encode() not in b"".join(published.values())

    with Session(engine) as session:
        delete_client(session, made.client_id)
        rotate_salts(session, NOON + timedelta(days=2))
    # By a publisher that never saw them: what was deleted meanwhile is found all the same.
    assert Publisher(engine, topic.bootstrap).publish() == 4
    days = ("2026-03-02", "2026-03-03", "2026-03-04")
    assert set(read_published(topic.bootstrap)) == {
        "database/owner",
        "project/shop",
        *(f"salt/{day}" for day in days),
    }


def test_another_database_takes_the_topic_over_only_when_told_to(topic: Broker, engine: Engine, tmp_path: Path) -> None:
    mine = Publisher(engine, topic.bootstrap)
    mine.publish()
    before = read_published(topic.bootstrap)
    settings = Settings(home=tmp_path, kafka_bootstrap=topic.bootstrap, database_url=None)
    with pytest.raises(WeirError, match="belongs to another control database"), changing(settings) as session:
        create_organization(session, "others", "Others")
    with control_database(settings) as other, Session(other) as session:
        # Not even in the database that is not the one that was meant.
        assert session.get(Organization, "others") is None
        with pytest.raises(OtherDatabaseError, match="weir topics --adopt"):
            Publisher(other, topic.bootstrap).publish()
        assert read_published(topic.bootstrap) == before
        Publisher(other, topic.bootstrap, adopt=True).publish()
        taken = read_published(topic.bootstrap)
        assert set(taken) == {"database/owner"}
        assert Publisher(other, topic.bootstrap).publish() == 0
    # Who had read the topic before finds it out before it writes.
    with Session(engine) as session:
        create_project(session, "acme", "blog", "Blog")
        session.commit()
    with pytest.raises(OtherDatabaseError):
        mine.publish()
    assert read_published(topic.bootstrap) == taken


def test_the_loop_waits_out_a_broker_that_is_away(topic: Broker, engine: Engine) -> None:
    async def scenario() -> None:
        stop = asyncio.Event()
        loop = asyncio.create_task(keep_published(engine, topic.bootstrap, seconds=0.1, stop=stop))
        await _until(topic, "project/shop")
        topic.kill()
        with Session(engine) as session:
            create_project(session, "acme", "blog", "Blog")
            session.commit()
        await asyncio.to_thread(topic.start)
        await _until(topic, "project/blog")
        assert not loop.done()
        stop.set()
        await loop

    asyncio.run(scenario())


async def _until(broker: Broker, key: str) -> None:
    deadline = time.monotonic() + 60
    while key not in await asyncio.to_thread(read_published, broker.bootstrap):
        assert time.monotonic() < deadline, f"{key} was not published"
        await asyncio.sleep(0.1)


def test_a_missing_topic_is_told(broker: Broker, engine: Engine) -> None:
    with pytest.raises(PublishError, match="weir topics"):
        Publisher(engine, broker.bootstrap).publish()
