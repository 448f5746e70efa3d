"""`weir export`: any table or query as a file."""

import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click

from control.projects import get_project
from weir.clickhouse import clickhouse
from weir.control_data import reading
from weir.errors import WeirError
from weir.progress import Progress, amounts
from weir.settings import load


@click.command()
@click.argument("table", default="")
@click.option("--query", help="A SELECT of your own in place of a table; it reads what it names, of all projects.")
@click.option("--project", "project_id", default="", help="Rows of this project only.")
@click.option("--from", "since", help="Beginning, UTC: 2026-03-01, or 2026-03-01T10:00.")
@click.option("--to", "until", help="End, not included.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["jsonl", "csv", "parquet"]),
    help="By default what the file's name ends with; jsonl if it has no ending.",
)
@click.option("--output", default="-", help="A file; by default standard output.")
def export(
    *,
    table: str,
    query: str | None,
    project_id: str,
    since: str | None,
    until: str | None,
    format_name: str | None,
    output: str,
) -> None:
    """Export a table, or what a query gives, as lines of JSON, CSV or Parquet.

    The file appears when it is complete. Exit status 0 only then.
    """
    from sinks.errors import SinkError
    from sinks.export import export as run
    from sinks.export_source import Asked, from_query, from_table, tables
    from sinks.import_files import format_of
    from sinks.whole_file import whole_file

    settings = load()
    if query is not None and (table or project_id or since or until):
        raise WeirError("A query says itself what it reads: give --query alone, or a table with the other options.")
    asked = Asked(project_id, moment(since), moment(until))
    if project_id:
        with reading(settings) as session:
            get_project(session, project_id)
    with clickhouse(settings) as client, ExitStack() as stack:
        try:
            # A name without any ending says nothing, and lines of JSON are what is said by default.
            chosen = format_name or (format_of(output) if Path(output).suffix else "jsonl")
            if query is None and not table:
                raise WeirError(f"Say which table: {', '.join(tables(client))}; or give a --query.")
            source = from_query(query) if query is not None else from_table(client, table, asked)
            out = sys.stdout.buffer if output == "-" else stack.enter_context(whole_file(Path(output)))
            progress = Progress(source.name)
            rows, size = run(client, source, chosen, out, progress)
            seconds = progress.end()
            out.flush()
        except SinkError as error:
            raise WeirError(str(error)) from error
        except BrokenPipeError:
            sys.exit(1)
        except OSError as error:
            raise WeirError(f"{output} cannot be written ({error.strerror or error}).") from error
    where = "" if output == "-" else f" in {output}"
    click.echo(f"{amounts(rows, size, seconds)}{where}", err=True)


def moment(text: str | None) -> datetime | None:
    """A time as options name it, UTC unless it says otherwise. Raises WeirError."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise WeirError(f"{text} is no time: say, for example, 2026-03-01 or 2026-03-01T10:00.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
