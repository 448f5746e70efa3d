"""Rollups against their tables: compare by the hour, and make the differing hours anew.

A table and its rollups are written one after the other, so a process that dies in between leaves a rollup short
(the message comes again, but the table drops it, and so nothing reaches the rollup). This is the repair.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import attach
from sinks.errors import RebuildError
from sinks.rollups import Rollup
from sinks.settings import SinkSettings
from sinks.sql_text import identifier

_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """A row of a rollup that is not what its table comes to. Measures are in the order of the rollup's."""

    rollup: str
    hour: datetime
    key: tuple[str, ...]
    table_says: tuple[int, ...]
    rollup_says: tuple[int, ...]

    def __str__(self) -> str:
        return (
            f"{self.rollup} {self.hour:%Y-%m-%d %H:%M} {' '.join(self.key).strip()}: "
            f"the table comes to {self.table_says}, the rollup says {self.rollup_says}"
        )


def compare(client: Client, rollup: Rollup, *, settle_seconds: float = 1.0) -> list[Difference]:
    """The rows that differ, by hour. An hour that is being written differs for a moment, so what differs is looked
    at again, and stays only if it differs by the same amounts each time.
    """
    found = _differences(client, rollup)
    for _ in range(_LOOKS - 1):
        if not found:
            break
        time.sleep(settle_seconds)
        before = {(row.hour, row.key): _deltas(row) for row in found}
        found = [row for row in _differences(client, rollup) if before.get((row.hour, row.key)) == _deltas(row)]
    return found


def repair(
    client: Client,
    settings: SinkSettings,
    rollup: Rollup,
    progress: Callable[[str], None] | None = None,
) -> list[Difference]:
    """Make the differing hours anew, and return what differed. Safe to repeat; readers see each month change at once.

    New rows wait in Kafka meanwhile. A process that dies in here leaves the pipe off until ``migrate`` runs again or
    ClickHouse starts again.

    :raises RebuildError: a statement failed, or something differs afterwards.
    """
    if not _differences(client, rollup):
        return []
    try:
        with taken_off(client, settings, rollup.pipe):
            found = _differences(client, rollup)
            for month in sorted({int(f"{row.hour:%Y%m}") for row in found}):
                hours = sorted({row.hour for row in found if int(f"{row.hour:%Y%m}") == month})
                _make_anew(client, rollup, month, hours)
                if progress is not None:
                    progress(f"{rollup.table}: {len(hours)} hours of {month} made anew")
            if left := _differences(client, rollup):
                raise RebuildError(f"{rollup.table} differs from its table after its repair: {left[0]}.")
    except ClickHouseError as error:
        raise RebuildError(
            f"{rollup.table} could not be repaired ({error}): run weir migrate, then try again."
        ) from error
    return found


def remake(client: Client, settings: SinkSettings, rollup: Rollup, hours: Iterable[datetime]) -> None:
    """Make these hours anew, whether they differ or not: rows of theirs went. Safe to repeat.

    :raises RebuildError: a statement failed.
    """
    by_month: dict[int, list[datetime]] = {}
    for hour in sorted(set(hours)):
        by_month.setdefault(int(f"{hour:%Y%m}"), []).append(hour)
    if not by_month:
        return
    try:
        with taken_off(client, settings, rollup.pipe):
            for month, touched in by_month.items():
                _make_anew(client, rollup, month, touched)
    except ClickHouseError as error:
        raise RebuildError(f"{rollup.table} could not be made anew ({error}): try again.") from error


@contextmanager
def taken_off(client: Client, settings: SinkSettings, table: str) -> Iterator[None]:
    """No row comes in from Kafka within the block; one that was on its way has arrived."""
    name = identifier(table)
    cluster = f" on cluster {identifier(settings.clickhouse_cluster)}" if settings.clickhouse_cluster else ""
    client.command(f"detach table if exists {name}{cluster}")
    try:
        yield
    finally:
        attach(client, f"{name}{cluster}")


def _make_anew(client: Client, rollup: Rollup, month: int, hours: Sequence[datetime]) -> None:
    """Build the month beside the rollup, and put it in the place of the old one in one step."""
    table, beside = identifier(rollup.table), identifier(f"{rollup.table}_beside")
    parameters = {"month": month, "hours": list(hours)}
    client.command(f"drop table if exists {beside}")
    client.command(f"create table {beside} as {table}")
    client.command(
        f"insert into {beside} select * from {table} "
        f"where toYYYYMM({rollup.hour}) = {{month:UInt32}} and {rollup.hour} not in {{hours:Array(DateTime('UTC'))}}",
        parameters,
    )
    client.command(
        f"insert into {beside} select * from ({_view_query(client, rollup)}) "
        f"where {rollup.hour} in {{hours:Array(DateTime('UTC'))}}",
        parameters,
    )
    client.command(f"alter table {table} replace partition {{month:UInt32}} from {beside}", parameters)
    client.command(f"drop table {beside}")


def _differences(client: Client, rollup: Rollup) -> list[Difference]:
    keys = ", ".join(rollup.keys)
    measures = [f"toInt64({measure})" for measure in rollup.measures]
    zeros = ", ".join("0" for _ in measures)
    values = ", ".join(f"{measure} as m{at}" for at, measure in enumerate(measures))
    both = ", ".join(f"sum({side}{at}) as {side}s{at}" for side in "tr" for at in range(len(measures)))
    unequal = " or ".join(f"ts{at} != rs{at}" for at in range(len(measures)))
    names = ", ".join(f"m{at}" for at in range(len(measures)))
    sql = f"""
        select {rollup.hour}, {keys}, {both}
        from
        (
            select {rollup.hour}, {keys}, {_named(names, "t")}, {_zeroes(zeros, "r")}
            from (select {rollup.hour}, {keys}, {values} from ({_view_query(client, rollup)}))
            union all
            select {rollup.hour}, {keys}, {_zeroes(zeros, "t")}, {_named(names, "r")}
            from (select {rollup.hour}, {keys}, {values} from {identifier(rollup.table)} final)
        )
        group by {rollup.hour}, {keys}
        having {unequal}
        order by {rollup.hour}, {keys}
    """
    rows: Sequence[Sequence[Any]] = client.query(sql).result_rows
    first, width = 1 + len(rollup.keys), len(measures)
    return [
        Difference(
            rollup=rollup.table,
            hour=row[0] if row[0].tzinfo else row[0].replace(tzinfo=UTC),
            key=tuple(str(part) for part in row[1:first]),
            table_says=tuple(row[first : first + width]),
            rollup_says=tuple(row[first + width :]),
        )
        for row in rows
    ]


def _named(names: str, side: str) -> str:
    return ", ".join(f"{name} as {side}{at}" for at, name in enumerate(names.split(", ")))


def _zeroes(zeros: str, side: str) -> str:
    return ", ".join(f"toInt64({zero}) as {side}{at}" for at, zero in enumerate(zeros.split(", ")))


def _view_query(client: Client, rollup: Rollup) -> str:
    """What fills the rollup, as the view itself says, so that the two cannot drift apart."""
    rows = client.query(
        "select as_select from system.tables where database = currentDatabase() and name = {view:String}",
        {"view": rollup.view},
    ).result_rows
    if not rows:
        raise RebuildError(f"The view {rollup.view} does not exist: run weir migrate.")
    return str(rows[0][0])


def _deltas(row: Difference) -> tuple[int, ...]:
    return tuple(told - said for told, said in zip(row.table_says, row.rollup_says, strict=True))
