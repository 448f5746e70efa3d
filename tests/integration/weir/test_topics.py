"""`weir topics`: topics as the contract wants them, and an epoch for every incarnation."""

from collections.abc import Iterator

import pytest
from confluent_kafka.admin import ConfigResource, ResourceType
from sqlalchemy import Engine

from control.database import migrate, open_database
from control.topic import log_records, read_published
from schemas import topics
from tests.broker import Broker
from weir.topics import Difference, TopicReport, ensure_topics

pytestmark = pytest.mark.integration


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    opened = open_database(f"sqlite:///{tmp_path_factory.mktemp('control')}/control.db")
    migrate(opened)
    yield opened
    opened.dispose()


def _ensure(broker: Broker, engine: Engine, partitions: int = 4, *, apply_settings: bool = False) -> TopicReport:
    return ensure_topics(broker.bootstrap, engine, topics.TOPICS, partitions=partitions, apply_settings=apply_settings)


def test_topics_have_their_settings_and_a_recreated_one_a_greater_epoch(own_broker: Broker, engine: Engine) -> None:
    names = [spec.name for spec in topics.TOPICS]
    first = _ensure(own_broker, engine)
    assert list(first.created) == names
    assert first.differences == ()
    assert set(first.epochs) == set(names)
    assert len(set(first.epochs.values())) == 1
    assert first.renewed == ()
    found = own_broker.admin().list_topics(timeout=30).topics
    assert {name: len(found[name].partitions) for name in names} == {
        spec.name: spec.partitions or 4 for spec in topics.TOPICS
    }

    resource = ConfigResource(ResourceType.TOPIC, topics.DEVICES_CHANGELOG)
    config = own_broker.admin().describe_configs([resource])[resource].result(30)
    wanted = {
        "cleanup.policy": "compact",
        "segment.bytes": "67108864",
        "min.cleanable.dirty.ratio": "0.1",
        "max.compaction.lag.ms": "600000",
    }
    assert {key: config[key].value for key in wanted} == wanted

    # Again, asking for another number of partitions: nothing is made, nothing is changed.
    second = _ensure(own_broker, engine, partitions=9)
    assert (second.created, second.differences) == ((), ())
    assert second.epochs == first.epochs

    own_broker.delete_topic(topics.EVENTS)
    third = _ensure(own_broker, engine, partitions=9)
    assert third.created == (topics.EVENTS,)
    assert third.renewed == (topics.EVENTS,)
    assert third.epochs[topics.EVENTS] > first.epochs[topics.EVENTS]
    assert {**third.epochs, topics.EVENTS: first.epochs[topics.EVENTS]} == first.epochs
    published = log_records(read_published(own_broker.bootstrap))
    assert {name: record.epoch for name, record in published.items()} == third.epochs
    assert {name: record.partitions for name, record in published.items()} == {
        spec.name: spec.partitions or 4 for spec in topics.TOPICS
    }
    assert len(own_broker.admin().list_topics(timeout=30).topics[topics.EVENTS].partitions) == 4


def test_what_differs_is_told_and_set_only_when_asked(own_broker: Broker, engine: Engine) -> None:
    wanted = {spec.name: spec.config for spec in topics.TOPICS}[topics.EVENTS]
    own_broker.create_topic_named(topics.RAW, 4, {spec.name: spec.config for spec in topics.TOPICS}[topics.RAW])
    own_broker.create_topic_named(topics.EVENTS, 2, {**wanted, "retention.ms": "60000"})
    partitions = Difference(topics.EVENTS, "partitions", "4", "2")
    retention = Difference(topics.EVENTS, "retention.ms", wanted["retention.ms"], "60000")
    assert set(_ensure(own_broker, engine).differences) == {partitions, retention}
    assert set(_ensure(own_broker, engine, apply_settings=True).differences) == {partitions}
    assert set(_ensure(own_broker, engine).differences) == {partitions}
    assert "weir.events: partitions is 2, we would set 4" in str(partitions)
