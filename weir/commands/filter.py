"""`weir filter`: events that a project does not want stored."""

import json

import click

from control.filters import add_filter, list_filters, remove_filter
from schemas.filters import FilterKind
from weir.control_data import changing, reading
from weir.settings import load

_KIND = click.argument("kind", type=click.Choice([each.value for each in FilterKind]))


@click.group("filter")
def filter_() -> None:
    """What of a project is never stored: by address or network, profile id, country, path (* for anything), or a part
    of the user agent.
    """


@filter_.command()
@click.argument("project_id")
@_KIND
@click.argument("value")
def add(project_id: str, kind: str, value: str) -> None:
    """Store no more events of which this is true."""
    with changing(load()) as session:
        added = add_filter(session, project_id, kind, value)
    click.echo(f"{project_id}: events with {added.kind} {added.value} are not stored from now on.")


@filter_.command("list")
@click.argument("project_id")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(project_id: str, *, as_json: bool) -> None:
    """The filters of a project."""
    with reading(load()) as session:
        found = list_filters(session, project_id)
    if as_json:
        click.echo(json.dumps([each.model_dump() for each in found], indent=1))
        return
    if not found:
        click.echo(f"{project_id} has no filters. Add one: weir filter add {project_id} ip 198.51.100.0/24")
    for each in found:
        click.echo(f"{each.kind}  {each.value}")


@filter_.command()
@click.argument("project_id")
@_KIND
@click.argument("value")
def remove(project_id: str, kind: str, value: str) -> None:
    """Take a filter back."""
    with changing(load()) as session:
        removed = remove_filter(session, project_id, kind, value)
    click.echo(f"{project_id}: events with {removed.kind} {removed.value} are stored again.")
