"""`weir profile erase`, `erasures` and `export`: a person's data goes, or is handed over."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from control.erasures import list_erasures
from control.projects import get_project
from sinks.person_export import export_person
from sinks.whole_file import whole_file
from weir.clickhouse import clickhouse
from weir.control_data import reading
from weir.erasure import erase_person, nothing_known, receipt, resolve
from weir.errors import WeirError
from weir.screen import counted
from weir.settings import load

_DEVICE = click.option("--device", "is_device", is_flag=True, help="The id is a device's.")
_JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")


@click.command()
@click.argument("project_id")
@click.argument("person_id")
@_DEVICE
@click.option("--yes", is_flag=True, help="Without asking.")
@click.option(
    "--even-unknown",
    is_flag=True,
    help="Also an id of which nothing is stored: what was received until now is kept out.",
)
@click.option("--wait", "seconds", type=float, default=120.0, show_default=True, help="Seconds to wait for readers.")
@_JSON
def erase(
    project_id: str, person_id: str, *, is_device: bool, yes: bool, even_unknown: bool, seconds: float, as_json: bool
) -> None:
    """Erase a person: all its ids and devices, and everything stored of them. It can't be taken back.

    Exit status 0 only when all of it is done; broken off, the same command goes on.
    """
    settings = load()
    with reading(settings) as session:
        get_project(session, project_id)
    if not yes:
        click.confirm(f"Erase {person_id} and everything {project_id} stores of this person?", abort=True)
    done = erase_person(
        settings,
        project_id,
        person_id,
        is_device=is_device,
        even_unknown=even_unknown,
        patience_seconds=seconds,
        tell=lambda doing: click.echo(f"{doing} …", err=True),
    )
    click.echo(json.dumps(done, indent=1) if as_json else _text(done))


@click.command()
@click.argument("project_id", default="")
@_JSON
def erasures(project_id: str, *, as_json: bool) -> None:
    """Who was erased, and what is not done yet."""
    with reading(load()) as session:
        found = [receipt(row) for row in list_erasures(session, project_id)]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for each in found:
        done = f"done: what was received before {each['erased_at']}"
        state = done if each["finished_at"] else f"NOT DONE ({each['state']}): run weir profile erase again"
        click.echo(f"{each['begun_at']}  {each['project_id']}  {each['profile_id']}  {state}")
    if not found:
        click.echo("Nobody was erased.")


@click.command()
@click.argument("project_id")
@click.argument("person_id")
@_DEVICE
@click.option("--output", default="-", help="A file, which only its owner may read; by default standard output.")
def export(project_id: str, person_id: str, *, is_device: bool, output: str) -> None:
    """Everything stored of a person, as lines of JSON. Exit status 1, and no file, if that is nothing."""
    settings = load()
    with reading(settings) as session:
        get_project(session, project_id)
    with clickhouse(settings) as client, ExitStack() as stack:
        ids = resolve(client, settings.clickhouse_database, project_id, person_id, is_device=is_device)
        try:
            out = sys.stdout.buffer if output == "-" else stack.enter_context(whole_file(Path(output)))
            pieces = export_person(client, project_id, ids.person, ids.profiles, ids.devices)
            if not sum(out.write(piece) for piece in pieces):
                raise WeirError(nothing_known(project_id, person_id))
            out.flush()
        except BrokenPipeError:
            sys.exit(1)
        except OSError as error:
            raise WeirError(f"{output} cannot be written ({error.strerror or error}).") from error


def _text(done: dict[str, Any]) -> str:
    ids, devices = len(done["profile_ids"]), len(done["device_ids"])
    rows = ", ".join(f"{table} {number:,}" for table, number in done["removed"].items())
    return (
        f"{done['project_id']}: {done['profile_id']} is erased, with {counted(ids, 'id', 'ids')} and "
        f"{counted(devices, 'device', 'devices')}, and what was received of them before {done['erased_at']}.\n"
        f"Rows removed: {rows}."
    )
