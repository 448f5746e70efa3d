"""`weir grafana`: who may read the views for dashboards."""

from contextlib import closing

import click
from sqlalchemy.orm import Session

from control.models import Project
from sinks.client import connect
from sinks.errors import SinkError
from sinks.grafana import grant, revoke
from weir.errors import WeirError
from weir.prepare import control_database, sink_settings
from weir.settings import load


@click.group()
def grafana() -> None:
    """Users of ClickHouse for dashboards, each of one project (servers only)."""


@grafana.command("grant")
@click.argument("project")
def grant_(project: str) -> None:
    """Make the user that reads PROJECT's rows, or give it another password, which is shown once."""
    settings = load()
    with control_database(settings) as engine, Session(engine) as session:
        if session.get(Project, project) is None:
            raise WeirError(f"There is no project {project}: weir project list shows them.")
    try:
        with closing(connect(sink_settings(settings))) as client:
            login = grant(client, sink_settings(settings), project)
    except SinkError as error:
        raise WeirError(str(error)) from error
    click.echo(f"user: {login.user}")
    click.echo(f"password: {login.password}")
    click.echo("It is stored nowhere: put it into Grafana's data source now.")


@grafana.command("revoke")
@click.argument("project")
def revoke_(project: str) -> None:
    """Take PROJECT's user away. Safe to repeat."""
    settings = load()
    try:
        with closing(connect(sink_settings(settings))) as client:
            revoke(client, sink_settings(settings), project)
    except SinkError as error:
        raise WeirError(str(error)) from error
    click.echo(f"Nobody reads {project} by a user of its own now.")
