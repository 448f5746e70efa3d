"""A lab whose raw log bears the stamps that its senders give, so that hours pass at once."""

from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from schemas.topics import RAW
from tests.broker import Broker, running_broker
from tests.integration.streams.lab import Lab, running_lab


def stamps_by_senders(broker: Broker) -> None:
    """Let whoever produces say when it was."""
    entry = ConfigEntry("message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, RAW, incremental_configs=[entry])
    broker.admin().incremental_alter_configs([resource])[resource].result(30)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for a module."""
    with (
        running_broker(tmp_path_factory.mktemp("kafka")) as broker,
        running_lab(broker, tmp_path_factory.mktemp("lab")) as running,
    ):
        stamps_by_senders(broker)
        yield running
