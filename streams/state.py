"""The state of source partitions: loaded from a changelog partition, changed only by committed batches.

``PartitionStore`` is the table store driver that Faust sees (``store='partitioned://lanes'``). Faust tells it which
partitions are assigned; it passes that on to the lanes and answers at once, because a rebalance must not wait for
state: no heartbeat leaves the process meanwhile.
"""

import logging
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, Protocol, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from faust.stores.base import Store
from faust.types import TP

from streams.reading import read_batch

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 5.0
"""How often a load that takes longer says how far it has got."""
_READ_MESSAGES = 10_000
_READ_SECONDS = 0.2
_WATERMARK_SECONDS = 30.0


def load_state(bootstrap: str, changelog: str, partition: int) -> dict[bytes, bytes]:
    """All live keys of a changelog partition, committed records only, read to its end as of now.

    Blocks; hundreds of thousands of records a second. Raises KafkaException. Call it after the partition's
    transactional producer was initialised: only then can nobody else append.
    """
    reader = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "weir-state-reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "log_level": 2,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 64 * 1024,
        }
    )
    state: dict[bytes, bytes] = {}
    tell = _Progress(reader, changelog, partition)
    try:
        reader.assign([TopicPartition(changelog, partition, OFFSET_BEGINNING)])
        while True:
            tell.keys(len(state))
            for message in read_batch(reader, _READ_MESSAGES, _READ_SECONDS):
                error = message.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        return state
                    raise KafkaException(error)
                key, value = message.key(), message.value()
                if key is None:
                    continue
                if value is None:
                    state.pop(key, None)
                else:
                    state[key] = value
    finally:
        reader.close()


class _Progress:
    """Says now and then how far a load has got, so that nobody takes a long one for a worker that hangs."""

    def __init__(self, reader: Consumer, changelog: str, partition: int) -> None:
        self._reader = reader
        self._place = TopicPartition(changelog, partition)
        self._told_at = monotonic()

    def keys(self, count: int) -> None:
        """So many keys are loaded now."""
        now = monotonic()
        if now - self._told_at < PROGRESS_SECONDS:
            return
        self._told_at = now
        _, end = self._reader.get_watermark_offsets(self._place, _WATERMARK_SECONDS)
        (position,) = self._reader.position([self._place])
        place = f"{self._place.topic}/{self._place.partition}"
        logger.info("%s: %d keys loaded, at offset %d of %d", place, count, max(position.offset, 0), end)


def apply_changes(state: dict[bytes, bytes], changes: dict[bytes, bytes | None]) -> None:
    """Change ``state`` as a committed batch did: None removes a key."""
    for key, value in changes.items():
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value


class Assignable(Protocol):
    """The lanes, as the store sees them."""

    def assign(self, table: str, assigned: Iterable[TP]) -> None: ...


class LanesApp(Protocol):
    """The Faust app, as the store sees it."""

    lanes: Assignable


class PartitionStore(Store[Any, Any]):
    """Faust's view of a table whose partitions are loaded and changed by lanes. Reading through Faust gives nothing."""

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Hand the assignment to the lanes of this table's source topic; returns at once."""
        cast(LanesApp, self.app).lanes.assign(str(self.table.name), assigned)

    def persisted_offset(self, tp: TP) -> int | None:
        """None: Faust shall not recover anything."""
        return None

    async def need_active_standby_for(self, tp: TP) -> bool:
        """False: there are no standbys."""
        return False

    def apply_changelog_batch(self, batch: Iterable[Any], to_key: Any, to_value: Any) -> None:
        """Nothing: Faust reads no changelog."""

    def reset_state(self) -> None:
        """Nothing: lanes own the state."""

    async def backup_partition(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the changelog is the backup."""

    def restore_backup(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the changelog is the backup."""

    def __getitem__(self, key: Any) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0
