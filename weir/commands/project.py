"""`weir project`: projects, and what they take."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from control.models import Organization
from control.projects import (
    change_project,
    create_organization,
    create_project,
    delete_project,
    get_project,
    list_projects,
)
from control.records import project_record
from schemas.control import BotPolicy, ProjectRecord
from weir.control_data import changing, reading
from weir.errors import WeirError
from weir.screen import counted
from weir.settings import load

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS = (
    click.option("--name", help="Name shown to people."),
    click.option("--timezone", help="IANA name, like Europe/Zurich: days and weeks are counted in it."),
    click.option("--week-start", type=int, help="First day of the week, 1 = Monday."),
    click.option("--currency", help="ISO 4217 code of revenue that names none."),
    click.option(
        "--retention-days",
        type=int,
        help="Days for which events are kept, from 1 to 400. Fewer than before: older ones are deleted.",
    ),
    click.option(
        "--bot-policy", type=click.Choice([each.value for each in BotPolicy]), help="What becomes of crawlers' events."
    ),
    click.option("--client-rate", type=float, help="Events per second of each client; 0: no limit."),
    click.option("--client-burst", type=int, help="Events of each client at once; 0: ten seconds' worth."),
    click.option("--ip-rate", type=float, help="Events per second of each address without a secret; 0: no limit."),
    click.option("--ip-burst", type=int, help="Events of each address at once; 0: ten seconds' worth."),
    click.option("--monthly-events", type=int, help="Events taken in a UTC month; 0: no quota."),
    click.option("--anonymize-ip/--keep-ip", default=None, help="Shorten addresses before anything is written."),
    click.option(
        "--unsafe-revenue/--safe-revenue",
        default=None,
        help="Believe revenue without the secret: pages may tell it, and so may anybody.",
    ),
)
_ORIGIN = click.option(
    "--origin",
    "origins",
    multiple=True,
    help="Origin whose pages may send without a secret (https://shop.example, *.shop.example); may be repeated, and "
    "replaces all; an empty one alone allows none.",
)


def _columns(command: F) -> F:
    for option in reversed(_COLUMNS):
        command = option(command)
    return _ORIGIN(command)


def _given(origins: tuple[str, ...], columns: dict[str, Any]) -> dict[str, object]:
    changes = {name: value for name, value in columns.items() if value is not None}
    return {**changes, "origins": [origin for origin in origins if origin]} if origins else changes


@click.group()
def project() -> None:
    """Projects, and what they take. Every change is in force within two seconds."""


@project.command()
@click.argument("project_id")
@click.option("--organization", default="default", show_default=True, help="Who owns it; made if it is not there.")
@_columns
def create(project_id: str, organization: str, origins: tuple[str, ...], **columns: Any) -> None:
    """Add a project; `weir client create` makes the keys for it."""
    with changing(load()) as session:
        if session.get(Organization, organization) is None:
            create_organization(session, organization, organization)
        create_project(session, organization, project_id, columns.get("name") or project_id)
        change_project(session, project_id, _given(origins, columns))
    click.echo(f"Project {project_id} is there. Make a key for it: weir client create {project_id}")


@project.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(*, as_json: bool) -> None:
    """All projects."""
    with reading(load()) as session:
        found = [project_record(each) for each in list_projects(session)]
    if as_json:
        click.echo(json.dumps([each.model_dump(mode="json") for each in found], indent=1))
        return
    if not found:
        click.echo("There are no projects. Add one: weir project create shop --origin https://shop.example")
    for each in found:
        click.echo(f"{each.id}  {each.name} (of {each.organization_id})")


@project.command()
@click.argument("project_id")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(project_id: str, *, as_json: bool) -> None:
    """All that is set of a project."""
    with reading(load()) as session:
        found = project_record(get_project(session, project_id))
    click.echo(json.dumps(found.model_dump(mode="json"), indent=1) if as_json else _shown(found))


@project.command("set")
@click.argument("project_id")
@_columns
def set_(project_id: str, origins: tuple[str, ...], **columns: Any) -> None:
    """Change what is given, leave the rest."""
    changes = _given(origins, columns)
    if not changes:
        raise WeirError("Nothing is to be changed: name at least one option, `weir project set --help` lists them.")
    with changing(load()) as session:
        kept = get_project(session, project_id).retention_days
        found = project_record(change_project(session, project_id, changes))
    click.echo(_shown(found))
    if found.retention_days < kept:
        click.echo(
            f"What is older than {counted(found.retention_days, 'day', 'days')} is deleted for good when retention is "
            "applied next, which the auditor does once a day (UTC): weir retention shows what that is.",
            err=True,
        )


@project.command()
@click.argument("project_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(project_id: str, *, yes: bool) -> None:
    """Remove a project and its keys. Its events stay in the store."""
    with reading(load()) as session:
        get_project(session, project_id)
    if not yes:
        click.confirm(f"Remove the project {project_id} and all its keys?", abort=True)
    with changing(load()) as session:
        delete_project(session, project_id)
    click.echo(f"Project {project_id} is gone; its events are still in the store.")


def _shown(record: ProjectRecord) -> str:
    lines = {
        "project": f"{record.id}: {record.name} (of {record.organization_id})",
        "origins": ", ".join(record.origins) or "none: every sender needs the secret",
        "time": f"{record.timezone}, weeks begin on day {record.week_start}, "
        f"kept for {counted(record.retention_days, 'day', 'days')}",
        "currency": record.currency,
        "bots": str(record.bot_policy),
        "filters": ", ".join(f"{each.kind} {each.value}" for each in record.filters) or "none",
        "per client": limit_text(record.client_limit.per_second, record.client_limit.burst),
        "per address": limit_text(record.ip_limit.per_second, record.ip_limit.burst),
        "per month": f"{record.monthly_events} events" if record.monthly_events else "no quota",
        "addresses": "shortened before anything is written" if record.anonymize_ip else "shortened by the worker",
        "revenue": "believed without the secret" if record.unsafe_revenue else "believed with the secret only",
    }
    return "\n".join(f"{name:12}{text}" for name, text in lines.items())


def limit_text(per_second: float, burst: int) -> str:
    """A limit as it is shown to people."""
    if not per_second:
        return "no limit"
    return f"{per_second:g} events/s" + (f", {burst} at once" if burst else "")
