"""Statements of migrations for the ClickHouse at hand: a single node or a cluster, and its broker.

On a single node all is in one database. On a cluster there are two: in ``<database>_local`` each shard has the rows of
its own topics, with all that brings them in and adds them up; in ``<database>``, which everybody reads, a Distributed
table of the same name stands for each of them. Small tables that any shard's rows are looked up in are the same on
every node, and are in ``<database>`` themselves.
"""

import re

from schemas import topics
from schemas.shards import SHARDED
from sinks.errors import MigrationError
from sinks.settings import SinkSettings
from sinks.sql_text import identifier, literal
from sinks.tables import TABLES

EVERYWHERE = frozenset(
    {
        *("profiles", "groups", "identities", "cohorts", "cohort_members"),
        *("erased", "dead_letter_outcomes", "retained", "retention_runs", "retention_passed"),
        *("rollup_checks", "daily_rollups", "audits", "schema_migrations"),
    }
)
"""Tables that every node of a cluster has whole: those that keep the newest version of a row only, so that a message
that two shards take changes nothing, and those that commands write.
"""

_PLACEHOLDER = re.compile(r"\{\{([a-z_]+)(?::([^}]*))?\}\}")
_NAMED = re.compile(r"\{\{database\}\}\.([a-z_0-9]+)")
_VIEW = re.compile(r"create (?:or replace )?view\b")
_STORED = re.compile(r"create table if not exists \{\{database\}\}\.([a-z_0-9]+)")
_DROPPED = re.compile(r"drop table if exists \{\{database\}\}\.([a-z_0-9]+)")
_COLUMNS = re.compile(
    r"alter table \{\{database\}\}\.([a-z_0-9]+)[^;]*?\b(?:add|drop|rename|modify) column\b", re.DOTALL
)
_CONSUMER = re.compile(
    r"create (?:table|materialized view) if not exists \{\{database\}\}\.[a-z_0-9]+_(?:queue|feed)\b"
)
_SHARD = ".{shard}"
"""As ``schemas.shards.copy_of``, filled in by each node itself."""


def render(statement: str, settings: SinkSettings, *, on_cluster: bool = True) -> str:
    """The statement for this ClickHouse.

    :param on_cluster: whether one node of a cluster tells all of them; else the statement is for one alone.
    :raises MigrationError: it has an unknown placeholder.
    """
    is_view = _VIEW.match(statement) is not None
    cluster = settings.clickhouse_cluster
    told = settings.consumers if _CONSUMER.match(statement) else cluster

    def placed(match: re.Match[str]) -> str:
        return f"{identifier(database_of(match.group(1), settings, reading=is_view))}.{match.group(1)}"

    def value(match: re.Match[str]) -> str:
        name, argument = match.group(1), match.group(2) or ""
        match name:
            case "database":
                return identifier(settings.clickhouse_database)
            case "on_cluster":
                return f"on cluster {identifier(told)}" if told and on_cluster else ""
            case "engine":
                stored = _STORED.match(statement)
                return _engine(argument, stored.group(1) if stored else "", settings)
            case "kafka":
                return literal(settings.bootstrap_for_store)
            case "group":
                return literal(_group(statement, argument, settings))
            case "topic":
                return literal(_topic(str(getattr(topics, argument)), settings))
        raise MigrationError(f"A migration has the unknown placeholder {match.group()}.")

    return _PLACEHOLDER.sub(value, _NAMED.sub(placed, statement))


def rendered(statement: str, settings: SinkSettings, *, on_cluster: bool = True) -> list[str]:
    """The statement for this ClickHouse and, on a cluster, what follows from it: the Distributed table beside one whose
    rows are divided among the shards, made anew when its columns change and dropped with it.

    :raises MigrationError: it has an unknown placeholder.
    """
    made = [render(statement, settings, on_cluster=on_cluster)]
    cluster = settings.clickhouse_cluster
    dropped = _DROPPED.match(statement)
    found = dropped or (_STORED if "{{engine:" in statement else _COLUMNS).match(statement)
    name = found.group(1) if found else ""
    if cluster is None or not name or name in EVERYWHERE or name.endswith("_arrivals"):
        return made
    told = f" on cluster {identifier(cluster)}" if on_cluster else ""
    local = settings.local_database
    if dropped:
        return [*made, f"drop table if exists {identifier(settings.clickhouse_database)}.{name}{told}"]
    # Rows that somebody puts in by hand go where their like are: partition mod shards.
    key = ", log_partition" if name in TABLES else ""
    beside = (
        f"create or replace table {identifier(settings.clickhouse_database)}.{name}{told} "
        f"as {identifier(local)}.{name}\n"
        f"engine = Distributed({literal(cluster)}, {literal(local)}, {literal(name)}{key})"
    )
    return [*made, beside]


def on_cluster(settings: SinkSettings) -> str:
    """What makes a statement one for all nodes of the cluster; nothing on a single node."""
    return f" on cluster {identifier(settings.clickhouse_cluster)}" if settings.clickhouse_cluster else ""


def database_of(name: str, settings: SinkSettings, *, reading: bool) -> str:
    """The database a table is in; ``reading``: where it is read by those who ask for all shards' rows."""
    if settings.clickhouse_cluster is None or reading or name in EVERYWHERE:
        return settings.clickhouse_database
    return settings.local_database


def _topic(name: str, settings: SinkSettings) -> str:
    return name + _SHARD if settings.clickhouse_shards > 1 and name in SHARDED else name


def _group(statement: str, table: str, settings: SinkSettings) -> str:
    """Topics of a shard's own have a group of its own; the others' partitions are shared out among the shards."""
    named = re.search(r"\{\{topic:([A-Z_]+)\}\}", statement)
    is_own = named is not None and _topic(str(getattr(topics, named.group(1))), settings).endswith(_SHARD)
    return topics.STORE_GROUP_PREFIX + table + (_SHARD if is_own else "")


def _engine(declared: str, table: str, settings: SinkSettings) -> str:
    name, _, arguments = declared.partition("(")
    inner = arguments.removesuffix(")")
    if settings.clickhouse_cluster is None:
        return f"{name}({inner})"
    whole = table in EVERYWHERE
    place = (
        "'/clickhouse/tables/all/{database}/{table}'" if whole else "'/clickhouse/tables/{shard}/{database}/{table}'"
    )
    replica = "'{shard}-{replica}'" if whole else "'{replica}'"
    return f"Replicated{name}({', '.join([place, replica, *([inner] if inner else [])])})"
