"""The short form of `python -m bench.store_chaos`."""

from pathlib import Path

import pytest

from schemas.topics import TOPICS
from tests.broker import Broker
from tests.integration.sinks.killing import kill_again_and_again
from tests.integration.sinks.store import running_store

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(900)]


def test_a_store_that_is_killed_again_and_again_is_exact(own_broker: Broker, tmp_path: Path) -> None:
    for spec in TOPICS:
        own_broker.create_topic_named(spec.name, spec.partitions or 2, spec.config)
    with running_store(tmp_path) as store:
        told: list[str] = []
        wrong = kill_again_and_again(store, store.settings(own_broker.bootstrap), 500, 3, seed=1, tell=told.append)
    assert wrong == [], told
