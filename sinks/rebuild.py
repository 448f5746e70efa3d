"""Pieces of rollups (hours or days) made anew out of their tables.

A table and its rollups are written one after the other, so a process that dies in between leaves a rollup short
(the message comes again, but the table drops it, and so nothing reaches the rollup). This is the repair.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import uuid4

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import attach
from sinks.daily_manifest import forget
from sinks.errors import RebuildError
from sinks.rendering import on_cluster
from sinks.retained import Retained, read_retained
from sinks.rollup_compare import Differing, compare, narrowed, own_pieces, view_columns, view_query
from sinks.rollup_pieces import months_of, piece_of, read_signatures, within
from sinks.rollups import FOLDED, Rollup
from sinks.settings import SinkSettings
from sinks.sql_text import identifier

_KINDS = ("fresh", "beside")
"""The tables that new rows are made in, and those of months that are to be exchanged."""

Progress = Callable[[str], None]


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
        pieces |= own_pieces(client, rollup, piece_of(rollup, since), until)
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
    names = ", ".join(identifier(name) for name in view_columns(client, rollup))
    client.command(
        f"insert into {identifier(table)} ({names}) select {names} from ({view_query(client, rollup)}) "
        f"where ({within(rollup, rollup.hour, pieces)}) and {kept.condition(rollup.hour)}",
        settings=narrowed(client, rollup, pieces),
    )


def _failed(rollup: Rollup, error: ClickHouseError) -> RebuildError:
    return RebuildError(f"{rollup.table} could not be made anew ({error}): run weir migrate, then try again.")


def _quietly(_: str) -> None:
    pass
