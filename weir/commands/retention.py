"""`weir retention`: what is older than it is kept."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from sinks import retention as retaining
from sinks.errors import SinkError
from sinks.kafka_log import KafkaLog
from sinks.property_values import prune_values
from sinks.shadow.lock import locked
from weir.clickhouse import clickhouse
from weir.commands.entry import run
from weir.errors import WeirError
from weir.prepare import sink_settings
from weir.screen import counted
from weir.settings import load


@click.command()
@click.option(
    "--apply", "apply_now", is_flag=True, help="Take it, for good; asks before. Without this nothing changes."
)
@click.option("--yes", is_flag=True, help="Without asking.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def retention(*, apply_now: bool, yes: bool, as_json: bool) -> None:
    """Show which events and sessions are older than their project keeps them, or take them.

    Rollups stay. How long a project keeps its rows is set by `weir project set ID --retention-days DAYS`; the auditor
    applies it once a day.
    """
    settings = load()
    sinks = sink_settings(settings)
    with clickhouse(settings) as client:
        try:
            days = KafkaLog(settings.bootstrap).retention_days()
            due = retaining.find_due(client, days, datetime.now(UTC))
            if apply_now:
                if any(due) and not yes:
                    _show(due, err=True)
                    click.confirm("Take all that, for good?", abort=True, err=True)
                with locked(client, sinks):
                    retaining.complete(client, sinks, _tell)
                    due = retaining.find_due(client, days, datetime.now(UTC))
                    retaining.apply(client, sinks, due, _tell)
                    if pruned := prune_values(client, sinks, datetime.now(UTC)):
                        _tell(f"property_values: {counted(pruned, 'value', 'values')} taken")
        except SinkError as error:
            raise WeirError(str(error)) from error
    if as_json:
        click.echo(json.dumps({"applied": apply_now, "days": days, "tables": [_said(each) for each in due]}, indent=2))
        return
    for project, kept in sorted(days.items()):
        click.echo(f"{project}: kept for {counted(kept, 'day', 'days')}")
    _show(due)
    if not any(due):
        click.echo("Nothing is older than it is kept.")
    elif apply_now:
        click.echo("All that is gone.")
    else:
        click.echo("Nothing has changed yet: weir retention --apply takes it.")


def _show(found: Sequence[retaining.Due], *, err: bool = False) -> None:
    for each in found:
        for month, rows in each.months.items():
            click.echo(f"{each.source.table}: month {month} as a whole, {rows:,} rows", err=err)
        for project, rows in each.projects.items():
            since = datetime.fromtimestamp(each.plan.projects[project], UTC)
            click.echo(f"{each.source.table}: {rows:,} rows of {project} from before {since:%Y-%m-%d}", err=err)


def _said(due: retaining.Due) -> dict[str, object]:
    return {"table": due.source.table, "months": dict(due.months), "projects": dict(due.projects)}


def _tell(doing: str) -> None:
    click.echo(doing, err=True)


if __name__ == "__main__":
    run(retention)
