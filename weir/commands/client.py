"""`weir client`: the keys with which events are sent and numbers are read."""

import json

import click

from control.clients import create_client, delete_client, limit_client, list_clients, replace_secret
from control.projects import get_project
from control.records import client_record
from schemas.control import ClientType
from weir.commands.project import limit_text
from weir.control_data import changing, reading
from weir.errors import WeirError
from weir.settings import load


@click.group()
def client() -> None:
    """Keys: their secret is shown once, when it is made."""


@client.command()
@click.argument("project_id", required=False)
@click.option(
    "--type",
    "client_type",
    type=click.Choice([each.value for each in ClientType]),
    default=ClientType.WRITE.value,
    show_default=True,
    help="write: sends events; read: reads numbers; root: both, for every project of an organisation.",
)
@click.option("--organization", help="Of a root key, which belongs to no project.")
@click.option("--name", default="", help="Name shown to people.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def create(project_id: str | None, client_type: str, organization: str | None, name: str, *, as_json: bool) -> None:
    """Make a key."""
    kind = ClientType(client_type)
    if (kind is ClientType.ROOT) != (project_id is None) or (kind is ClientType.ROOT) != (organization is not None):
        raise WeirError("A root key is made with --organization and without a project, any other with a project only.")
    with changing(load()) as session:
        owner = organization if project_id is None else get_project(session, project_id).organization_id
        made = create_client(session, owner or "", kind, project_id=project_id, name=name)
    _show_secret(made.client_id, made.client_secret, as_json=as_json)


@client.command("list")
@click.argument("project_id", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(project_id: str | None, *, as_json: bool) -> None:
    """All keys, or those of a project."""
    with reading(load()) as session:
        if project_id is not None:
            get_project(session, project_id)
        found = [client_record(each) for each in list_clients(session, project_id)]
    if as_json:
        shown = [each.model_dump(mode="json", exclude={"secret_hash"}) for each in found]
        click.echo(json.dumps(shown, indent=1))
        return
    if not found:
        where, make = (f"{project_id} has no keys", project_id) if project_id else ("There are no keys", "PROJECT")
        click.echo(f"{where}. Make one: weir client create {make}")
    for each in found:
        owner = each.project_id or f"all of {each.organization_id}"
        limit = f", {limit_text(each.limit.per_second, each.limit.burst)}" if each.limit else ""
        click.echo(f"{each.id}  {each.type}  {owner}{limit}  {each.name}".rstrip())


@client.command()
@click.argument("client_id")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def secret(client_id: str, *, as_json: bool) -> None:
    """Give a key a new secret; the old one is worthless at once."""
    with changing(load()) as session:
        made = replace_secret(session, client_id)
    _show_secret(made.client_id, made.client_secret, as_json=as_json)


@client.command()
@click.argument("client_id")
@click.option("--rate", type=float, help="Events per second; 0: no limit, whatever the project's is.")
@click.option("--burst", type=int, default=0, help="Events at once; 0: ten seconds' worth.")
@click.option("--as-project", is_flag=True, help="The project's limit holds again.")
def limit(client_id: str, rate: float | None, burst: int, *, as_project: bool) -> None:
    """Give a key a limit of its own, in place of its project's."""
    if (rate is None) != as_project:
        raise WeirError("Say either --rate, or --as-project.")
    with changing(load()) as session:
        limit_client(session, client_id, rate, burst)
    click.echo(f"Client {client_id}: " + ("its project's limit." if rate is None else f"{limit_text(rate, burst)}."))


@client.command()
@click.argument("client_id")
def delete(client_id: str) -> None:
    """Revoke a key."""
    with changing(load()) as session:
        delete_client(session, client_id)
    click.echo(f"Client {client_id} is revoked.")


def _show_secret(client_id: str, client_secret: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"client_id": client_id, "client_secret": client_secret}))
        return
    click.echo(f"client id      {client_id}")
    click.echo(f"client secret  {client_secret}")
    click.echo("The secret is stored nowhere and not shown again.")
