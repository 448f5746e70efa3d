"""`weir rebuild`: rollups made anew from their tables."""

from datetime import UTC, datetime

import click

from sinks.daily_due import fold_between
from sinks.errors import SinkError
from sinks.kafka_log import KafkaLog
from sinks.rebuild import left_alone
from sinks.rebuild import rebuild as rebuild_rollup
from sinks.rollups import ROLLUPS
from sinks.shadow.lock import locked
from weir.clickhouse import clickhouse
from weir.commands.entry import run
from weir.errors import WeirError
from weir.prepare import sink_settings
from weir.progress import Doing
from weir.settings import load

_DAILY = "daily"
"""Stands for daily rollups: days that are over, folded."""
_NAMED = 10


@click.command()
@click.option("--from", "since", required=True, help="Beginning, UTC: 2026-03-01, or 2026-03-01T10:00.")
@click.option("--to", "until", help="End, not included; by default now.")
@click.option(
    "--rollup",
    "names",
    multiple=True,
    type=click.Choice([*(rollup.table for rollup in ROLLUPS), _DAILY]),
    help="Which one; may be repeated; by default all.",
)
def rebuild(since: str, until: str | None, names: tuple[str, ...]) -> None:
    """Make rollups anew from their tables, whether they differ or not, while events flow.

    Readers see each month of a rollup change at once. What retention has taken from the tables stays in the rollups.
    """
    settings = load()
    start, end = _moment(since), datetime.now(UTC) if until is None else _moment(until)
    if start >= end:
        raise WeirError("The time ends before it begins: --from is the earlier one.")
    with clickhouse(settings) as client, Doing() as doing:
        try:
            with locked(client, sink_settings(settings)):
                for rollup in ROLLUPS:
                    if not names or rollup.table in names:
                        made = rebuild_rollup(client, sink_settings(settings), rollup, start, end, doing)
                        doing.say(f"{rollup.table}: {made:,} {rollup.grain}s made anew")
                if not names or _DAILY in names:
                    zones = KafkaLog(settings.bootstrap).time_zones()
                    made = fold_between(client, sink_settings(settings), zones, start, end, doing)
                    doing.say(f"{_DAILY}: {made:,} days folded")
            if not names or set(names) != {_DAILY}:
                _tell_left_alone(doing, left_alone(client, start))
        except SinkError as error:
            raise WeirError(str(error)) from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise WeirError(f"{text} is no time: say, for example, 2026-03-01 or 2026-03-01T10:00.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tell_left_alone(doing: Doing, left: list[str]) -> None:
    if left:
        more = f" and {len(left) - _NAMED:,} more" if len(left) > _NAMED else ""
        doing.say(f"Left as it is, for retention has taken rows of it: {', '.join(left[:_NAMED])}{more}.")


if __name__ == "__main__":
    run(rebuild)
