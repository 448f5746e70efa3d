"""What an audit found, for programs and for people."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Kind(StrEnum):
    """What can be wrong."""

    LEDGER_BEHIND = "ledger_behind"
    """Raw messages the worker has not processed, though the audit waited."""
    STORE_BEHIND = "store_behind"
    """Messages ClickHouse has not read, though the audit waited."""
    LOG_CUT = "log_cut"
    """The raw log ends before what was processed of it: it was damaged, and new messages may bear used offsets."""
    LEDGER_GAP = "ledger_gap"
    LEDGER_OVERLAP = "ledger_overlap"
    LEDGER_SUM = "ledger_sum"
    """A ledger row whose parts do not add up to its lines."""
    MISSING = "missing"
    DOUBLED = "doubled"
    UNEXPECTED = "unexpected"
    """Rows no ledger row tells of."""
    SESSION_SIGN = "session_sign"
    SESSION_EVENTS = "session_events"
    SESSION_COUNT = "session_count"
    VERSION = "version"
    """The newest version in a topic is not the newest in its table."""
    ROLLUP = "rollup"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Model):
    """One thing that is wrong: in which table, how often, in one sentence, and some examples."""

    kind: Kind
    table: str
    count: int
    summary: str
    examples: tuple[str, ...] = ()


class PartitionReach(_Model):
    """One raw partition: the log's committed offsets at the audit's start, and the ledger's."""

    partition: int
    epoch: int
    log_from: int
    log_to: int
    ledger_from: int | None
    ledger_to: int | None


class Totals(_Model):
    """Sums over the ledger, and rows in the tables."""

    raw_messages: int
    ticks: int
    holes: int
    lines: int
    stored: int
    repeated: int
    bots: int
    filtered: int
    dead: int
    operations: int
    rows: dict[str, int]
    sessions_left_out: int
    """Sessions that went on while the audit ran."""


class Reached(_Model):
    """Up to where an audit compared: per raw partition, and per partition of the topics that are read themselves. The
    next one may begin there.
    """

    epoch: int
    raw: dict[int, int]
    topics: dict[str, dict[int, int]] = {}


class AuditReport(_Model):
    """The result of one audit. ``clean`` means that every event is accounted for; ``complete`` that everything was
    compared by message, not only what came since the audit before.
    """

    started_at: datetime
    complete: bool = True
    reached: Reached = Reached(epoch=0, raw={})
    seconds: float
    waited_seconds: float
    partitions: tuple[PartitionReach, ...]
    totals: Totals
    notes: tuple[str, ...]
    """Worth knowing, and no error: what the tables' consumers complained of, what could not be compared."""
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def render(report: AuditReport) -> str:
    """The report as plain text."""
    totals = report.totals
    when = f"{report.started_at:%Y-%m-%d %H:%M:%S} UTC"
    what = "Audit" if report.complete else "Audit since the last one, and sums of all,"
    lines = [
        f"{what} of {when} ({report.seconds:.1f} s, of which {report.waited_seconds:.1f} s waiting)",
        "",
        f"  {'partition':>9}  {'epoch':>5}  {'raw log':>23}  {'ledger':>23}",
    ]
    lines += [
        f"  {part.partition:>9}  {part.epoch:>5}  {_range(part.log_from, part.log_to):>23}  "
        f"{_range(part.ledger_from, part.ledger_to):>23}"
        for part in report.partitions
    ]
    ahead = any((part.ledger_to or 0) > part.log_to for part in report.partitions)
    if ahead and all(each.kind is not Kind.LOG_CUT for each in report.findings):
        lines.append("  (the raw log as it was when the audit began; the ledger has gone on since)")
    log = f"{totals.raw_messages:,} messages ({totals.ticks:,} ticks, {totals.holes:,} holes)"
    lines += [
        "",
        f"  {totals.lines:,} lines in {log}: {totals.stored:,} stored, {totals.repeated:,} repeated,",
        f"  {totals.bots:,} bots, {totals.filtered:,} filtered, {totals.dead:,} dead, {totals.operations:,} operations",
        "  rows: " + ", ".join(f"{table} {count:,}" for table, count in sorted(totals.rows.items())),
    ]
    lines += [f"  note: {note}" for note in report.notes]
    lines.append("")
    if report.clean:
        return "\n".join([*lines, "Clean: every event is accounted for."])
    for finding in report.findings:
        lines.append(f"{finding.kind.value.upper()} ({finding.table}): {finding.summary}")
        lines += [f"    {example}" for example in finding.examples]
    number = len(report.findings)
    return "\n".join([*lines, "", f"Not clean: {number} {'finding' if number == 1 else 'findings'}."])


def _range(start: int | None, end: int | None) -> str:
    return "–" if start is None or end is None else f"{start}..{end}"
