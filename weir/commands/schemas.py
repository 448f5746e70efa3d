"""`weir schemas`: JSON Schemas of what travels on Kafka."""

from pathlib import Path

import click

from schemas.json_schema import DIRECTORY, write_json_schemas


@click.command()
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), default=DIRECTORY, help="Folder to write to.")
def schemas(into: Path) -> None:
    """Write the JSON Schema of each format, for foreign producers and consumers."""
    for path in write_json_schemas(into):
        click.echo(path)
