"""Daily rollups: days of projects' calendars that are over, folded to a row per value, with their visitors as bitmaps.

A day is made out of the rollups of half hours, and written down with its signature: what the tables of events and
sessions had in it. It is read while they have the same, so that a late event, an erasure or retention takes it out of
use at once, whatever breaks off. What signatures cannot see is forgotten beforehand (`forget`): rollups of half hours
that are made anew, and rows that go while those rollups stay.

Devices get dense numbers. They are given out by whoever folds, one at a time (`sinks.shadow.lock`), and looked at again
afterwards: two devices with one number would count as one visitor.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.daily_days import Day, DaySignature, read_day_signatures, runs_of
from sinks.daily_manifest import forget, write_folded
from sinks.daily_sql import PAGES, PAGES_SEEN, VALUES, Run
from sinks.deletion import delete_rows
from sinks.errors import SinkError
from sinks.rebuild import taken_off
from sinks.settings import SinkSettings

ROWS_AT_ONCE = 3_000_000
"""Events of the days that one statement folds; a day with more is folded alone."""
DAYS_AT_ONCE = 31
_NUMBERS_AT_ONCE = 200_000
_SETTINGS = {"max_bytes_before_external_group_by": 1_000_000_000}

Progress = Callable[[str], None]


class DailyError(SinkError):
    """Days were not folded. The half hours are read instead; folding again is safe."""


def fold(
    client: Client,
    settings: SinkSettings,
    project_id: str,
    days: Iterable[Day],
    progress: Progress | None = None,
    signatures: Mapping[Day, DaySignature] | None = None,
) -> int:
    """Fold these days anew, whatever became of them since; how many. Safe to repeat and to break off. Nobody else may
    change the past meanwhile.

    ``signatures``: what the tables had in them at a moment of which the caller knows that the rollups of half hours had
    it all, too; without them consumption pauses for a look (`settled_signatures`).

    :raises DailyError: a statement failed, or numbers of devices were doubled; they are given out anew then.
    """
    wanted = sorted(set(days))
    try:
        if signatures is None:
            signatures = settled_signatures(client, settings, {project_id: wanted})[project_id]
        sizes = {day: signatures[day].events for day in wanted}
        for run in runs_of(wanted, sizes, ROWS_AT_ONCE, DAYS_AT_ONCE):
            _fold(client, project_id, run, signatures)
            if progress is not None:
                progress(f"{project_id}: {len(run)} days from {run[0].started:%Y-%m-%d %H:%M} folded")
    except ClickHouseError as error:
        raise DailyError(
            f"Days of {project_id} were not folded ({error}): run weir migrate, then try again."
        ) from error
    return len(wanted)


def settled_signatures(
    client: Client, settings: SinkSettings, days: Mapping[str, Sequence[Day]]
) -> dict[str, dict[Day, DaySignature]]:
    """Per project what the tables have in these days, at a moment in which no row is between them and their rollups:
    nothing comes in from Kafka meanwhile.
    """
    if not any(days.values()):
        return {project_id: {} for project_id in days}
    with ExitStack() as stack:
        for pipe in ("events_queue", "sessions_queue"):
            stack.enter_context(taken_off(client, settings, pipe))
        return {project_id: read_day_signatures(client, project_id, wanted) for project_id, wanted in days.items()}


def _fold(client: Client, project_id: str, days: Sequence[Day], signatures: Mapping[Day, DaySignature]) -> None:
    told = client.query("select max(revision) from daily_rollups").result_rows[0][0]
    first = max(time.time_ns() // 1000, int(told) + 1)
    run = Run(project_id, days, range(first, first + len(days)))
    _give_numbers(client, project_id, run)
    for table, names, rows in (
        ("folded_values", VALUES, run.values()),
        ("folded_pages", (*PAGES, *PAGES_SEEN), run.pages()),
    ):
        client.command(
            f"insert into {table} (project_id, {', '.join(names)}) select {{project:String}}, * from ({rows})",
            {"project": project_id},
            settings=_SETTINGS,
        )
    write_folded(client, project_id, dict(zip(days, range(first, first + len(days)), strict=True)), signatures)


def _give_numbers(client: Client, project_id: str, run: Run) -> None:
    """A number to each device of these days that has none: by the client, block by block, so that a process that dies
    leaves no statement behind it that goes on giving out numbers. What is there counts, and the next begins behind it.
    """
    parameters = {"project": project_id}
    known = "select device from device_numbers where project_id = {project:String}"
    new = client.query(
        f"select visitor from ({run.devices}) where visitor not in ({known} and device in ({run.devices}))",
        parameters,
        settings=_SETTINGS,
    ).result_columns
    devices = list(new[0]) if new else []
    last = client.query("select max(number) from device_numbers where project_id = {project:String}", parameters)
    number = int(last.result_rows[0][0])
    for start in range(0, len(devices), _NUMBERS_AT_ONCE):
        block = devices[start : start + _NUMBERS_AT_ONCE]
        numbers = range(number + start + 1, number + start + 1 + len(block))
        client.insert(
            "device_numbers",
            [[project_id] * len(block), block, list(numbers)],
            column_names=["project_id", "device", "number"],
            column_oriented=True,
        )
    rows, unique, named = client.query(
        "select count(), uniqExact(number), uniqExact(device) from device_numbers "
        f"where project_id = {{project:String}} and device in ({run.devices})",
        parameters,
    ).result_rows[0]
    if not rows == unique == named:
        give_out_anew(client, project_id)
        raise DailyError(
            f"Devices of {project_id} had more than one number, or one that is another's: its days are folded anew, "
            "with new ones."
        )


def are_numbers_sound(client: Client, project_id: str) -> bool:
    """Whether each device of the project has one number, and each number one device."""
    rows, numbers, devices = client.query(
        "select count(), uniqExact(number), uniqExact(device) from device_numbers where project_id = {project:String}",
        {"project": project_id},
    ).result_rows[0]
    return bool(rows == numbers == devices)


def give_out_anew(client: Client, project_id: str) -> None:
    """Forget all days of the project, and its devices' numbers.

    :raises DeletionError: ClickHouse says that they are gone, and they are not.
    """
    forget(client, [(datetime.fromtimestamp(0, UTC), datetime.now(UTC) + timedelta(days=2))], project_id)
    delete_rows(client, "device_numbers", "project_id = {project:String}", {"project": project_id})


def forget_devices(client: Client, project_id: str, device_ids: Iterable[str]) -> None:
    """Take back the numbers of devices of which the rollups of half hours have nothing any more, so that no bitmap that
    counts has them. Those that are left there, as retention leaves them, keep theirs. Safe to repeat.

    :raises DeletionError: ClickHouse says that they are gone, and they are not.
    """
    erased = "(select cityHash64(arrayJoin({devices:Array(String)})))"
    mine = "project_id = {project:String} and"
    gone = client.query(
        f"select device from device_numbers where {mine} device in {erased} "
        f"and device not in (select visitor from visitors where {mine} visitor in {erased}) "
        f"and device not in (select visitor from visits where {mine} visitor in {erased})",
        {"project": project_id, "devices": sorted(device_ids)},
    ).result_rows
    if gone:
        # As numbers: a mutation must not look into tables that change.
        condition = f"{mine} device in ({', '.join(str(device) for (device,) in gone)})"
        delete_rows(client, "device_numbers", condition, {"project": project_id})
