"""The audit: raw log, ledger, tables and rollups against each other.

It looks at the ends of the raw log, waits until the worker and ClickHouse have come so far, and then compares
everything below those ends. It reads only, and may run while events flow.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas import topics
from sinks import audit_checks, audit_state
from sinks.audit_checks import EXAMPLES, Scope
from sinks.audit_report import AuditReport, Finding, Kind, PartitionReach, Totals
from sinks.client import connect
from sinks.errors import AuditError
from sinks.kafka_log import KafkaLog, Reach
from sinks.rebuild import compare
from sinks.rollups import ROLLUPS
from sinks.settings import SinkSettings
from sinks.tables import TABLES

_POLL_SECONDS = 0.25
_COMPLAINTS = """
select table, formatDateTime(arrayElement(exceptions.time, -1), '%F %T', 'UTC'), arrayElement(exceptions.text, -1)
from system.kafka_consumers
where database = currentDatabase() and notEmpty(exceptions.text)
order by table
"""

Progress = Callable[[str], None]
"""Told what the audit does now, in a few words."""


@dataclass(frozen=True, slots=True)
class _Deadline:
    at: float

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.at


def audit(
    settings: SinkSettings,
    *,
    patience_seconds: float = 60.0,
    progress: Progress | None = None,
) -> AuditReport:
    """Compare everything below the ends that the raw log has now. Reads only; safe to repeat at any time.

    ``patience_seconds``: how long to wait for the worker and for ClickHouse together before what is not there
    counts as missing.

    :raises AuditError: Kafka or ClickHouse cannot be read.
    :raises SinkError: ClickHouse does not answer.
    """
    tell = progress or _quietly
    started, clock = datetime.now(UTC), time.monotonic()
    deadline = _Deadline(clock + patience_seconds)
    log = KafkaLog(settings.kafka_bootstrap)
    client = connect(settings)
    client.database = settings.clickhouse_database
    try:
        raw = log.reach(topics.RAW)
        epoch = log.epochs().get(topics.RAW, 1)
        findings = _await_ledger(client, log, epoch, raw, deadline, tell)
        ends = {table: {part: r.end for part, r in log.reach(topic).items()} for table, topic in TABLES.items()}
        findings += _await_store(log, ends, deadline, tell)
        scope = Scope(client, epoch, {part: reach.end for part, reach in raw.items()})
        findings += _await_operations(scope, deadline, tell)
        waited = time.monotonic() - clock
        found, left_out = _compare(scope, log, raw, ends, tell)
        partitions = _partitions(scope, raw)
        found += _log_cut(partitions, log.reach(topics.RAW))
        return AuditReport(
            started_at=started,
            seconds=time.monotonic() - clock,
            waited_seconds=waited,
            partitions=partitions,
            totals=_totals(scope, left_out),
            notes=_notes(client, left_out, complaints=bool(findings or found)),
            findings=tuple(findings + found),
        )
    except ClickHouseError as error:
        raise AuditError(f"ClickHouse refused a query of the audit: {error}. Has weir migrate been run?") from error
    finally:
        client.close()


def _compare(
    scope: Scope,
    log: KafkaLog,
    raw: Mapping[int, Reach],
    ends: Mapping[str, Mapping[int, int]],
    tell: Progress,
) -> tuple[list[Finding], int]:
    tell("comparing ledger and raw log")
    found = audit_checks.ledger_ranges(scope, {part: reach.low for part, reach in raw.items()})
    found += audit_checks.ledger_sums(scope)
    tell("comparing events, recordings and dead letters with the ledger")
    found += audit_checks.events(scope)
    found += audit_checks.replay_chunks(scope)
    found += audit_checks.dead_letters(scope)
    tell("comparing sessions with their events")
    sessions, left_out = audit_state.sessions(scope)
    found += sessions
    tell("comparing profiles, groups and identities with their topics")
    found += audit_state.profiles(scope, log, ends["profiles"])
    found += audit_state.groups(scope, log, ends["groups"])
    found += audit_state.identities(scope, log, ends["identities"])
    tell("comparing rollups with their tables")
    for rollup in ROLLUPS:
        rows = compare(scope.client, rollup)
        if rows:
            hours = len({row.hour for row in rows})
            found.append(
                Finding(
                    kind=Kind.ROLLUP,
                    table=rollup.table,
                    count=len(rows),
                    summary=f"{len(rows)} rows in {hours} hours are not what the table comes to (weir rebuild "
                    "mends them).",
                    examples=tuple(str(row) for row in rows[:EXAMPLES]),
                )
            )
    return found, left_out


def _await_ledger(
    client: Client, log: KafkaLog, epoch: int, raw: Mapping[int, Reach], deadline: _Deadline, tell: Progress
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


def _await_store(
    log: KafkaLog, ends: Mapping[str, Mapping[int, int]], deadline: _Deadline, tell: Progress
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


def _await_operations(scope: Scope, deadline: _Deadline, tell: Progress) -> list[Finding]:
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


def _partitions(scope: Scope, raw: Mapping[int, Reach]) -> tuple[PartitionReach, ...]:
    rows = scope.rows(
        "select raw_partition, min(from_offset), max(to_offset) from ledger "
        "where raw_epoch = {epoch:UInt32} group by raw_partition"
    )
    ledger = {int(part): (int(start), int(end)) for part, start, end in rows}
    return tuple(
        PartitionReach(
            partition=part,
            epoch=scope.epoch,
            log_from=reach.low,
            log_to=reach.end,
            ledger_from=ledger[part][0] if part in ledger else None,
            ledger_to=ledger[part][1] if part in ledger else None,
        )
        for part, reach in raw.items()
    )


def _log_cut(partitions: Sequence[PartitionReach], now: Mapping[int, Reach]) -> list[Finding]:
    """Partitions whose log, as it is ``now``, ends before what the ledger tells of."""
    cut = [part for part in partitions if part.ledger_to is not None and part.ledger_to > now[part.partition].end]
    if not cut:
        return []
    return [
        Finding(
            kind=Kind.LOG_CUT,
            table="ledger",
            count=len(cut),
            summary="The raw log ends before what was processed of it: it was cut or replaced behind Weir's back, and "
            "messages sent since then may not have been processed.",
            examples=tuple(
                f"raw partition {part.partition}: processed to {part.ledger_to}, the log ends at "
                f"{now[part.partition].end}"
                for part in cut[:EXAMPLES]
            ),
        )
    ]


def _totals(scope: Scope, left_out: int) -> Totals:
    names = ("lines", "stored", "repeated", "bots", "filtered", "dead", "operations")
    sums = ", ".join(f"sum({name})" for name in names)
    row = scope.rows(
        f"select countIf(kind = 'message'), countIf(kind = 'tick'), countIf(kind = 'hole'), {sums} from ledger"
    )[0]
    counts = {table: int(scope.rows(f"select count() from {table}")[0][0]) for table in TABLES}
    counts["sessions"] = int(scope.rows("select sum(sign) from sessions")[0][0])
    return Totals(
        raw_messages=row[0],
        ticks=row[1],
        holes=row[2],
        rows=counts,
        sessions_left_out=left_out,
        **dict(zip(names, row[3:], strict=True)),
    )


def _notes(client: Client, left_out: int, *, complaints: bool) -> tuple[str, ...]:
    """``complaints``: also what the tables' consumers said last; when all is there, it was settled since."""
    notes = []
    if left_out:
        notes.append(f"{left_out} sessions went on while the audit ran and were left out; run it again at rest.")
    unread = client.query("select count() from dead_letters where stage = 'store'").result_rows[0][0]
    if unread:
        notes.append(f"{unread} messages could not be read by ClickHouse and lie whole in dead_letters.")
    if complaints:
        notes += [
            f"{table} last complained at {when} UTC: {str(text)[:200]}"
            for table, when, text in client.query(_COMPLAINTS).result_rows
        ]
    return tuple(notes)


def _quietly(_: str) -> None:
    pass
