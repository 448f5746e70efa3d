"""The auditor: an audit, a look at the rollups, and retention, again and again.

What a round costs grows with what came in since the one before: events are compared by message only from where the
last clean audit ended, all older ones in sums that the ledger and a projection tell, and rollups only in hours whose
rows have changed, once these are quiet; after ClickHouse has died or a view has failed, at once. Once a day everything
is compared by message, and what was not looked at for a week is looked at again.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks import retention
from sinks.audit import audit, damaged_tables, rollup_finding
from sinks.audit_report import AuditReport, Finding
from sinks.auditor_daily import fold_days
from sinks.auditor_metrics import AuditorMetrics
from sinks.client import connect
from sinks.disturbances import last_disturbance
from sinks.errors import DeletionError, RebuildError, SinkError
from sinks.kafka_log import KafkaLog
from sinks.property_values import prune_values
from sinks.rebuild import repair
from sinks.retained import read_retained
from sinks.rollup_compare import compare
from sinks.rollup_pieces import NOTHING, Signatures, read_checked, read_signatures, write_checked
from sinks.rollups import ROLLUPS, Rollup
from sinks.settings import AuditorSettings, SinkSettings
from sinks.shadow.lock import locked
from sinks.shadow.plan import ReprocessError

_Table = tuple[str, str, str]
"""A table, the column that says when its rows are of, and how long the pieces are."""


@dataclass(frozen=True, slots=True)
class _Seen:
    at: float
    signatures: Signatures


@dataclass(slots=True)
class _Round:
    """What one round finds besides the audit's own findings."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Auditor:
    """One per installation; a second one does no harm, and the work twice. Its reports are rows of ``audits``."""

    def __init__(
        self,
        settings: SinkSettings,
        options: AuditorSettings,
        metrics: AuditorMetrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._options = options
        self._metrics = metrics
        self._now = now
        self._seen: dict[_Table, _Seen] = {}
        self._retained_on: date | None = None

    def round(self) -> AuditReport:
        """Retention, if its day has come; an audit; rollups; days to be folded. The report is stored. Safe to repeat
        and to break off.

        :raises SinkError: Kafka or ClickHouse does not answer, or refuses.
        """
        found = _Round()
        try:
            with closing(connect(self._settings)) as client:
                client.database = self._settings.clickhouse_database
                self._retain(client, found)
                since = self._since(client)
                report = audit(
                    self._settings,
                    patience_seconds=self._options.patience_seconds,
                    since=None if since is None else since.reached,
                    rollups=False,
                )
                damaged = damaged_tables(report.findings)
                looks, disturbed = self._looks(client), last_disturbance(client, self._settings)
                for rollup in ROLLUPS:
                    before, now = looks[_table(rollup)]
                    pieces = self._due(client, rollup, before, now, disturbed)
                    self._look_at(client, rollup, pieces, now, found, is_damaged=rollup.source in damaged)
                fold_days(
                    client,
                    self._settings,
                    self._options,
                    self._metrics,
                    self._now(),
                    found.notes.append,
                    complete=since is None,
                )
                report = report.model_copy(
                    update={
                        "findings": (*report.findings, *found.findings),
                        "notes": (*report.notes, *found.notes),
                    }
                )
                write_report(client, report)
        except ClickHouseError as error:
            raise SinkError(f"ClickHouse refused a statement of the auditor: {error}.") from error
        self._metrics.audited(report)
        return report

    def _since(self, client: Client) -> AuditReport | None:
        """The last clean report, from which this audit goes on; None when everything is to be compared."""
        complete = client.query("select max(started_at) from audits where complete = 1").result_rows[0][0]
        last = read_reports(client, only_clean=True)
        earliest = self._now() - timedelta(hours=self._options.complete_hours)
        return last[0] if last and complete.replace(tzinfo=UTC) >= earliest else None

    def _retain(self, client: Client, found: _Round) -> None:
        """Once a day, and to complete what broke off."""
        today = self._now().date()
        if self._retained_on == today or not self._options.retention:
            return
        try:
            with locked(client, self._settings):
                retention.complete(client, self._settings, found.notes.append)
                days = KafkaLog(self._settings.kafka_bootstrap).retention_days()
                due = retention.find_due(client, days, self._now())
                retention.apply(client, self._settings, due, found.notes.append)
                prune_values(client, self._settings, self._now())
        except (ReprocessError, retention.RetentionError, DeletionError) as error:
            found.notes.append(f"Retention waits for the next round ({error})")
            return
        self._metrics.retained({each.source.table: each.rows for each in due})
        self._retained_on = today

    def _look_at(
        self,
        client: Client,
        rollup: Rollup,
        pieces: list[datetime],
        now: Signatures,
        found: _Round,
        *,
        is_damaged: bool,
    ) -> None:
        """Compare these pieces, and mend what differs; not if the table ``is_damaged``: the rollup may have more."""
        if not pieces:
            return
        differing = compare(client, rollup, pieces)
        self._metrics.compared(rollup.table, sum(now.get(piece, NOTHING).rows for piece in pieces))
        equal = set(pieces).difference(differing.pieces)
        if differing and is_damaged:
            finding = rollup_finding(rollup, differing, is_damaged=True)
            found.findings += [finding] if finding else []
        elif differing:
            try:
                with locked(client, self._settings):
                    repair(client, self._settings, rollup, differing.pieces)
            except (ReprocessError, RebuildError) as error:
                finding = rollup_finding(rollup, differing)
                found.findings += [finding] if finding else []
                found.notes.append(f"{rollup.table} waits for its repair ({error})")
            else:
                # What they are equal to is what they were made of, which may be more than was seen above.
                self._metrics.repaired(rollup.table, len(differing.pieces))
                found.notes.append(
                    f"{rollup.table}: {differing.rows} rows in {len(differing.pieces)} {rollup.grain}s were not what "
                    f"the table comes to, and were made anew; for example {differing.examples[0]}"
                )
        write_checked(client, rollup, {piece: now.get(piece, NOTHING).digest for piece in equal})

    def _looks(self, client: Client) -> dict[_Table, tuple[Signatures | None, Signatures]]:
        """Per table that rollups are made of: its signatures of a quiet time ago, if they were seen, and of now."""
        looks: dict[_Table, tuple[Signatures | None, Signatures]] = {}
        for rollup in ROLLUPS:
            name = _table(rollup)
            if name in looks:
                continue
            seen, now = self._seen.get(name), _Seen(time.monotonic(), read_signatures(client, rollup))
            is_old = seen is not None and now.at - seen.at >= self._options.quiet_seconds
            looks[name] = (seen.signatures if seen is not None and is_old else None, now.signatures)
            if seen is None or is_old:
                self._seen[name] = now
        return looks

    def _due(
        self, client: Client, rollup: Rollup, before: Signatures | None, now: Signatures, disturbed: datetime
    ) -> list[datetime]:
        """The pieces that have changed since they were found equal, newest first, as many as a round may compare:
        those that are quiet, and those that were open when ClickHouse was ``disturbed``, which may never be quiet.
        """
        quiet = now if self._options.quiet_seconds == 0 else before
        checked = read_checked(client, rollup)
        everywhere = read_retained(client).everywhere
        long_ago = self._now() - timedelta(days=self._options.sweep_days)
        due = []
        for piece in now.keys() | checked.keys():
            digest = now.get(piece, NOTHING).digest
            known = checked.get(piece)
            settled = known is not None and known.digest == digest and known.at >= long_ago
            is_quiet = quiet is not None and quiet.get(piece, NOTHING).digest == digest
            is_shaken = piece <= disturbed and (known is None or known.at <= disturbed)
            if piece >= everywhere and not settled and (is_quiet or is_shaken):
                due.append(piece)
        due.sort(reverse=True)
        rows = 0
        chosen: list[datetime] = []
        for piece in due:
            rows += now.get(piece, NOTHING).rows
            if chosen and rows > self._options.rows_per_round:
                break
            chosen.append(piece)
        return chosen


def _table(rollup: Rollup) -> _Table:
    return rollup.source, rollup.time, rollup.grain


def write_report(client: Client, report: AuditReport) -> None:
    """Keep a report where others see it."""
    client.insert(
        "audits",
        [
            [
                report.started_at,
                report.seconds,
                report.complete,
                report.clean,
                len(report.findings),
                report.model_dump_json(),
            ]
        ],
        column_names=["started_at", "seconds", "complete", "clean", "findings", "report"],
    )


def read_reports(client: Client, *, only_clean: bool = False, limit: int = 1) -> list[AuditReport]:
    """The newest reports, newest first."""
    rows = client.query(
        f"select report from audits {'where clean = 1' if only_clean else ''} order by started_at desc limit {limit}"
    ).result_rows
    return [AuditReport.model_validate_json(text) for (text,) in rows]


def last_clean(settings: SinkSettings) -> AuditReport | None:
    """The last report of an audit that was clean; None when there was none.

    :raises SinkError: ClickHouse does not answer.
    """
    try:
        with closing(connect(settings)) as client:
            client.database = settings.clickhouse_database
            return next(iter(read_reports(client, only_clean=True)), None)
    except ClickHouseError as error:
        raise SinkError(f"ClickHouse does not tell of earlier audits ({error}): run weir migrate.") from error
