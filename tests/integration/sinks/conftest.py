"""A real store for the tests of `sinks`, and rows to put into it."""

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from schemas.topics import TOPICS
from sinks.settings import SinkSettings
from tests.broker import Broker, running_broker
from tests.integration.sinks.databases import Databases
from tests.integration.sinks.store import Pipeline, Store, running_store


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store without tables that consume; use databases of your own."""
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="package")
def databases(store: Store) -> Databases:
    """Databases with all tables and views, without the pipes from Kafka."""
    return Databases(store)


@pytest.fixture
def schema(databases: Databases) -> Iterator[Client]:
    """All tables and views in a database of the test's own, without the pipes from Kafka."""
    with databases.empty() as client:
        yield client


@pytest.fixture(scope="module")
def sinks_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with Weir's topics, for one module: the topics' names are fixed."""
    with running_broker(tmp_path_factory.mktemp("sinks-kafka")) as running:
        for spec in TOPICS:
            running.create_topic_named(spec.name, spec.partitions or 2, spec.config)
        yield running


@pytest.fixture(scope="module")
def pipeline(sinks_broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Kafka, a store and everything between them."""
    with running_store(tmp_path_factory.mktemp("pipeline")) as running:
        settings: SinkSettings = running.settings(sinks_broker.bootstrap)
        made = Pipeline(sinks_broker, running, settings)
        made.migrate()
        yield made
