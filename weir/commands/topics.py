"""`weir topics`: create topics and register their epochs."""

import click

from weir.commands.entry import run
from weir.prepare import make_topics
from weir.settings import load


@click.command()
@click.option("--apply-settings", is_flag=True, help="Also set what differs; partition counts never change.")
@click.option("--demo", is_flag=True, help="Also have the demo project; its clients are in demo.json in WEIR_HOME.")
@click.option("--adopt", is_flag=True, help="Take weir.control over from another control database.")
def topics(*, apply_settings: bool, demo: bool, adopt: bool) -> None:
    """Create missing topics, say what differs, register each topic's epoch on weir.control."""
    report = make_topics(load(), demo=demo, apply_settings=apply_settings, adopt=adopt)
    for name in report.created:
        click.echo(f"created {name}")
    for difference in report.differences:
        click.echo(f"differs {difference}")
    for name in report.renewed:
        click.echo(f"made anew {name}, now epoch {report.epochs[name]}")
    click.echo(f"{len(report.epochs)} topics, {len(report.created)} created, {len(report.differences)} differences")


if __name__ == "__main__":
    # As the supervisor runs it: without loading the other commands.
    run(topics)
