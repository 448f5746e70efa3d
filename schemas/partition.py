"""Which partition a device's or profile's messages go to.

The hash is Kafka's own (murmur2 with seed 0x9747b28c over the UTF-8 key, sign bit cleared, modulo the number of
partitions: ``org.apache.kafka.clients.producer.internals.BuiltInPartitioner``), so a Java or librdkafka producer
(``partitioner=murmur2_random``) with the same key lands in the same place.
"""

import struct
from functools import lru_cache

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
_LONGEST_REMEMBERED = 64
"""Characters of an id. Senders choose them: longer ones would fill the memory."""


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 of ``data`` as an unsigned 32-bit number."""
    length = len(data)
    h = (_SEED ^ length) & _MASK
    whole = length & ~3
    for (k,) in struct.iter_unpack("<I", data[:whole]):
        k = (k * _M) & _MASK
        k ^= k >> 24
        h = ((h * _M) & _MASK) ^ ((k * _M) & _MASK)
    tail = data[whole:]
    if tail:
        h ^= int.from_bytes(tail, "little")
        h = (h * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return h ^ (h >> 15)


def partition_hash(project_id: str, owner_id: str) -> int:
    """The non-negative hash of ``project_id:owner_id``; take it modulo the topic's number of partitions."""
    if len(owner_id) <= _LONGEST_REMEMBERED and owner_id.isascii():
        return _remembered(project_id, owner_id)
    return _hash(project_id, owner_id)


def _hash(project_id: str, owner_id: str) -> int:
    return murmur2(f"{project_id}:{owner_id}".encode()) & 0x7FFFFFFF


_remembered = lru_cache(maxsize=16_384)(_hash)


def project_partition(project_id: str, partitions: int) -> int:
    """Partition of a topic whose messages have a project as their key."""
    return (murmur2(project_id.encode()) & 0x7FFFFFFF) % partitions


def partition_of(project_id: str, owner_id: str, partitions: int) -> int:
    """Partition of ``owner_id``: a device id, else an event id; for profile operations a profile id."""
    return partition_hash(project_id, owner_id) % partitions
