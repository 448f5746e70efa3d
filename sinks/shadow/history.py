"""What the tables know of the past, for who processes it again."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime

from clickhouse_connect.driver.client import Client

from schemas import topics
from sinks.kafka_log import KafkaLog
from sinks.settings import SinkSettings
from sinks.shadow.plan import Coordinate, PartitionRange, ReprocessError
from sinks.shadow.tables import SHADOWED

_POLL_SECONDS = 0.2


def await_rows(
    client: Client,
    settings: SinkSettings,
    epoch: int,
    edges: Mapping[int, int],
    tell: Callable[[str], None],
    seconds: float = 60.0,
) -> None:
    """Wait until the tables have every row of the raw messages below ``edges``.

    :raises ReprocessError: they have not in time.
    """
    log = KafkaLog(settings.kafka_bootstrap)
    ends = {each: {part: reach.end for part, reach in log.reach(each.topic).items()} for each in SHADOWED}
    deadline = time.monotonic() + seconds
    while True:
        rows = client.query(
            "select raw_partition, max(to_offset) from ledger where raw_epoch = {epoch:UInt32} group by raw_partition",
            {"epoch": epoch},
        ).result_rows
        reached = {int(part): int(offset) for part, offset in rows}
        waiting = {"ledger"} if any(reached.get(part, 0) < edge for part, edge in edges.items()) else set()
        for each, upto in ends.items():
            lows = {part: reach.low for part, reach in log.reach(each.topic).items()}
            read = log.committed(topics.STORE_GROUP_PREFIX + each.table, each.topic)
            if log.unread(each.topic, {part: max(read.get(part, 0), low) for part, low in lows.items()}, upto):
                waiting.add(each.table)
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise ReprocessError(f"ClickHouse has not read {', '.join(sorted(waiting))} in time; is it running?")
        tell(f"waiting for ClickHouse: {', '.join(sorted(waiting))}")
        time.sleep(_POLL_SECONDS)


def passed_places(settings: SinkSettings) -> dict[str, dict[int, Coordinate]]:
    """Per table and partition of its topic the last place that ClickHouse has consumed, where there is one."""
    log = KafkaLog(settings.kafka_bootstrap)
    epochs = log.epochs()
    return {
        each.table: {
            part: Coordinate(epoch=epochs.get(each.topic, 1), offset=offset - 1)
            for part, offset in log.committed(topics.STORE_GROUP_PREFIX + each.table, each.topic).items()
            if offset > 0
        }
        for each in SHADOWED
    }


def whole_rows(client: Client, epoch: int, found: PartitionRange) -> PartitionRange:
    """The range, made larger where a border cuts what one ledger row tells of."""
    rows = client.query(
        """
        select minIf(from_offset, from_offset < {start:UInt64} and to_offset > {start:UInt64}),
            maxIf(to_offset, from_offset < {end:UInt64} and to_offset > {end:UInt64})
        from ledger
        where raw_epoch = {epoch:UInt32} and raw_partition = {part:UInt16} and kind != 'erasure'
        """,
        {"epoch": epoch, "part": found.partition, "start": found.start, "end": found.end},
    ).result_rows
    start, end = rows[0]
    return found.model_copy(update={"start": start or found.start, "end": max(end, found.end)})


def first_ledger_offset(client: Client, epoch: int, partition: int, since: datetime) -> int | None:
    """The first offset that the ledger tells of from a time on."""
    rows = client.query(
        "select min(from_offset), count() from ledger "
        "where raw_epoch = {epoch:UInt32} and raw_partition = {part:UInt16} and kind != 'erasure' "
        "and stamp >= {since:DateTime64(3, 'UTC')}",
        {"epoch": epoch, "part": partition, "since": since},
    ).result_rows
    return int(rows[0][0]) if rows[0][1] else None
