"""Which shard's topics the rows of a partition go to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from schemas.shards import SHARDED, original, shard_topic, topics_for


def test_one_store_has_the_topics_by_their_own_names() -> None:
    assert topics_for(1) == topics.TOPICS
    assert shard_topic(topics.EVENTS, 5, 1) == topics.EVENTS


def test_shards_have_copies_of_the_topics_of_rows() -> None:
    specs = {spec.name: spec for spec in topics_for(3)}
    plain = {spec.name: spec for spec in topics.TOPICS}
    assert {name for name in specs if original(name) != name} == {
        f"{name}.{shard}" for name in SHARDED for shard in range(3)
    }
    assert {name for name in specs if original(name) == name} == plain.keys() - SHARDED
    assert all(spec.config == plain[original(name)].config for name, spec in specs.items())


@given(st.sampled_from(topics.TOPICS), st.integers(0, 10_000), st.integers(1, 1_024))
def test_rows_go_to_a_topic_that_is_there(spec: topics.TopicSpec, partition: int, shards: int) -> None:
    name = shard_topic(spec.name, partition, shards)
    assert original(name) == spec.name
    assert (name == spec.name) == (shards == 1 or spec.name not in SHARDED)


@pytest.mark.parametrize("name", ["weir.raw", "weir.raw.1", "weir.events", "weir.events.x", "other.1", ""])
def test_other_names_are_no_copies(name: str) -> None:
    assert original(name) == name
