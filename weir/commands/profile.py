"""`weir profile`: whose devices and ids are whose, and taking back what was a mistake."""

import time

import click

from control.projects import get_project
from weir.commands.profile_erase import erase, erasures, export
from weir.control_data import reading
from weir.errors import WeirError
from weir.operations import send_operation, unlink_line
from weir.settings import load


@click.group()
def profile() -> None:
    """People's ids, links between them, and all that is stored of a person."""


for command in (erase, erasures, export):
    profile.add_command(command)


@profile.command()
@click.argument("project_id")
@click.option("--device", default="", help="The device that means nobody any more.")
@click.option("--alias", default="", help="The other id of a person that shall mean nobody else any more.")
def unlink(project_id: str, device: str, alias: str) -> None:
    """Take back a link: of a device to a profile, or of another id. Harmless if there is none."""
    if bool(device) == bool(alias):
        raise WeirError("Say either --device or --alias.")
    settings = load()
    with reading(settings) as session:
        get_project(session, project_id)
    line = unlink_line(project_id, device, alias, time.time_ns() // 1_000_000)
    partition, offset = send_operation(settings.bootstrap, project_id, device or alias, line)
    click.echo(f"Written to partition {partition} at offset {offset}; it holds as soon as a worker has read it.")
