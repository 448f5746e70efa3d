"""Waiting until everything that lies in the log before an erasure has come into the tables."""

import time
from collections.abc import Callable, Mapping

from clickhouse_connect.driver.client import Client

from schemas import topics
from sinks.erased_rows import Cut
from sinks.errors import SinkError
from sinks.kafka_log import KafkaLog
from sinks.tables import TABLES

_POLL_SECONDS = 0.25


class ErasureError(SinkError):
    """The erasure did not come to its end; run again, it goes on where it was."""


def await_tables(client: Client, log: KafkaLog, cut: Cut, patience_seconds: float, tell: Callable[[str], None]) -> None:
    """Return when workers have processed the raw log up to the cut and all that follows from it, and ClickHouse has
    read it.

    :raises ErasureError: not in time.
    :raises AuditError: Kafka does not answer.
    """
    deadline = time.monotonic() + patience_seconds

    def wait(ready: Callable[[], bool], what: str) -> None:
        if ready():
            return
        tell(f"waiting for {what}")
        while not ready():
            if time.monotonic() > deadline:
                raise ErasureError(
                    f"Waited {patience_seconds:.0f} s for {what}: see weir status. Nothing is lost: run it again, and "
                    "it goes on."
                )
            time.sleep(_POLL_SECONDS)

    wait(lambda: _is_processed(client, cut), "the workers")
    _await_group(wait, log, topics.STREAMS_GROUP, topics.PROFILE_OPS, "the workers (profiles)")
    for table, topic in TABLES.items():
        _await_group(wait, log, topics.STORE_GROUP_PREFIX + table, topic, f"ClickHouse ({table})")


def _is_processed(client: Client, cut: Cut) -> bool:
    rows = client.query(
        "select raw_partition, max(to_offset) from ledger where raw_epoch = {epoch:UInt32} and kind != 'erasure' "
        "group by raw_partition",
        cut.parameters(),
    ).result_rows
    reached = {int(partition): int(offset) for partition, offset in rows}
    return all(reached.get(partition, 0) >= end for partition, end in enumerate(cut.ends))


def _await_group(
    wait: Callable[[Callable[[], bool], str], None], log: KafkaLog, group: str, topic: str, what: str
) -> None:
    """Wait until a group has read what its topic holds now."""
    reach = log.reach(topic)
    ends: Mapping[int, int] = {partition: each.end for partition, each in reach.items()}

    def ready() -> bool:
        read = log.committed(group, topic)
        return not log.unread(topic, {part: max(read.get(part, 0), reach[part].low) for part in ends}, ends)

    wait(ready, what)
