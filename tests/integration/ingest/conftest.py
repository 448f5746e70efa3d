"""One broker with the gateway's topics, and one ready gateway, for the tests that kill neither."""

from collections.abc import Iterator

import pytest

from tests.broker import running_broker
from tests.integration.ingest.gateway_process import (
    GatewayProcess,
    Tenant,
    Topics,
    now,
    poll_until,
    running_gateway,
    salts_around,
)


@pytest.fixture(scope="package")
def gateway_topics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topics]:
    with running_broker(tmp_path_factory.mktemp("gateway-kafka")) as running:
        topics = Topics(running)
        topics.create()
        topics.publish([*salts_around(now())])
        yield topics


@pytest.fixture(scope="package")
def gateway(gateway_topics: Topics, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with running_gateway(gateway_topics.broker.bootstrap, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def tenant(gateway_topics: Topics, gateway: GatewayProcess) -> Tenant:
    """A project of this test alone, known to the gateway."""
    made = Tenant()
    gateway_topics.publish(made.records())
    poll_until("the gateway knows the client", lambda: _known(gateway, made))
    return made


def _known(gateway: GatewayProcess, tenant: Tenant) -> bool:
    # A body that is refused only after the client was let in, so that nothing is stored.
    body = {"type": "track", "payload": {"name": "a", "properties": {"__timestamp": "0001-01-01T00:00:00Z"}}}
    return gateway.post(body, tenant.headers()).status_code == 400
