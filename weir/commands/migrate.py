"""`weir migrate`: bring the databases to this version's schema."""

import click

from weir.commands.entry import run
from weir.prepare import control_database, make_tables
from weir.settings import load


@click.command()
def migrate() -> None:
    """Migrate the control database and ClickHouse. Safe to repeat."""
    settings = load()
    with control_database(settings):
        click.echo("control database: up to date")
    click.echo(f"ClickHouse: {make_tables(settings)} statements done, up to date")


if __name__ == "__main__":
    # As the supervisor runs it: without loading the other commands.
    run(migrate)
