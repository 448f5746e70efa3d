"""Retention: events and sessions that are older than their project keeps them go; rollups stay.

What is old is told by what each project keeps today. A month goes as a whole, its partition is dropped, when nobody
keeps a row of it. Of projects that keep less than the longest, or less than two months, rows are deleted day by day.
The ledger is told of all, message by message, before they go: so the audit adds up, and what comes later into a month
that was dropped counts as any other row does.

A table's progress may go with its rows. So they go while its pipe is taken off and its group has committed all that it
has read, and how far that was is written down: the ingest view lets nothing of before in again.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from clickhouse_connect.driver.client import Client
from pydantic import BaseModel, ConfigDict

from schemas import topics
from sinks.daily_manifest import forget
from sinks.deletion import delete_rows
from sinks.errors import SinkError
from sinks.kafka_log import KafkaLog
from sinks.rebuild import Progress, taken_off
from sinks.settings import SinkSettings
from sinks.sql_text import literal

LONGEST_DAYS = 400
"""How long rows are kept of a project that is not there any more; no project can keep them longer."""
EXACT_BELOW_DAYS = 62
"""Of a project that keeps its rows for so few days another month would be much."""
_COUNTING, _TAKING, _DONE, _GIVEN_UP = 1, 2, 3, 4
_WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.5
_SETTINGS = {"max_bytes_before_external_group_by": 1_000_000_000}
_MUTATION = {"mutations_sync": 2}


class RetentionError(SinkError):
    """Nothing was taken, or not all; run again, it goes on where it was."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table that retention takes rows of. ``time`` is what makes a row old, ``month`` its partition."""

    table: str
    topic: str
    time: str
    month: str
    number: str
    """How rows count in the ledger."""
    came: str
    """The column that says when a row's message came, more or less."""
    began: str
    """What says of which day a row is."""


EVENTS = Source("events", topics.EVENTS, "created_at", "toYYYYMM(created_at)", "count()", "received_at", "created_at")
# A session's rows are alike in all but their sign, so that what is taken of them always adds up.
SESSIONS = Source("sessions", topics.SESSIONS, "ended_at", "session_month", "sum(sign)", "ended_at", "started_at")
SOURCES = (EVENTS, SESSIONS)


class Plan(BaseModel):
    """What is taken of a table: ``months`` as a whole, and of ``projects`` all that is older. Unix seconds, UTC."""

    model_config = ConfigDict(frozen=True)

    projects: dict[str, int]
    months: tuple[int, ...]
    kept: dict[str, int] = {}
    """From when on each project's rows are kept; those of projects that are not there, under an empty name."""
    emptied: dict[str, int] = {}
    """Of projects that have rows in the months that go: from when on all of them are left."""
    everywhere: int = 0
    """In plans of earlier versions, which did not tell the ledger of months: what was before is not compared."""
    epoch: int = 0
    ends: tuple[int, ...] = ()
    """Per partition of its topic how far the group had committed: what came later is left alone."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be taken of a table: rows per month that is dropped, rows per project that keeps less."""

    source: Source
    plan: Plan
    months: Mapping[int, int]
    projects: Mapping[str, int]

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(self.months.values()) + sum(self.projects.values())

    def __bool__(self) -> bool:
        return bool(self.months or self.projects)


def find_due(client: Client, days: Mapping[str, int], now: datetime) -> list[Due]:
    """What is older than it is kept; reads only. ``days``: per project that is there, how many; nobody's, no rows."""
    if not days:
        return []
    stored = {
        str(project)
        for source in SOURCES
        for (project,) in _rows(client, f"select distinct project_id from {source.table}")
    }
    longest = max((days.get(project, LONGEST_DAYS) for project in stored), default=LONGEST_DAYS)
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    shorter = {
        project: int((today - timedelta(days=kept_days)).timestamp())
        for project, kept_days in sorted(days.items())
        if kept_days < max(longest, EXACT_BELOW_DAYS) and project in stored
    }
    # By the month, events and sessions of all that begins in it go together.
    others = {project: _month_before(today, kept_days) for project, kept_days in days.items()}
    kept = {**others, **shorter, "": _month_before(today, LONGEST_DAYS)}
    return [_due(client, source, kept, shorter) for source in SOURCES]


def _month_before(today: datetime, days: int) -> int:
    return int((today - timedelta(days=days)).replace(day=1).timestamp())


def _due(client: Client, source: Source, kept: Mapping[str, int], projects: Mapping[str, int]) -> Due:
    plan = Plan(projects=dict(projects), months=(), kept=dict(kept))
    found, plan = _with_months(client, source, plan)
    rows = _rows(
        client, f"select project_id, {source.number} from {source.table} where {_old(source, plan)} group by project_id"
    )
    old = {str(project): int(number) for project, number in rows}
    return Due(source, plan.model_copy(update={"projects": {name: projects[name] for name in old}}), found, old)


def _with_months(client: Client, source: Source, plan: Plan) -> tuple[dict[int, int], Plan]:
    """The months of which nobody keeps a row, with their rows; and the plan with these. A row that reaches into a later
    month is kept until that goes, too: its events are there.
    """
    rows = _rows(
        client,
        f"select {source.month} as month, project_id, {source.number}, toUnixTimestamp(toDateTime(max({source.time}))) "
        f"from {source.table} where {source.month} <= {{last:UInt32}} group by month, project_id order by month",
        last=int(f"{datetime.fromtimestamp(max(plan.kept.values()), UTC):%Y%m}"),
    )
    numbers: dict[int, int] = {}
    whose: dict[int, set[str]] = {}
    still_kept: set[int] = set()
    for month, project, number, newest in rows:
        numbers[month] = numbers.get(month, 0) + int(number)
        whose.setdefault(month, set()).add(str(project))
        if newest >= plan.kept.get(str(project), plan.kept[""]):
            still_kept.add(month)
    gone = {month: number for month, number in numbers.items() if month not in still_kept}
    ends = {project: _end_of(month) for month in sorted(gone) for project in whose[month]}
    emptied = {project: min(plan.kept.get(project, plan.kept[""]), end) for project, end in ends.items()}
    return gone, plan.model_copy(update={"months": tuple(gone), "emptied": emptied})


def _end_of(month: int) -> int:
    year, number = divmod(month, 100)
    return int(datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp())


def apply(client: Client, settings: SinkSettings, due: Sequence[Due], tell: Progress) -> None:
    """Take what is due. Complete what broke off first (`complete`). Nobody else may change the past meanwhile.

    :raises RetentionError: ClickHouse's readers do not commit what they have read.
    :raises DeletionError: rows are left that ClickHouse says are gone.
    :raises ClickHouseError: a statement failed; `complete` goes on.
    """
    log = KafkaLog(settings.kafka_bootstrap)
    for each in due:
        if each:
            _take(client, settings, log, each, tell)


def complete(client: Client, settings: SinkSettings, tell: Progress) -> None:
    """Bring to its end what broke off, or take back what it had only told the ledger. Safe to repeat."""
    rows = _rows(client, "select run, source, stage, plan from retention_runs final where stage in (1, 2) order by run")
    for run, name, stage, plan in rows:
        source = next(each for each in SOURCES if each.table == name)
        tell(f"{name}: completing what broke off")
        if stage == _COUNTING:
            client.command(
                "alter table ledger delete where kind = 'erasure' and log_topic = {account:String} "
                "and log_offset = {run:UInt64}",
                {"account": _account_name(source), "run": run},
                settings=_MUTATION,
            )
            _note(client, run, source, _GIVEN_UP, Plan.model_validate_json(plan))
            continue
        with taken_off(client, settings, f"{source.table}_queue"):
            _carry_out(client, run, source, Plan.model_validate_json(plan))


def _take(client: Client, settings: SinkSettings, log: KafkaLog, due: Due, tell: Progress) -> None:
    source, run = due.source, time.time_ns() // 1_000_000
    epoch = log.epochs().get(source.topic, 1)
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        with taken_off(client, settings, f"{source.table}_queue"):
            committed = log.committed(topics.STORE_GROUP_PREFIX + source.table, source.topic)
            if _is_past(client, source, epoch, committed):
                ends = tuple(committed.get(part, 0) for part in range(max(committed, default=-1) + 1))
                # Nothing comes in now; what came since the plan was made may be kept.
                _, plan = _with_months(client, source, due.plan)
                months = tuple(month for month in plan.months if month in due.plan.months)
                plan = plan.model_copy(update={"epoch": epoch, "ends": ends, "months": months})
                _note(client, run, source, _COUNTING, plan)
                _tell_ledger(client, run, source, plan)
                _note(client, run, source, _TAKING, plan)
                _carry_out(client, run, source, plan)
                break
        if time.monotonic() > deadline:
            raise RetentionError(f"ClickHouse does not commit what it has read of {source.topic}: see weir status.")
        time.sleep(_POLL_SECONDS)
    if due.months:
        tell(f"{source.table}: dropped {', '.join(map(str, due.months))}, {sum(due.months.values()):,} rows")
    for project, number in due.projects.items():
        tell(f"{source.table}: deleted {number:,} rows of {project}")


def _is_past(client: Client, source: Source, epoch: int, committed: Mapping[int, int]) -> bool:
    """Whether nothing that the table has can come again."""
    rows = _rows(
        client,
        f"select log_partition, max(log_offset) from {source.table} where log_topic = {{topic:String}} "
        "and log_epoch = {epoch:UInt32} group by log_partition",
        topic=source.topic,
        epoch=epoch,
    )
    return all(committed.get(int(part), 0) > int(offset) for part, offset in rows)


def _tell_ledger(client: Client, run: int, source: Source, plan: Plan) -> None:
    if not (plan.projects or plan.months):
        return
    client.command(
        f"""
        insert into ledger
            (kind, raw_epoch, raw_partition, from_offset, to_offset, stamp, row_tables, row_months, row_counts,
                log_topic, log_offset)
        select 'erasure', raw_epoch, raw_partition, raw_offset, raw_offset, max(came),
            groupArray({literal(source.table)}), groupArray(part), groupArray(-number),
            {literal(_account_name(source))}, {{run:UInt64}}
        from
        (
            select raw_epoch, raw_partition, raw_offset, toUInt32({source.month}) as part,
                toInt64({source.number}) as number, max({source.came}) as came
            from {source.table}
            where {_gone(source, plan)}
            group by raw_epoch, raw_partition, raw_offset, part
            having number != 0
        )
        group by raw_epoch, raw_partition, raw_offset
        """,
        {"run": run},
        settings=_SETTINGS,
    )


def _carry_out(client: Client, run: int, source: Source, plan: Plan) -> None:
    """What was told of goes. The pipe must be off; safe to repeat.

    :raises DeletionError: ClickHouse says that it is gone, and it is not.
    """
    passed = [[source.topic, plan.epoch, part, end - 1] for part, end in enumerate(plan.ends) if end]
    if passed:
        names = ["log_topic", "log_epoch", "log_partition", "log_offset"]
        client.insert("retention_passed", passed, column_names=names)
    marks = [*({"": plan.everywhere} if plan.everywhere else {}).items(), *plan.emptied.items(), *plan.projects.items()]
    client.insert(
        "retained",
        [[project, datetime.fromtimestamp(since, UTC), run] for project, since in marks],
        column_names=["project_id", "kept_from", "run"],
    )
    _forget_days(client, source, plan)
    for month in plan.months:
        whole = f"{source.month} = {month}"
        if _rows(client, f"select count() from {source.table} where {whole} and not ({_is_told(source, plan)})")[0][0]:
            # It broke off here before, and rows came since, which the ledger was not told of.
            delete_rows(client, source.table, f"{whole} and {_is_told(source, plan)}")
        else:
            client.command(f"alter table {source.table} drop partition {month}")
    if plan.projects:
        delete_rows(client, source.table, _old(source, plan))
    _note(client, run, source, _DONE, plan)


def _forget_days(client: Client, source: Source, plan: Plan) -> None:
    """Days of which rows go are folded anew: else one of which only a late event goes would be taken for the day that
    was folded, without it, when there was nothing left either.
    """
    hours: dict[str, list[datetime]] = {}
    for project, hour in _rows(
        client,
        f"select project_id, toUnixTimestamp(toStartOfHour({source.began})) as hour from {source.table} "
        f"where {_gone(source, plan)} group by project_id, hour",
    ):
        hours.setdefault(str(project), []).append(datetime.fromtimestamp(hour, UTC))
    for project, found in hours.items():
        forget(client, ((hour, hour + timedelta(hours=1)) for hour in found), project)


def _old(source: Source, plan: Plan) -> str:
    """The condition on rows that go one by one: those of projects that keep less, but in months that are dropped."""
    each = " or ".join(
        f"(project_id = {literal(project)} and {source.time} < toDateTime({since}, 'UTC'))"
        for project, since in plan.projects.items()
    )
    condition = f"({each or 'false'})"
    if plan.months:
        condition += f" and {source.month} not in ({', '.join(map(str, plan.months))})"
    return f"{condition} and {_is_told(source, plan)}"


def _gone(source: Source, plan: Plan) -> str:
    """The condition on all rows that go."""
    months = f" or {source.month} in ({', '.join(map(str, plan.months))})" if plan.months else ""
    return f"{_old(source, plan)}{months}"


def _is_told(source: Source, plan: Plan) -> str:
    """The condition that a row was there when the ledger was told."""
    if not plan.ends:
        return "1"
    ends = ", ".join(map(str, plan.ends))
    return (
        f"(log_topic != {literal(source.topic)} or log_epoch != {plan.epoch} "
        f"or log_offset < arrayElement([{ends}], log_partition + 1))"
    )


def _note(client: Client, run: int, source: Source, stage: int, plan: Plan) -> None:
    client.insert(
        "retention_runs",
        [[run, source.table, stage, plan.model_dump_json()]],
        column_names=["run", "source", "stage", "plan"],
    )


def _account_name(source: Source) -> str:
    """What stands in place of a topic in the ledger's rows of retention: nothing of Kafka's, so no progress."""
    return f"retention of {source.table}"


def _rows(client: Client, sql: str, **parameters: Any) -> Sequence[Sequence[Any]]:
    rows: Sequence[Sequence[Any]] = client.query(sql, parameters, settings=_SETTINGS).result_rows
    return rows
