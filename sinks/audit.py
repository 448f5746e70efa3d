"""The audit: raw log, ledger, tables and rollups against each other.

It looks at the ends of the raw log, waits until the worker and ClickHouse have come so far, and then compares
everything below those ends. It reads only, and may run while events flow.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas import topics
from sinks import audit_checks, audit_state
from sinks.audit_checks import EXAMPLES, Scope
from sinks.audit_report import AuditReport, Finding, Kind, PartitionReach, Reached, Totals
from sinks.audit_wait import Deadline, Progress, await_ledger, await_operations, await_store
from sinks.client import connect
from sinks.daily_check import compare_folded, daily_findings, folded_in_use
from sinks.errors import AuditError
from sinks.kafka_log import KafkaLog, Reach
from sinks.retained import Retained, read_retained
from sinks.rollup_compare import Differing, compare
from sinks.rollups import ROLLUPS, Rollup
from sinks.settings import SinkSettings
from sinks.tables import TABLES

_READ = ("profiles", "groups", "identities")
"""Tables that are compared with their topics themselves, as these hold the newest of every row."""
_OF_ROWS = (
    *(Kind.MISSING, Kind.DOUBLED, Kind.UNEXPECTED),
    *(Kind.SESSION_SIGN, Kind.SESSION_EVENTS, Kind.SESSION_COUNT),
)
_COMPLAINTS = """
select table, formatDateTime(arrayElement(exceptions.time, -1), '%F %T', 'UTC'), arrayElement(exceptions.text, -1)
from system.kafka_consumers
where database = currentDatabase() and notEmpty(exceptions.text)
order by table
"""


def audit(
    settings: SinkSettings,
    *,
    patience_seconds: float = 60.0,
    progress: Progress | None = None,
    since: Reached | None = None,
    rollups: bool = True,
) -> AuditReport:
    """Compare everything below the ends that the raw log has now. Reads only; safe to repeat at any time.

    ``patience_seconds``: how long to wait for the worker and for ClickHouse together before what is not there
    counts as missing. ``since``: what lies before it was compared by an audit that was clean, and is compared in sums
    only (events), or not again (what does not change). ``rollups``: whether they are compared, all of them.

    :raises AuditError: Kafka or ClickHouse cannot be read.
    :raises SinkError: ClickHouse does not answer.
    """
    tell = progress or _quietly
    started, clock = datetime.now(UTC), time.monotonic()
    deadline = Deadline(clock + patience_seconds)
    log = KafkaLog(settings.kafka_bootstrap, settings.clickhouse_shards)
    client = connect(settings)
    client.database = settings.clickhouse_database
    try:
        raw = log.reach(topics.RAW)
        epoch = log.epochs().get(topics.RAW, 1)
        since = since if since is not None and since.epoch == epoch else None
        findings = await_ledger(client, log, epoch, raw, deadline, tell)
        ends = {table: {part: r.end for part, r in log.reach(topic).items()} for table, topic in TABLES.items()}
        findings += await_store(log, ends, deadline, tell)
        starts = since.raw if since is not None else None
        scope = Scope(client, epoch, {part: reach.end for part, reach in raw.items()}, starts, read_retained(client))
        findings += await_operations(scope, deadline, tell)
        waited = time.monotonic() - clock
        found, left_out = _compare(scope, log, raw, _ranges(log, ends, since), tell)
        if rollups:
            tell("comparing rollups with their tables")
            damaged = damaged_tables(found)
            for rollup in ROLLUPS:
                finding = rollup_finding(rollup, compare(client, rollup), is_damaged=rollup.source in damaged)
                found += [finding] if finding else []
            found += _daily(client)
        partitions = _partitions(scope, raw)
        found += _log_cut(partitions, log.reach(topics.RAW))
        return AuditReport(
            started_at=started,
            complete=starts is None,
            reached=_reached(scope, ends),
            seconds=time.monotonic() - clock,
            waited_seconds=waited,
            partitions=partitions,
            totals=_totals(scope, left_out),
            notes=_notes(client, scope.kept, left_out, complaints=bool(findings or found)),
            findings=tuple(findings + found),
        )
    except ClickHouseError as error:
        raise AuditError(f"ClickHouse refused a query of the audit: {error}. Has weir migrate been run?") from error
    finally:
        client.close()


def _compare(
    scope: Scope, log: KafkaLog, raw: Mapping[int, Reach], ranges: audit_state.Ranges, tell: Progress
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
    found += audit_state.profiles(scope, log, ranges)
    found += audit_state.groups(scope, log, ranges)
    found += audit_state.identities(scope, log, ranges)
    return found, left_out


def _daily(client: Client) -> list[Finding]:
    """Of the days that are folded."""
    projects = [str(row[0]) for row in client.query("select distinct project_id from daily_rollups").result_rows]
    return daily_findings(
        each
        for project_id in sorted(projects)
        for each in compare_folded(client, project_id, folded_in_use(client, project_id))
    )


def damaged_tables(findings: Iterable[Finding]) -> set[str]:
    """The tables that are not what the ledger tells of: of these no rollup is to be made anew."""
    return {finding.table for finding in findings if finding.kind in _OF_ROWS}


def rollup_finding(rollup: Rollup, differing: Differing, *, is_damaged: bool = False) -> Finding | None:
    """What is to be said of a rollup that differs from its table, which may be the one that is ``is_damaged``."""
    if not differing:
        return None
    remedy = "weir rebuild mends them"
    if is_damaged:
        remedy = (
            f"mend {rollup.source} first, with weir reprocess or weir restore: the rollup may have what the table "
            "lost, and weir rebuild would take it away"
        )
    return Finding(
        kind=Kind.ROLLUP,
        table=rollup.table,
        count=differing.rows,
        summary=f"{differing.rows} rows in {len(differing.pieces)} {rollup.grain}s are not what the table comes to "
        f"({remedy}).",
        examples=tuple(str(row) for row in differing.examples[:EXAMPLES]),
    )


def _ranges(log: KafkaLog, ends: Mapping[str, Mapping[int, int]], since: Reached | None) -> audit_state.Ranges:
    """Of the topics that are read themselves, what has not been read by the audit before."""
    read = since.topics if since is not None else {}
    ranges = {}
    for table in _READ:
        topic = TABLES[table]
        lows = {part: reach.low for part, reach in log.reach(topic).items()}
        ranges[topic] = {
            part: (max(lows[part], read.get(topic, {}).get(part, 0)), end) for part, end in ends[table].items()
        }
    return ranges


def _reached(scope: Scope, ends: Mapping[str, Mapping[int, int]]) -> Reached:
    """Where the next audit may begin: between two rows of the ledger."""
    rows = scope.rows(
        "select raw_partition, max(to_offset) from ledger where raw_epoch = {epoch:UInt32} and kind != 'erasure' "
        "and to_offset <= arrayElement({ends:Array(UInt64)}, indexOf({partitions:Array(UInt16)}, raw_partition)) "
        "group by raw_partition"
    )
    return Reached(
        epoch=scope.epoch,
        raw={int(part): int(offset) for part, offset in rows},
        topics={TABLES[table]: dict(ends[table]) for table in _READ},
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


def _notes(client: Client, kept: Retained, left_out: int, *, complaints: bool) -> tuple[str, ...]:
    """``complaints``: also what the tables' consumers said last; when all is there, it was settled since."""
    notes = []
    if kept.month > Retained().month:
        notes.append(f"Months before {kept.everywhere:%Y-%m} are out of retention, and are not compared.")
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
