"""Partitions: Kafka's own hash, so that any producer with the same key lands in the same place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.partition import murmur2, partition_hash, partition_of

# org.apache.kafka.common.utils.UtilsTest.testMurmur2, signed as Java prints them.
KAFKA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "expected"), KAFKA.items(), ids=[key.decode()[:26] for key in KAFKA])
def test_murmur2_is_kafkas(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected % 2**32


def test_hash_is_of_project_and_owner_without_its_sign() -> None:
    assert partition_hash("a", "b") == murmur2(b"a:b") & 0x7FFFFFFF
    assert partition_hash("p", "Zürich") == murmur2("p:Zürich".encode()) & 0x7FFFFFFF


@given(st.text(min_size=1), st.text(), st.integers(1, 1_000))
def test_partition_exists(project: str, owner: str, partitions: int) -> None:
    assert 0 <= partition_of(project, owner, partitions) < partitions


def test_owners_spread() -> None:
    counts = [0] * 8
    for number in range(8_000):
        counts[partition_of("project-1", f"device-{number}", 8)] += 1
    assert min(counts) > 800
