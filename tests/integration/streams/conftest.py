"""Labs: a broker with Weir's topics and the workers a test starts."""

from collections.abc import Iterator

import pytest

from tests.broker import Broker, running_broker
from tests.integration.streams.lab import Lab, running_lab


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for a module."""
    with (
        running_broker(tmp_path_factory.mktemp("kafka")) as broker,
        running_lab(broker, tmp_path_factory.mktemp("lab")) as lab,
    ):
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """The module's lab without workers: what earlier tests sent is there, and processed or not."""
    yield shared_lab
    shared_lab.stop()


@pytest.fixture
def own_lab(own_broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab for one test alone, which may damage it."""
    with running_lab(own_broker, tmp_path_factory.mktemp("lab")) as lab:
        yield lab
