"""Who may read the views for dashboards: a user of ClickHouse for each project, who sees that project's rows only.

For servers: the embedded store has no users and listens on loopback only. The password reaches ClickHouse as a salted
hash, so that no log of queries can hold it.
"""

import hashlib
import secrets
from dataclasses import dataclass, field

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.errors import SinkError
from sinks.settings import SinkSettings
from sinks.sql_text import identifier, literal

VIEWS = ("grafana_events", "grafana_sessions", "grafana_hourly", "grafana_dead_letters")
LIMITS = {
    "max_execution_time": 30,
    "max_memory_usage": 1_000_000_000,
    "max_bytes_before_external_group_by": 400_000_000,
    "max_bytes_before_external_sort": 400_000_000,
    "max_result_rows": 1_000_000,
    "max_concurrent_queries_for_user": 8,
}
"""Bounds of one query, and of one user. The first may be lowered by who asks, as Grafana does."""
_PROFILE = "weir_grafana"
_NO_USERS = {497, 514}


class GrafanaError(SinkError):
    """The user could not be made or taken away; running again is safe."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user's name and the password, which is stored nowhere."""

    user: str
    password: str = field(repr=False)


def condition(project: str) -> str:
    """Which rows of a view are the project's."""
    return f"project = {literal(project)}"


def grant(client: Client, settings: SinkSettings, project: str) -> Login:
    """Make the project's user, or make it anew with another password.

    :raises GrafanaError: this ClickHouse has no users, or refuses.
    """
    login = Login(_name(project), secrets.token_urlsafe(24))
    _run(client, grant_statements(settings, project, login))
    return login


def revoke(client: Client, settings: SinkSettings, project: str) -> None:
    """Take the project's user away, with all that it might. Safe to repeat.

    :raises GrafanaError: this ClickHouse has no users, or refuses.
    """
    _run(client, revoke_statements(settings, project))


def grant_statements(settings: SinkSettings, project: str, login: Login) -> list[str]:
    """The statements in an order in which at no moment more can be read than in the end: rows are bounded before the
    right to read is given.
    """
    told, user = _told(settings), identifier(login.user)
    salt = secrets.token_hex(16)
    password = hashlib.sha256(f"{login.password}{salt}".encode()).hexdigest()
    bounds = [f"{name} = {value} readonly" for name, value in LIMITS.items() if name != "max_execution_time"]
    seconds = LIMITS["max_execution_time"]
    bounds += ["readonly = 1", f"max_execution_time = {seconds} max {seconds} changeable_in_readonly"]
    database = identifier(settings.clickhouse_database)
    return [
        f"create settings profile or replace {_PROFILE}{told} settings {', '.join(bounds)}",
        (
            f"create user or replace {user}{told} "
            f"identified with sha256_hash by {literal(password)} salt {literal(salt)} "
            f"default database {database} settings profile {literal(_PROFILE)}"
        ),
        *(
            f"create row policy or replace {user}{told} on {database}.{view} for select "
            f"using {condition(project)} as permissive to {user}"
            for view in VIEWS
        ),
        *(f"grant{told} select on {database}.{view} to {user}" for view in VIEWS),
    ]


def revoke_statements(settings: SinkSettings, project: str) -> list[str]:
    """The user first: whoever is connected may read nothing from then on."""
    told, user = _told(settings), identifier(_name(project))
    database = identifier(settings.clickhouse_database)
    return [
        f"drop user if exists {user}{told}",
        *(f"drop row policy if exists {user}{told} on {database}.{view}" for view in VIEWS),
    ]


def _run(client: Client, statements: list[str]) -> None:
    for sql in statements:
        try:
            client.command(sql)
        except ClickHouseError as error:
            if getattr(error, "code", None) in _NO_USERS:
                raise GrafanaError(
                    "This ClickHouse lets Weir make no users: the embedded store has none and answers programs of its "
                    "own machine only; on a server Weir's user needs access management."
                ) from error
            # The statement is not repeated here: it holds the hash of a password.
            words = sql.split()
            raise GrafanaError(
                f"ClickHouse refused to {' '.join(words[:3])} (code {getattr(error, 'code', 'unknown')}): "
                "nothing more can be read than before; run it again."
            ) from error


def _name(project: str) -> str:
    return f"weir_project_{project}"


def _told(settings: SinkSettings) -> str:
    cluster = settings.clickhouse_cluster
    return f" on cluster {identifier(cluster)}" if cluster else ""
