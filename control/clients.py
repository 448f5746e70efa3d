"""Clients, that is API keys: made, revoked, and told from impostors."""

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from control.errors import InvalidChangeError, NotFoundError
from control.models import Client, Organization, Project
from control.records import client_record
from schemas.control import ClientType

SECRET_PREFIX = "sec_"
_SCHEME = "sha256:"


@dataclass(frozen=True)
class NewClient:
    """A client just made; the only moment at which its secret is known."""

    client_id: str
    client_secret: str


def new_secret() -> str:
    """``sec_`` and 40 hexadecimal digits: 160 random bits."""
    return SECRET_PREFIX + secrets.token_hex(20)


def hash_secret(secret: str) -> str:
    """What is stored and published in place of the secret: ``sha256:`` and 64 hexadecimal digits."""
    return _SCHEME + hashlib.sha256(secret.encode()).hexdigest()


def secret_matches(secret: str, secret_hash: str | None) -> bool:
    """Whether the secret is the one that was hashed, in time that does not depend on either."""
    # Without a stored hash something is compared all the same: an unknown client takes as long as a known one.
    known = secret_hash or _SCHEME
    return hmac.compare_digest(hash_secret(secret), known)


def create_client(
    session: Session, organization_id: str, client_type: ClientType, *, project_id: str | None, name: str = ""
) -> NewClient:
    """Add a client; the caller commits. A root client has no project, every other one has.

    :raises NotFoundError: no such organisation, or the project is not one of its own.
    :raises ValueError: a root client with a project, or another without.
    """
    if (client_type is ClientType.ROOT) != (project_id is None):
        raise ValueError("a root client has no project, every other client has one")
    if session.get(Organization, organization_id) is None:
        raise NotFoundError(f"There is no organisation {organization_id}.")
    if project_id is not None:
        project = session.get(Project, project_id)
        if project is None or project.organization_id != organization_id:
            raise NotFoundError(f"There is no project {project_id} in organisation {organization_id}.")
    made = NewClient(str(uuid.uuid4()), new_secret())
    session.add(
        Client(
            id=made.client_id,
            organization_id=organization_id,
            project_id=project_id,
            type=client_type.value,
            name=name,
            secret_hash=hash_secret(made.client_secret),
        )
    )
    session.flush()
    return made


def list_clients(session: Session, project_id: str | None = None) -> Sequence[Client]:
    """Clients by project and id; of one project only if it is named."""
    wanted = select(Client).order_by(Client.project_id, Client.id)
    return session.scalars(wanted if project_id is None else wanted.where(Client.project_id == project_id)).all()


def limit_client(session: Session, client_id: str, per_second: float | None, burst: int | None) -> Client:
    """Give a client a limit of its own, or with None none but its project's; the caller commits.

    :raises NotFoundError: no such client.
    :raises InvalidChangeError: a limit that is not possible.
    """
    client = _client(session, client_id)
    client.rate, client.burst = per_second, None if per_second is None else burst
    try:
        client_record(client)
    except ValidationError as error:
        session.expire(client)
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidChangeError(f"{first['loc'][-1]} cannot be that: {first['msg']}.") from error
    session.flush()
    return client


def replace_secret(session: Session, client_id: str) -> NewClient:
    """Give a client a new secret; the old one is worthless once the change is published. The caller commits.

    :raises NotFoundError: no such client.
    """
    client = _client(session, client_id)
    made = NewClient(client_id, new_secret())
    client.secret_hash = hash_secret(made.client_secret)
    return made


def delete_client(session: Session, client_id: str) -> None:
    """Revoke a client; the caller commits.

    :raises NotFoundError: no such client.
    """
    session.delete(_client(session, client_id))
    session.flush()


def authenticate(session: Session, client_id: str, secret: str) -> Client | None:
    """The client whose id and secret these are, or None; what it may do is the caller's to decide."""
    client = session.get(Client, client_id)
    matches = secret_matches(secret, client.secret_hash if client is not None else None)
    return client if matches else None


def may_read(session: Session, client: Client, project_id: str) -> bool:
    """Whether the client may read the project: a read client its own, a root client all of its organisation."""
    if client.type == ClientType.READ:
        return client.project_id == project_id
    if client.type != ClientType.ROOT:
        return False
    project = session.get(Project, project_id)
    return project is not None and project.organization_id == client.organization_id


def _client(session: Session, client_id: str) -> Client:
    client = session.get(Client, client_id)
    if client is None:
        raise NotFoundError(f"There is no client {client_id}.")
    return client
