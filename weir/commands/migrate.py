"""`weir migrate`: bring the databases to this version's schema."""

from contextlib import closing

import click

from sinks.client import connect
from sinks.errors import SinkError
from sinks.migrate import Planned, plan
from weir.commands.entry import run
from weir.errors import WeirError
from weir.prepare import control_database, make_tables, sink_settings
from weir.settings import Settings, load


@click.command()
@click.option("--plan", "only_plan", is_flag=True, help="Show the SQL that would run, and what it pauses; run nothing.")
@click.option(
    "--node",
    is_flag=True,
    help="Bring the one node at WEIR_CLICKHOUSE_URL, a new one of a cluster, to the schema; tell no other.",
)
def migrate(*, only_plan: bool, node: bool) -> None:
    """Migrate the control database and ClickHouse. Safe to repeat, and while events come in."""
    settings = load()
    if only_plan:
        steps = _planned(settings)
        for step in steps:
            click.echo(shown(step))
        if not steps:
            click.echo("-- ClickHouse: up to date, nothing would run")
        return
    with control_database(settings):
        click.echo("control database: up to date")
    click.echo(f"ClickHouse: {make_tables(settings, node_only=node)} statements done, up to date")


def shown(step: Planned) -> str:
    """A planned statement as SQL, with where it is from and what it pauses as comments above it."""
    number = f", statement {step.step + 1}" if step.step >= 0 else ""
    head = [f"-- {step.file or 'first of all'}{number}"]
    if step.pauses:
        head.append(f"-- PAUSES {step.pauses}")
    return "\n".join([*head, *(f"{sql};" for sql in step.sql), ""])


def _planned(settings: Settings) -> list[Planned]:
    try:
        with closing(connect(sink_settings(settings))) as client:
            return plan(client, sink_settings(settings))
    except SinkError as error:
        raise WeirError(str(error)) from error


if __name__ == "__main__":
    # As the supervisor runs it: without loading the other commands.
    run(migrate)
