"""The pieces of a rollup: hours, or days. Which there are, and which have to be compared.

A projection of each table says of every hour how many rows it has, and how far into the raw log they reach: its
signature. It is part of the table, so it changes with every row that comes or goes, whatever became of the views. A
piece that was found equal is written down with the signature that its table had, and looked at again when that has
changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from sinks.rollups import Rollup
from sinks.sql_text import identifier

_COUNTS = {"sessions": "sum(sign)"}
"""How the projection ``hours`` counts a table's rows; else ``count()``."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a table has in an hour or a day; ``rows`` as they count, so that a session is one."""

    digest: int
    rows: int


NOTHING = Signature(0, 0)
Signatures = Mapping[datetime, Signature]


def read_signatures(
    client: Client, rollup: Rollup, since: datetime | None = None, until: datetime | None = None
) -> Signatures:
    """Per piece that the rollup's table has rows of. Reads the projection only."""
    start = f"toStartOfHour({rollup.time})"
    count = _COUNTS.get(rollup.source, "count()")
    bounds = [f"{start} {sign} {at(moment)}" for sign, moment in ((">=", since), ("<", until)) if moment is not None]
    piece = "start" if rollup.grain == "hour" else "toStartOfDay(start)"
    rows = client.query(
        f"""
        select toUnixTimestamp({piece}) as piece, sum(cityHash64(start, raw_epoch, raw_partition, number, reached)),
            toInt64(sum(number))
        from
        (
            select {start} as start, raw_epoch, raw_partition, {count} as number, max(raw_offset) as reached
            from {identifier(rollup.source)}
            {f"where {' and '.join(bounds)}" if bounds else ""}
            group by start, raw_epoch, raw_partition
        )
        group by piece
        """
    ).result_rows
    return {datetime.fromtimestamp(piece, UTC): Signature(int(digest), int(number)) for piece, digest, number in rows}


@dataclass(frozen=True, slots=True)
class Checked:
    """That a piece was found equal: when, and the digest of its table's rows then."""

    digest: int
    at: datetime


def read_checked(client: Client, rollup: Rollup) -> dict[datetime, Checked]:
    """Per piece that was found equal."""
    rows = client.query(
        "select toUnixTimestamp(piece), signature, toUnixTimestamp(checked_at) from rollup_checks final "
        "where rollup = {rollup:String}",
        {"rollup": rollup.table},
    ).result_rows
    return {
        datetime.fromtimestamp(piece, UTC): Checked(int(digest), datetime.fromtimestamp(when, UTC))
        for piece, digest, when in rows
    }


def write_checked(client: Client, rollup: Rollup, found: Mapping[datetime, int]) -> None:
    """These pieces were found equal, when their table's rows were like this."""
    if found:
        client.insert(
            "rollup_checks",
            [[rollup.table, piece, digest] for piece, digest in found.items()],
            column_names=["rollup", "piece", "signature"],
        )


def piece_of(rollup: Rollup, moment: datetime) -> datetime:
    """The piece that a moment falls into."""
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour if rollup.grain == "hour" else hour.replace(hour=0)


def months_of(pieces: Iterable[datetime]) -> dict[int, list[datetime]]:
    """The pieces by month (``yyyymm``), in order."""
    found: dict[int, list[datetime]] = {}
    for piece in sorted(set(pieces)):
        found.setdefault(int(f"{piece:%Y%m}"), []).append(piece)
    return found


def joined(times: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same times in order, those that touch each other as one."""
    found: list[tuple[datetime, datetime]] = []
    for since, until in sorted(times):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(until, found[-1][1]))
        else:
            found.append((since, until))
    return found


def within(rollup: Rollup, time: str, pieces: Sequence[datetime]) -> str:
    """The condition that ``time`` falls into one of the pieces."""
    length = timedelta(hours=1) if rollup.grain == "hour" else timedelta(days=1)
    ranges = joined((piece, piece + length) for piece in pieces)
    return " or ".join(f"({time} >= {at(start)} and {time} < {at(end)})" for start, end in ranges) or "0"


def source_filter(rollup: Rollup, pieces: Sequence[datetime]) -> str:
    """The condition on the rollup's table, so that it can leave out parts and days."""
    days = f"toDate({rollup.time}) between {day(min(pieces))} and {day(max(pieces))}"
    return f"{days} and ({within(rollup, rollup.time, pieces)})"


def at(moment: datetime) -> str:
    """A moment as SQL."""
    return f"toDateTime('{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}', 'UTC')"


def day(moment: datetime) -> str:
    """The day of a moment as SQL."""
    return f"toDate('{moment.astimezone(UTC):%Y-%m-%d}')"
