"""``python -m bench.store``: builds the data set and asks it the questions of ``docs/store.md``."""

from pathlib import Path

import click

from bench.store.ask import ask, tell_sizes
from bench.store.build import build, opened_store, prepared
from bench.worker import cpu_seconds


@click.command()
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="Directory of the data.")
@click.option("--events", default=100_000_000, show_default=True, help="Events of ninety days.")
@click.option("--days", default=90, show_default=True, help="Build and keep so many of the newest of them only.")
@click.option("--plain/--no-plain", default=True, help="Build and ask the plain table, too.")
@click.option("--beside/--no-beside", default=True, help="Ask events themselves and the plain table, too.")
@click.option("--runs", default=7, show_default=True, help="How often each question is asked.")
def main(home: Path, events: int, days: int, plain: bool, beside: bool, runs: int) -> None:
    """Build what is missing, then print the tables."""
    with opened_store(home) as store:
        client, traffic = prepared(store, events)
        build(client, store.settings(""), traffic, days, plain)
        ask(client, traffic, runs, lambda: cpu_seconds(store.process.pid), beside=beside)
        click.echo()
        tell_sizes(client)


if __name__ == "__main__":
    main()
