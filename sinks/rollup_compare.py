"""Rollups against their tables, piece by piece (hours or days): which rows differ, and by what.

What retention took from the table is never compared: its rollups are meant to outlive it.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.errors import RebuildError
from sinks.retained import Retained, read_retained
from sinks.rollup_pieces import months_of, read_signatures, source_filter, within
from sinks.rollups import Rollup
from sinks.sql_text import identifier, literal

_LOOKS = 3
_EXAMPLES = 100
_HALF_HOUR = "half_hour"
_SETTINGS = {"max_bytes_before_external_group_by": 1_000_000_000, "max_bytes_before_external_sort": 1_000_000_000}


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


Look = tuple[int, int]
"""Of a piece: how many rows differ, and by what, in a few digits."""


def _look(client: Client, rollup: Rollup, pieces: Iterable[datetime] | None) -> dict[datetime, Look]:
    """The pieces that differ at this moment; month by month, so that none needs much memory."""
    kept = read_retained(client)
    if pieces is None:
        pieces = set(read_signatures(client, rollup)) | own_pieces(client, rollup)
    found: dict[datetime, Look] = {}
    keys = ", ".join(rollup.keys)
    deltas = ", ".join(f"ts{at} - rs{at}" for at in range(len(rollup.measures)))
    for some in months_of(piece for piece in pieces if piece >= kept.everywhere).values():
        sql = f"""
            select toUnixTimestamp(toDateTime({rollup.hour}, 'UTC')) as piece, count(),
                sum(cityHash64({keys}, {deltas}))
            from ({_unequal(client, rollup, some, kept)}) group by piece
        """
        for piece, rows, digest in client.query(sql, settings=narrowed(client, rollup, some)).result_rows:
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
        rows: Sequence[Sequence[Any]] = client.query(sql, settings=narrowed(client, rollup, some)).result_rows
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
            from (select {rollup.hour}, {keys}, {values} from ({view_query(client, rollup)}) where {compared})
            union all
            select {rollup.hour}, {keys}, {none["t"]}, {mine["r"]}
            from (select {rollup.hour}, {keys}, {values} from {identifier(rollup.table)} final where {compared})
        )
        group by {rollup.hour}, {keys}
        having {unequal}
    """


def own_pieces(
    client: Client, rollup: Rollup, since: datetime | None = None, until: datetime | None = None
) -> set[datetime]:
    """The pieces that the rollup has rows of."""
    rows = client.query(
        f"select distinct toUnixTimestamp(toDateTime({rollup.hour}, 'UTC')) from {identifier(rollup.table)}"
    ).result_rows
    found = {datetime.fromtimestamp(piece, UTC) for (piece,) in rows}
    return {piece for piece in found if (since is None or piece >= since) and (until is None or piece < until)}


def narrowed(client: Client, rollup: Rollup, pieces: Sequence[datetime]) -> dict[str, Any]:
    """Settings by which no more is read of the table, and of a rollup that is sorted by half hours, than these pieces
    need.
    """
    filters = {rollup.source: source_filter(rollup, pieces)}
    if _HALF_HOUR in view_columns(client, rollup):
        filters[rollup.table] = within(rollup, _HALF_HOUR, pieces)
    told = ", ".join(f"{literal(f'{client.database}.{table}')}: {literal(each)}" for table, each in filters.items())
    return {**_SETTINGS, "additional_table_filters": f"{{{told}}}"}


def view_query(client: Client, rollup: Rollup) -> str:
    """What fills the rollup, as the view itself says, so that the two cannot drift apart."""
    rows = client.query(
        "select as_select from system.tables where database = currentDatabase() and name = {view:String}",
        {"view": rollup.view},
    ).result_rows
    if not rows:
        raise RebuildError(f"The view {rollup.view} does not exist: run weir migrate.")
    return str(rows[0][0])


def view_columns(client: Client, rollup: Rollup) -> list[str]:
    """The columns that the view gives, in order."""
    rows = client.query(
        "select name from system.columns where database = currentDatabase() and table = {view:String} "
        "order by position",
        {"view": rollup.view},
    ).result_rows
    return [str(name) for (name,) in rows]
