"""The comparisons of an audit, each a query. A check gets what the audit saw at its start and gives findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas import topics
from sinks.audit_report import Finding, Kind
from sinks.retained import Retained

EXAMPLES = 10
_MOST = 100_000
"""Wrong messages that are counted; where more are wrong, nobody needs the number."""
# Groups by message may be many: rather on disk than out of memory.
_SETTINGS = {"max_bytes_before_external_group_by": 1_000_000_000, "max_bytes_before_external_sort": 1_000_000_000}
BELOW_ENDS = (
    "(raw_epoch != {epoch:UInt32} or raw_offset < "
    "arrayElement({ends:Array(UInt64)}, indexOf({partitions:Array(UInt16)}, raw_partition)))"
)


FROM_STARTS = (
    "(raw_epoch = {epoch:UInt32} and raw_offset >= {least_start:UInt64} and raw_offset >= "
    "arrayElement({starts:Array(UInt64)}, indexOf({partitions:Array(UInt16)}, raw_partition)))"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is compared: everything below the raw offsets ``ends`` of the present ``epoch``; message by message only
    from ``starts`` on, if it says any. What retention took is left out.
    """

    client: Client
    epoch: int
    ends: Mapping[int, int]
    starts: Mapping[int, int] | None = None
    kept: Retained = field(default_factory=Retained)

    @property
    def begun(self) -> str:
        """The condition that a row is of a message that is compared by itself."""
        return "1" if self.starts is None else FROM_STARTS

    def rows(self, sql: str, **more: Any) -> Sequence[Sequence[Any]]:
        """The rows of a query, with the scope's parameters bound."""
        starts = [0 if self.starts is None else self.starts.get(part, 0) for part in self.ends]
        parameters = {
            "epoch": self.epoch,
            "partitions": list(self.ends),
            "ends": list(self.ends.values()),
            "least_end": min(self.ends.values(), default=0),
            "starts": starts,
            "least_start": min(starts, default=0),
            "kept_month": self.kept.month,
            "examples": EXAMPLES,
            **more,
        }
        return self.client.query(sql, parameters=parameters, settings=_SETTINGS).result_rows


_UNJOINED_RANGES = """
    select raw_epoch, raw_partition, reached, from_offset, count() over () as total, from_offset > reached as gap
    from
    (
        select
            raw_epoch, raw_partition, from_offset, to_offset,
            max(to_offset) over (
                partition by raw_epoch, raw_partition order by from_offset, to_offset
                rows between unbounded preceding and 1 preceding
            ) as reached,
            row_number() over (
                partition by raw_epoch, raw_partition order by from_offset, to_offset
            ) as number
        from (select *, from_offset as raw_offset from ledger where kind != 'erasure')
        where %(begun)s
    )
    where number > 1 and from_offset != reached
    order by raw_epoch, raw_partition, from_offset
"""
"""Ledger rows that do not begin where the rows before them ended: later is a gap, earlier an overlap."""

_FIRST_RANGES = """
    select raw_partition, min(raw_offset)
    from (select *, from_offset as raw_offset from ledger where raw_epoch = {epoch:UInt32} and kind != 'erasure')
    where %(begun)s
    group by raw_partition
"""


def ledger_ranges(scope: Scope, lows: Mapping[int, int]) -> list[Finding]:
    """No gap and no overlap per epoch and partition, from the log's beginning on, or from where the audit begins."""
    rows = scope.rows(_UNJOINED_RANGES % {"begun": scope.begun})
    firsts = {part: max(low, (scope.starts or {}).get(part, 0)) for part, low in lows.items()}
    gaps = [row for row in rows if row[5]]
    overlaps = [row for row in rows if not row[5]]
    gaps += [
        (scope.epoch, part, firsts[part], start, 0, 1)
        for part, start in scope.rows(_FIRST_RANGES % {"begun": scope.begun})
        if part in firsts and start > firsts[part]
    ]
    found = []
    if gaps:
        found.append(
            Finding(
                kind=Kind.LEDGER_GAP,
                table="ledger",
                count=len(gaps),
                summary=f"{len(gaps)} ranges of the raw log have no ledger row.",
                examples=tuple(
                    f"raw partition {part} (epoch {epoch}), offsets {reached} to {start - 1}"
                    for epoch, part, reached, start, *_ in gaps[:EXAMPLES]
                ),
            )
        )
    if overlaps:
        found.append(
            Finding(
                kind=Kind.LEDGER_OVERLAP,
                table="ledger",
                count=len(overlaps),
                summary=f"{len(overlaps)} ledger rows tell of raw messages that another row has told of.",
                examples=tuple(
                    f"raw partition {part} (epoch {epoch}), from offset {start}, which was reached before ({reached})"
                    for epoch, part, reached, start, *_ in overlaps[:EXAMPLES]
                ),
            )
        )
    return found


def ledger_sums(scope: Scope) -> list[Finding]:
    """The parts of a ledger row add up to its lines."""
    rows = scope.rows(
        f"""
        select raw_epoch, raw_partition, from_offset, lines,
            stored + repeated + bots + filtered + dead + operations as parts, count() over () as total
        from (select *, from_offset as raw_offset from ledger where kind = 'message')
        where lines != parts and (lines != 0 or parts != 1) and {scope.begun}
        order by raw_epoch, raw_partition, from_offset
        limit {{examples:UInt32}}
        """
    )
    if not rows:
        return []
    return [
        Finding(
            kind=Kind.LEDGER_SUM,
            table="ledger",
            count=rows[0][5],
            summary=f"{rows[0][5]} ledger rows do not add up.",
            examples=tuple(f"{_raw(*row[:3])}: {row[3]} lines, but {row[4]} accounted for" for row in rows),
        )
    ]


# The engine cannot join its own filter on a LowCardinality with those that are put around this.
_EVENTS_TOLD = """
    select raw_epoch, raw_partition, from_offset as raw_offset, month, toInt64(counted) as wanted
    from ledger array join cast(row_tables, 'Array(String)') as named, row_months as month, row_counts as counted
    where named = 'events'
"""
_UNEQUAL_MONTHS = f"""
    select month
    from
    (
        select raw_epoch, raw_partition, month, sum(wanted) as number
        from ({_EVENTS_TOLD}) where {BELOW_ENDS} group by raw_epoch, raw_partition, month
        union all
        select raw_epoch, raw_partition, toYYYYMM(start) as month, -toInt64(number)
        from
        (
            select toStartOfHour(created_at) as start, raw_epoch, raw_partition, count() as number
            from events group by start, raw_epoch, raw_partition
        )
        union all
        select raw_epoch, raw_partition, toYYYYMM(created_at) as month, toInt64(count())
        from events
        where raw_epoch = {{epoch:UInt32}} and raw_offset >= {{least_end:UInt64}} and not {BELOW_ENDS}
        group by raw_epoch, raw_partition, month
    )
    where month >= {{kept_month:UInt32}}
    group by raw_epoch, raw_partition, month
    having sum(number) != 0
"""
"""Months in which some partition has another number of rows than the ledger says. Reads the ledger and a projection."""


def events(scope: Scope) -> list[Finding]:
    """Per raw message and month: as many different event rows as the ledger says, and none twice. What came before the
    audit's beginning is compared in sum per partition and month, and by message in months that differ.
    """
    if scope.starts is None:
        found = _unequal_events(scope, _all_months(scope))
    else:
        found = _unequal_events(scope, None, only=scope.begun)
        if months := sorted({int(month) for (month,) in scope.rows(_UNEQUAL_MONTHS)}):
            older = _unequal_events(scope, months, only=f"not {scope.begun}")
            found = [*older, *found]
    return _findings("events", found)


def _all_months(scope: Scope) -> list[int]:
    """Those with rows, and those that should have some; not those that retention took as a whole."""
    rows = scope.rows(
        f"""
        select distinct month
        from
        (
            select month from ({_EVENTS_TOLD}) group by month having sum(wanted) != 0
            union all
            select toYYYYMM(start) as month from (select toStartOfHour(created_at) as start from events group by start)
        )
        where month >= {{kept_month:UInt32}}
        order by month
        """
    )
    return [int(month) for (month,) in rows]


def _unequal_events(scope: Scope, months: Sequence[int] | None, only: str = "1") -> list[Sequence[Any]]:
    """Month by month, so that none needs much memory; all at once if none are said."""
    found: list[Sequence[Any]] = []
    for condition in ["month >= {kept_month:UInt32}"] if months is None else [f"month = {month}" for month in months]:
        found += _unequal_messages(
            scope,
            expected=f"select * from ({_EVENTS_TOLD}) where {condition} and {only}",
            actual=f"""
                select raw_epoch, raw_partition, raw_offset, toYYYYMM(created_at) as month, count() as rows,
                    uniqExact(raw_line, name, event_id) as different
                from events
                where {condition} and {only}
                group by raw_epoch, raw_partition, raw_offset, month
            """,
        )
    return found


def replay_chunks(scope: Scope) -> list[Finding]:
    """Per raw message: as many different pieces of recordings as the ledger says, and none twice; those of the last 30
    days, as older ones are dropped.
    """
    kept = "toDate(stamp) > today() - 30"
    return _by_message(
        scope,
        "replay_chunks",
        expected=f"""
            select raw_epoch, raw_partition, from_offset as raw_offset, 0 as month, toInt64(counted) as wanted
            from ledger array join row_tables as named, row_counts as counted
            where named = 'replay_chunks' and {kept}
        """,
        actual=f"""
            select raw_epoch, raw_partition, raw_offset, 0 as month, count() as rows, uniqExact(raw_line) as different
            from replay_chunks
            where {kept}
            group by raw_epoch, raw_partition, raw_offset
        """,
    )


def dead_letters(scope: Scope) -> list[Finding]:
    """Per raw message: as many dead letters as the ledger says."""
    return _by_message(
        scope,
        "dead_letters",
        expected="""
            select raw_epoch, raw_partition, from_offset as raw_offset, 0 as month, toInt64(dead) as wanted
            from ledger
            where dead > 0
            union all
            select raw_epoch, raw_partition, from_offset as raw_offset, 0 as month, toInt64(counted) as wanted
            from ledger array join row_tables as named, row_counts as counted
            where kind = 'erasure' and named = 'dead_letters'
        """,
        actual="""
            select epoch as raw_epoch, partition as raw_partition, offset as raw_offset, 0 as month,
                count() as rows, uniqExact(line) as different
            from dead_letters
            where topic = {raw_topic:String}
            group by raw_epoch, raw_partition, raw_offset
        """,
    )


def _by_message(scope: Scope, table: str, *, expected: str, actual: str) -> list[Finding]:
    only = "" if scope.starts is None else f"where {scope.begun}"
    return _findings(
        table,
        _unequal_messages(
            scope, expected=f"select * from ({expected}) {only}", actual=f"select * from ({actual}) {only}"
        ),
    )


def _unequal_messages(scope: Scope, *, expected: str, actual: str) -> Sequence[Sequence[Any]]:
    return scope.rows(
        f"""
        select raw_epoch, raw_partition, raw_offset, month, sum(wanted) as told, sum(rows) as found,
            sum(different) as apart
        from
        (
            select raw_epoch, raw_partition, raw_offset, month, wanted, 0 as rows, 0 as different from ({expected})
            union all
            select raw_epoch, raw_partition, raw_offset, month, 0, rows, different from ({actual})
        )
        where {BELOW_ENDS}
        group by raw_epoch, raw_partition, raw_offset, month
        having told != apart or found != apart
        order by raw_epoch, raw_partition, raw_offset, month
        limit {_MOST}
        """,
        raw_topic=topics.RAW,
    )


def _findings(table: str, rows: Sequence[Sequence[Any]]) -> list[Finding]:
    findings = []
    for kind, what in _WORDS.items():
        hits = [(row, count) for row in rows if (count := _excess(kind, *row[4:]))]
        if hits:
            total = sum(count for _, count in hits)
            findings.append(
                Finding(
                    kind=kind,
                    table=table,
                    count=total,
                    summary=f"{total} {what}, from {len(hits)} raw messages.",
                    examples=tuple(
                        f"{_raw(*row[:3])}{f', month {row[3]}' if row[3] else ''}: "
                        f"the ledger says {row[4]}, the table has {row[5]} ({row[6]} different)"
                        for row, _ in hits[:EXAMPLES]
                    ),
                )
            )
    return findings


_WORDS = {
    Kind.MISSING: "rows are missing",
    Kind.DOUBLED: "rows are there more than once",
    Kind.UNEXPECTED: "rows are told of by no ledger row",
}


def _excess(kind: Kind, told: int, found: int, apart: int) -> int:
    """How many rows of a message are wrong in this way: ``told`` by the ledger, ``found``, ``apart`` different ones."""
    if kind is Kind.MISSING:
        return max(told - apart, 0)
    return found - apart if kind is Kind.DOUBLED else max(apart - told, 0)


def _raw(epoch: int, partition: int, offset: int) -> str:
    return f"raw {partition}/{offset} (epoch {epoch})"
