"""`weir profile`: whose devices and ids are whose, and taking back what was a mistake."""

import time

import click

from control.projects import get_project
from sinks.links import linked_to
from weir.clickhouse import clickhouse
from weir.commands.profile_erase import erase, erasures, export
from weir.control_data import reading
from weir.errors import WeirError
from weir.operations import send_operation, unlink_line
from weir.settings import Settings, load


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
    """Take back a link: of a device to a profile, or of another id. Harmless if there is none, which is told."""
    if bool(device) == bool(alias):
        raise WeirError("Say either --device or --alias.")
    settings = load()
    with reading(settings) as session:
        get_project(session, project_id)
    kind, any_id = ("device", device) if device else ("profile", alias)
    # Sent whatever the store says: it may be behind, and the link on its way.
    whose = _linked_to(settings, project_id, kind, any_id)
    line = unlink_line(project_id, device, alias, time.time_ns() // 1_000_000)
    send_operation(settings.bootstrap, project_id, any_id, line)
    what = f"the {'device' if device else 'id'} {any_id}"
    if whose == "":
        click.echo(
            f"No link of {what} is known in {project_id}: is it spelled so? One that is on its way is taken back all "
            "the same."
        )
    else:
        click.echo(f"The link of {what}{whose} is taken back, as soon as a worker has read this: within seconds.")


def _linked_to(settings: Settings, project_id: str, kind: str, any_id: str) -> str:
    """To whom it is linked, in words; empty if the store knows of no link."""
    try:
        with clickhouse(settings) as client:
            whose = linked_to(client, project_id, kind, any_id)
    except WeirError:
        return ", if there is one,"
    return "" if whose is None else f" to {whose}"
