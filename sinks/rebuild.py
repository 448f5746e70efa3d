"""Rollups against their tables: compare piece by piece (hours or days), and make the differing ones anew.

A table and its rollups are written one after the other, so a process that dies in between leaves a rollup short
(the message comes again, but the table drops it, and so nothing reaches the rollup). This is the repair. What retention
took from the table is never compared: its rollups are meant to outlive it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import attach
from sinks.daily_manifest import forget
from sinks.errors import RebuildError
from sinks.rendering import on_cluster
from sinks.retained import Retained, read_retained
from sinks.rollup_pieces import months_of, piece_of, read_signatures, source_filter, within
from sinks.rollups import FOLDED, Rollup
from sinks.settings import SinkSettings
from sinks.sql_text import identifier, literal

_LOOKS = 3
_EXAMPLES = 100
_HALF_HOUR = "half_hour"
_KINDS = ("fresh", "beside")
"""The tables that new rows are made in, and those of months that are to be exchanged."""
_SETTINGS = {"max_bytes_before_external_group_by": 1_000_000_000, "max_bytes_before_external_sort": 1_000_000_000}

Progress = Callable[[str], None]


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


@dataclass(frozen=True, slots=True)
class Differing:
    """What differs in a rollup: how many rows of each piece, and some of them."""

    pieces: Mapping[datetime, int]
    examples: tuple[Difference, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows differ."""
        return sum(self.pieces.values())

    def __bool__(self) -> bool:
        return bool(self.pieces)


def compare(
    client: Client, rollup: Rollup, pieces: Iterable[datetime] | None = None, *, settle_seconds: float = 1.0
) -> Differing:
    """What differs in these pieces, or anywhere. A piece that is being written differs for a moment, so what differs is
    looked at again, and stays only if it differs by the same amounts each time.
    """
    found = _look(client, rollup, pieces)
    for _ in range(_LOOKS - 1):
        if not found:
            return Differing({})
        time.sleep(settle_seconds)
        again = _look(client, rollup, found)
        found = {piece: looked for piece, looked in again.items() if found.get(piece) == looked}
    return Differing({piece: looked[0] for piece, looked in found.items()}, tuple(_examples(client, rollup, found)))


def repair(
    client: Client,
    settings: SinkSettings,
    rollup: Rollup,
    pieces: Iterable[datetime] | None = None,
    progress: Progress | None = None,
) -> Differing:
    """Make the differing pieces anew, and return what differed. Safe to repeat; readers see each month change at once.

    New rows wait in Kafka for the moment in which a month is exchanged. A process that dies in here leaves the pipe off
    until ``migrate`` runs again or ClickHouse starts again. Nobody else may change the past meanwhile.

    :raises RebuildError: a statement failed, or something differs afterwards.
    """
    if not (found := compare(client, rollup, pieces, settle_seconds=0)):
        return found
    remake(client, settings, rollup, found.pieces, progress)
    if left := compare(client, rollup, found.pieces):
        raise RebuildError(f"{rollup.table} differs from its table after its repair: {left.examples[0]}.")
    return found


def rebuild(
    client: Client,
    settings: SinkSettings,
    rollup: Rollup,
    since: datetime,
    until: datetime,
    progress: Progress | None = None,
) -> int:
    """Make all pieces in [``since``, ``until``) anew, equal or not, but those that retention has taken; how many.

    What holds for ``repair`` holds here.

    :raises RebuildError: a statement failed.
    """
    try:
        pieces = set(read_signatures(client, rollup, piece_of(rollup, since), until))
        pieces |= _own_pieces(client, rollup, piece_of(rollup, since), until)
        kept = read_retained(client)
    except ClickHouseError as error:
        raise _failed(rollup, error) from error
    wanted = [piece for piece in pieces if piece >= kept.everywhere]
    remake(client, settings, rollup, wanted, progress)
    return len(wanted)


def left_alone(client: Client, since: datetime) -> list[str]:
    """Which part of the time since ``since`` a ``rebuild`` leaves alone, because retention took rows of it: in words,
    by project.

    :raises ClickHouseError: ClickHouse refuses.
    """
    kept = read_retained(client)
    found = {project: kept.kept_from(project) for project in sorted(kept.projects)}
    if kept.everywhere > since:
        return [f"all before {kept.everywhere:%Y-%m-%d}", *(_before(found, kept.everywhere))]
    return list(_before(found, since))


def _before(found: Mapping[str, datetime], since: datetime) -> Iterator[str]:
    return (f"{project} before {moment:%Y-%m-%d}" for project, moment in found.items() if moment > since)


def remake(
    client: Client,
    settings: SinkSettings,
    rollup: Rollup,
    hours: Iterable[datetime],
    progress: Progress | None = None,
) -> None:
    """Make the pieces that these hours are of anew, whether they differ or not. Safe to repeat.

    :raises RebuildError: a statement failed.
    """
    try:
        kept = read_retained(client)
        for month, pieces in months_of(piece_of(rollup, hour) for hour in hours).items():
            _make_anew(client, settings, rollup, month, pieces, kept, progress or _quietly)
    except ClickHouseError as error:
        raise _failed(rollup, error) from error


@contextmanager
def taken_off(client: Client, settings: SinkSettings, table: str) -> Iterator[None]:
    """No row comes in from Kafka within the block; one that was on its way has arrived."""
    name = identifier(table)
    client.command(f"detach table if exists {name}{on_cluster(settings)}")
    try:
        yield
    finally:
        # Not laid at all, or put on by another meanwhile: then there is nothing to attach.
        if client.query(
            "select count() from system.detached_tables where database = currentDatabase() and table = {table:String}",
            {"table": table},
        ).result_rows[0][0]:
            attach(client, f"{name}{on_cluster(settings)}")


def _make_anew(
    client: Client,
    settings: SinkSettings,
    rollup: Rollup,
    month: int,
    pieces: Sequence[datetime],
    kept: Retained,
    tell: Progress,
) -> None:
    """Make the pieces' rows beside the rollup, which may take long; then, with the pipe taken off, those that changed
    meanwhile once more; then exchange the month. What is done without the pipe does not grow with the month.
    """
    _drop_left(client, rollup)
    # Names of their own: what a run that died had sent off last may be carried out after this one has begun.
    fresh, beside = (f"{rollup.table}_{kind}_{uuid4().hex}" for kind in _KINDS)
    before = read_signatures(client, rollup, pieces[0])
    _make_empty(client, rollup, fresh)
    for number, day in enumerate(days := sorted({piece.date() for piece in pieces}), 1):
        _fill(client, rollup, fresh, [piece for piece in pieces if piece.date() == day], kept)
        tell(f"{rollup.table}: {day} computed, {number} of {len(days)} days of {month}")
    with taken_off(client, settings, rollup.pipe):
        after = read_signatures(client, rollup, pieces[0])
        if late := [piece for piece in pieces if before.get(piece) != after.get(piece)]:
            client.command(f"delete from {identifier(fresh)} where {within(rollup, rollup.hour, late)}")
            _fill(client, rollup, fresh, late, kept)
        _make_empty(client, rollup, beside)
        for source in (rollup.table, fresh):
            client.command(
                f"alter table {identifier(beside)} attach partition {{month:UInt32}} from {identifier(source)}",
                {"month": month},
            )
            if source == rollup.table:
                client.command(
                    f"delete from {identifier(beside)} where ({within(rollup, rollup.hour, pieces)}) "
                    f"and {kept.condition(rollup.hour)}"
                )
        if rollup in FOLDED:
            # Days were folded out of what goes now, and the tables' own signatures do not tell of it.
            forget(client, ((piece, piece + timedelta(hours=1)) for piece in pieces))
        client.command(
            f"alter table {identifier(rollup.table)} replace partition {{month:UInt32}} from {identifier(beside)}",
            {"month": month},
        )
    _drop_left(client, rollup)
    tell(f"{rollup.table}: {len(pieces)} {rollup.grain}s of {month} made anew")


def _drop_left(client: Client, rollup: Rollup) -> None:
    """Away with the tables that runs have made, this one or some that died."""
    rows = client.query(
        "select name from system.tables where database = currentDatabase() and match(name, {pattern:String})",
        {"pattern": f"^{rollup.table}_({'|'.join(_KINDS)})(_[0-9a-f]{{32}})?$"},
    ).result_rows
    for (table,) in rows:
        client.command(f"drop table if exists {identifier(str(table))}")


def _make_empty(client: Client, rollup: Rollup, table: str) -> None:
    client.command(f"create table {identifier(table)} as {identifier(rollup.table)}")


def _fill(client: Client, rollup: Rollup, table: str, pieces: Sequence[datetime], kept: Retained) -> None:
    names = ", ".join(identifier(name) for name in _view_columns(client, rollup))
    client.command(
        f"insert into {identifier(table)} ({names}) select {names} from ({_view_query(client, rollup)}) "
        f"where ({within(rollup, rollup.hour, pieces)}) and {kept.condition(rollup.hour)}",
        settings=_narrowed(client, rollup, pieces),
    )


Look = tuple[int, int]
"""Of a piece: how many rows differ, and by what, in a few digits."""


def _look(client: Client, rollup: Rollup, pieces: Iterable[datetime] | None) -> dict[datetime, Look]:
    """The pieces that differ at this moment; month by month, so that none needs much memory."""
    kept = read_retained(client)
    if pieces is None:
        pieces = set(read_signatures(client, rollup)) | _own_pieces(client, rollup)
    found: dict[datetime, Look] = {}
    keys = ", ".join(rollup.keys)
    deltas = ", ".join(f"ts{at} - rs{at}" for at in range(len(rollup.measures)))
    for some in months_of(piece for piece in pieces if piece >= kept.everywhere).values():
        sql = f"""
            select toUnixTimestamp(toDateTime({rollup.hour}, 'UTC')) as piece, count(),
                sum(cityHash64({keys}, {deltas}))
            from ({_unequal(client, rollup, some, kept)}) group by piece
        """
        for piece, rows, digest in client.query(sql, settings=_narrowed(client, rollup, some)).result_rows:
            found[datetime.fromtimestamp(piece, UTC)] = (int(rows), int(digest))
    return found


def _examples(client: Client, rollup: Rollup, pieces: Iterable[datetime]) -> Iterator[Difference]:
    """Some rows that differ in these pieces."""
    kept = read_retained(client)
    first, width = 1 + len(rollup.keys), len(rollup.measures)
    for some in months_of(pieces).values():
        sql = (
            f"select * replace (toUnixTimestamp(toDateTime({rollup.hour}, 'UTC')) as {rollup.hour}) "
            f"from ({_unequal(client, rollup, some, kept)}) order by all limit {_EXAMPLES}"
        )
        rows: Sequence[Sequence[Any]] = client.query(sql, settings=_narrowed(client, rollup, some)).result_rows
        for row in rows:
            yield Difference(
                rollup=rollup.table,
                hour=datetime.fromtimestamp(row[0], UTC),
                key=tuple(str(part) for part in row[1:first]),
                table_says=tuple(row[first : first + width]),
                rollup_says=tuple(row[first + width :]),
            )


def _unequal(client: Client, rollup: Rollup, pieces: Sequence[datetime], kept: Retained) -> str:
    """The rows that differ in these pieces: hour, keys, what the table comes to, what the rollup says."""
    keys = ", ".join(rollup.keys)
    at = range(len(rollup.measures))
    values = ", ".join(f"toInt64({measure}) as m{number}" for number, measure in enumerate(rollup.measures))
    mine = {side: ", ".join(f"m{number} as {side}{number}" for number in at) for side in "tr"}
    none = {side: ", ".join(f"toInt64(0) as {side}{number}" for number in at) for side in "tr"}
    sums = ", ".join(f"sum({side}{number}) as {side}s{number}" for side in "tr" for number in at)
    unequal = " or ".join(f"ts{number} != rs{number}" for number in at)
    compared = f"({within(rollup, rollup.hour, pieces)}) and {kept.condition(rollup.hour)}"
    return f"""
        select {rollup.hour}, {keys}, {sums}
        from
        (
            select {rollup.hour}, {keys}, {mine["t"]}, {none["r"]}
            from (select {rollup.hour}, {keys}, {values} from ({_view_query(client, rollup)}) where {compared})
            union all
            select {rollup.hour}, {keys}, {none["t"]}, {mine["r"]}
            from (select {rollup.hour}, {keys}, {values} from {identifier(rollup.table)} final where {compared})
        )
        group by {rollup.hour}, {keys}
        having {unequal}
    """


def _own_pieces(
    client: Client, rollup: Rollup, since: datetime | None = None, until: datetime | None = None
) -> set[datetime]:
    """The pieces that the rollup has rows of."""
    rows = client.query(
        f"select distinct toUnixTimestamp(toDateTime({rollup.hour}, 'UTC')) from {identifier(rollup.table)}"
    ).result_rows
    found = {datetime.fromtimestamp(piece, UTC) for (piece,) in rows}
    return {piece for piece in found if (since is None or piece >= since) and (until is None or piece < until)}


def _narrowed(client: Client, rollup: Rollup, pieces: Sequence[datetime]) -> dict[str, Any]:
    """Settings by which no more is read of the table, and of a rollup that is sorted by half hours, than these pieces
    need.
    """
    filters = {rollup.source: source_filter(rollup, pieces)}
    if _HALF_HOUR in _view_columns(client, rollup):
        filters[rollup.table] = within(rollup, _HALF_HOUR, pieces)
    told = ", ".join(f"{literal(f'{client.database}.{table}')}: {literal(each)}" for table, each in filters.items())
    return {**_SETTINGS, "additional_table_filters": f"{{{told}}}"}


def _view_query(client: Client, rollup: Rollup) -> str:
    """What fills the rollup, as the view itself says, so that the two cannot drift apart."""
    rows = client.query(
        "select as_select from system.tables where database = currentDatabase() and name = {view:String}",
        {"view": rollup.view},
    ).result_rows
    if not rows:
        raise RebuildError(f"The view {rollup.view} does not exist: run weir migrate.")
    return str(rows[0][0])


def _view_columns(client: Client, rollup: Rollup) -> list[str]:
    rows = client.query(
        "select name from system.columns where database = currentDatabase() and table = {view:String} "
        "order by position",
        {"view": rollup.view},
    ).result_rows
    return [str(name) for (name,) in rows]


def _failed(rollup: Rollup, error: ClickHouseError) -> RebuildError:
    return RebuildError(f"{rollup.table} could not be made anew ({error}): run weir migrate, then try again.")


def _quietly(_: str) -> None:
    pass
