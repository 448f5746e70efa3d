"""Fixtures every test may use. A service that does not start fails its test; it is never skipped."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.broker import Broker, running_broker
from tests.java import want_quick_starts
from tests.order import arrange
from tests.stack import Stack, running_stack
from weir.local import ports

# Hundreds of processes are started: none of them should compile Weir anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
want_quick_starts()

# A test never asserts on time: a loaded machine is not a defect.
settings.register_profile("weir", deadline=None)
settings.load_profile("weir")


def pytest_configure(config: pytest.Config) -> None:
    # Otherwise the files with most tests come first, which are those that take no time.
    config.option.loadscopereorder = False
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        ports.keep_to(int(worker.removeprefix("gw")), int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    arrange(items)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One real Kafka broker for the whole run; use topics of your own (`broker.create_topic`)."""
    with running_broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real Kafka broker for one test alone, which may kill it."""
    with running_broker(tmp_path_factory.mktemp("own-kafka")) as running:
        yield running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole of Weir, one for the run: leave it as it was found, and expect the events of others."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole of Weir for one test alone, which may kill and stop what it likes."""
    with running_stack(tmp_path_factory.mktemp("own-stack")) as running:
        yield running
