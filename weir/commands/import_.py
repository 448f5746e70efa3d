"""`weir import`: exported rows back into Weir."""

import sys

import click

from sinks.import_rows import Progress as Rows
from weir.progress import Progress, amounts
from weir.settings import load


@click.command("import")
@click.argument("path")
@click.option(
    "--table",
    type=click.Choice(["events", "profiles", "groups", "identities"]),
    default="events",
    show_default=True,
    help="The table whose rows the file holds.",
)
@click.option("--project", "project_id", default="", help="Into this project; by default the one that each row names.")
@click.option(
    "--format", "format_name", type=click.Choice(["jsonl", "csv", "parquet"]), help="By default the file's ending."
)
@click.option(
    "--wait", "seconds", type=float, default=120.0, show_default=True, help="Seconds to wait for readers first."
)
def import_(*, path: str, table: str, project_id: str, format_name: str | None, seconds: float) -> None:
    """Import a file that weir export wrote; - is standard input.

    Rows go through the raw log like all events. Broken off, the same command goes on; what is stored is not stored
    twice. Exit status 0 only if every row was taken.
    """
    from weir.import_file import import_file

    shown, size_read = Progress("import"), 0

    def done(now: Rows, size: int) -> None:
        nonlocal size_read
        size_read = size
        shown(now.rows, size, f", {now.refused:,} refused" if now.refused else "")

    progress, refused = import_file(
        load(),
        path,
        table=table,
        project_id=project_id,
        format_name=format_name,
        patience_seconds=seconds,
        tell=lambda doing: click.echo(f"{doing} …", err=True),
        done=done,
    )
    seconds_taken = shown.end()
    click.echo(f"{amounts(progress.rows, size_read, seconds_taken)}", err=True)
    click.echo(
        f"{progress.sent:,} sent, {progress.stored_before:,} stored before, {progress.passed_over:,} made by Weir, "
        f"{progress.refused:,} refused"
    )
    if progress.refused:
        click.echo(f"What was refused, and why, is in {refused}.", err=True)
        sys.exit(1)
