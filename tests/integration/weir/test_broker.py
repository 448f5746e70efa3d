"""The local broker: the settings the contract rests on, and that it comes back with its data."""

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import ConfigResource, ResourceType

from tests.broker import Broker

pytestmark = pytest.mark.integration

CONTRACT = {
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "offsets.retention.minutes": "525600",
    "transaction.max.timeout.ms": "60000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}


def test_the_running_broker_has_the_settings_of_the_contract(broker: Broker) -> None:
    resource = ConfigResource(ResourceType.BROKER, "1")
    told = broker.admin().describe_configs([resource])[resource].result(30)
    assert {key: told[key].value for key in CONTRACT} == CONTRACT


def test_a_topic_is_never_made_by_asking_for_it(broker: Broker) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "message.timeout.ms": 1_000})
    failures: list[str] = []
    producer.produce("never.made", b"x", on_delivery=lambda error, _: failures.append(str(error)))
    producer.flush(30)
    assert failures
    assert failures != ["None"]
    assert "never.made" not in broker.admin().list_topics(timeout=30).topics


def test_two_topics_of_one_prefix_differ(broker: Broker) -> None:
    first, second = broker.create_topic("same", partitions=3), broker.create_topic("same")
    assert first != second
    assert len(broker.admin().list_topics(first, timeout=30).topics[first].partitions) == 3
    with pytest.raises(KafkaException):
        broker.create_topic_named(first)


def test_what_was_acknowledged_survives_kill_and_restart(own_broker: Broker) -> None:
    topic = own_broker.create_topic(partitions=2)
    for stop in (own_broker.kill, own_broker.stop):
        producer = Producer({"bootstrap.servers": own_broker.bootstrap, "acks": "all"})
        for number in range(100):
            producer.produce(topic, str(number).encode(), partition=number % 2)
        assert producer.flush(30) == 0
        stop()
        own_broker.start()
    assert len(_read(own_broker, topic, 200)) == 200


def _read(broker: Broker, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    values: list[bytes] = []
    while len(values) < count:
        messages = consumer.consume(count - len(values), timeout=30)
        assert messages, f"only {len(values)} of {count}"
        for message in messages:
            error, value = message.error(), message.value()
            assert error is None
            assert isinstance(value, bytes)
            values.append(value)
    consumer.close()
    return values
