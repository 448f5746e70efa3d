"""Waiting, in an audit, until workers and ClickHouse have come as far as the raw log reached when it began."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from schemas import topics
from sinks import audit_state
from sinks.audit_checks import EXAMPLES, Scope
from sinks.audit_report import Finding, Kind
from sinks.kafka_log import KafkaLog, Reach
from sinks.tables import TABLES

_POLL_SECONDS = 0.25

Progress = Callable[[str], None]
"""Told what the audit does now, in a few words."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """When patience ends, by the monotonic clock."""

    at: float

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return time.monotonic() >= self.at


def await_ledger(
    client: Client, log: KafkaLog, epoch: int, raw: Mapping[int, Reach], deadline: Deadline, tell: Progress
) -> list[Finding]:
    """Wait until the ledger tells of everything in the raw log; what it does not tell of in time is a finding."""
    while True:
        rows = client.query(
            "select raw_partition, max(to_offset) from ledger where raw_epoch = {epoch:UInt32} group by raw_partition",
            {"epoch": epoch},
        ).result_rows
        reached = {int(part): int(offset) for part, offset in rows}
        read = {part: max(reached.get(part, 0), reach.low) for part, reach in raw.items()}
        behind = log.unread(topics.RAW, read, {part: reach.end for part, reach in raw.items()})
        if not behind:
            return []
        if deadline.over:
            return [_behind(Kind.LEDGER_BEHIND, "ledger", "The worker has not processed", "raw partition", behind)]
        tell(f"waiting for the worker: {sum(behind.values()):,} raw offsets to go")
        time.sleep(_POLL_SECONDS)


def await_store(
    log: KafkaLog, ends: Mapping[str, Mapping[int, int]], deadline: Deadline, tell: Progress
) -> list[Finding]:
    """Wait until ClickHouse has read every table's topic to the end it has now."""
    waiting = dict(ends)
    lows = {table: log.reach(TABLES[table]) for table in ends}
    while True:
        behind: dict[str, dict[int, int]] = {}
        for table, upto in waiting.items():
            topic = TABLES[table]
            read = log.committed(topics.STORE_GROUP_PREFIX + table, topic)
            start = {part: max(read.get(part, 0), lows[table][part].low) for part in upto}
            if left := log.unread(topic, start, upto):
                behind[table] = left
        if not behind:
            return []
        if deadline.over:
            return [
                _behind(Kind.STORE_BEHIND, table, f"ClickHouse has not read {TABLES[table]}:", "partition", left)
                for table, left in behind.items()
            ]
        tell(f"waiting for ClickHouse: {', '.join(sorted(behind))}")
        waiting = {table: ends[table] for table in behind}
        time.sleep(_POLL_SECONDS)


def await_operations(scope: Scope, deadline: Deadline, tell: Progress) -> list[Finding]:
    """Wait until profiles and groups have seen every operation that the ledger tells of."""
    while (missing := audit_state.operations_missing(scope)) > 0:
        if deadline.over:
            return [
                Finding(
                    kind=Kind.MISSING,
                    table="profiles",
                    count=missing,
                    summary=f"{missing:,} operations have neither changed a profile or group nor become dead letters.",
                )
            ]
        tell(f"waiting for profiles and groups: {missing:,} operations to go")
        time.sleep(_POLL_SECONDS)
    return []


def _behind(kind: Kind, table: str, what: str, where: str, behind: Mapping[int, int]) -> Finding:
    total = sum(behind.values())
    return Finding(
        kind=kind,
        table=table,
        count=total,
        summary=f"{what} {total:,} offsets in time; is it running?",
        examples=tuple(f"{where} {part}: {count:,} offsets" for part, count in sorted(behind.items())[:EXAMPLES]),
    )
