"""The demo project: there from the first start, with a client that writes and one that reads."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from control.clients import NewClient, authenticate, create_client, delete_client, hash_secret
from control.models import Client, Organization
from control.projects import create_organization, create_project, find_project
from schemas.control import ClientType
from weir.local.home import make_home

ORGANIZATION = "demo"
PROJECT = "demo"
LONGEST_DAYS = 400
ORIGINS = ("*", "https://demo.example")
"""Any page may send to the demo project without a secret. The second is its domain for those that know it by one."""


class Credentials(BaseModel):
    """A client of the demo project, with its secret."""

    model_config = ConfigDict(frozen=True)

    client_id: str
    client_secret: str


class DemoProject(BaseModel):
    """What is shown to whoever started the stack; kept in a file only its owner can read."""

    model_config = ConfigDict(frozen=True)

    project_id: str
    write: Credentials
    read: Credentials


def read_demo_project(home: Path) -> DemoProject | None:
    """The demo project of this home, or None before the first start."""
    try:
        return DemoProject.model_validate_json(_file(home).read_bytes())
    except (OSError, ValidationError):
        return None


def ensure_demo_project(engine: Engine, home: Path) -> DemoProject:
    """Have the demo project and its two clients; clients whose secret is lost are replaced. Safe to repeat."""
    known = read_demo_project(home)
    with Session(engine) as session:
        if session.get(Organization, ORGANIZATION) is None:
            create_organization(session, ORGANIZATION, "Demo")
        if find_project(session, PROJECT) is None:
            demo_project = create_project(session, ORGANIZATION, PROJECT, "Demo shop", origins=ORIGINS)
            # So that as much history as anybody wants to see can be sent to it.
            demo_project.retention_days = LONGEST_DAYS
        demo = DemoProject(
            project_id=PROJECT,
            write=_client(session, ClientType.WRITE, known.write if known else None),
            read=_client(session, ClientType.READ, known.read if known else None),
        )
        if demo != known:
            # Before the commit: a client whose secret nobody knows would be of no use.
            _write(home, demo)
        session.commit()
    return demo


def add_demo_clients(engine: Engine, home: Path) -> None:
    """Have the two clients that this home's owner was shown in a control database that came from elsewhere too, beside
    its own. Nothing where there is no demo project. Safe to repeat.
    """
    known = read_demo_project(home)
    with Session(engine) as session:
        project = find_project(session, PROJECT)
        if known is None or project is None:
            return
        for client_type, shown in ((ClientType.WRITE, known.write), (ClientType.READ, known.read)):
            if session.get(Client, shown.client_id) is None:
                session.add(
                    Client(
                        id=shown.client_id,
                        organization_id=project.organization_id,
                        project_id=PROJECT,
                        type=client_type.value,
                        name=f"demo {client_type.value}",
                        secret_hash=hash_secret(shown.client_secret),
                    )
                )
        session.commit()


def _client(session: Session, client_type: ClientType, known: Credentials | None) -> Credentials:
    name = f"demo {client_type.value}"
    if known is not None and authenticate(session, known.client_id, known.client_secret) is not None:
        return known
    for lost in session.query(Client).filter_by(project_id=PROJECT, type=client_type.value, name=name):
        delete_client(session, lost.id)
    made: NewClient = create_client(session, ORGANIZATION, client_type, project_id=PROJECT, name=name)
    return Credentials(client_id=made.client_id, client_secret=made.client_secret)


def _write(home: Path, demo: DemoProject) -> None:
    target = _file(home)
    make_home(home)
    partial = target.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(demo.model_dump_json(indent=1))
    partial.replace(target)


def _file(home: Path) -> Path:
    return home / "demo.json"
