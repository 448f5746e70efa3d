"""Cohorts: groups of people that somebody defined, and who was in them when they were last counted.

Each count is a version of its own. Its members are written first and its row last, so a version that is there is
whole; a count that broke off was none. Members are known by the hash of their id, as everybody is in rollups.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.rendering import on_cluster
from sinks.settings import SinkSettings

KINDS = ("profile", "device")
"""What a member's id is the id of."""
_COLUMNS = ("project_id", "cohort_id", "version", "name", "definition", "members", "computed_at", "is_deleted")
_KEPT_VERSIONS = 2
_SETTINGS = {"mutations_sync": 2}


@dataclass(frozen=True, slots=True)
class Cohort:
    """A version of a cohort. ``definition``: what its members have in common, in the words of whoever counted them."""

    project_id: str
    cohort_id: str
    version: int
    name: str
    definition: Mapping[str, Any]
    members: int
    computed_at: datetime


def count_members(
    client: Client,
    settings: SinkSettings,
    project_id: str,
    cohort_id: str,
    name: str,
    definition: Mapping[str, Any],
    people: str,
    parameters: Mapping[str, Any] | None = None,
) -> Cohort:
    """Count a cohort anew. ``people``: a query with the columns ``kind`` (one of `KINDS`) and ``id``; whoever it gives
    twice is one member, an empty id is none. Versions before the last one are forgotten.

    Safe to repeat; of two at the same time the one that began later stands.

    :raises ClickHouseError: the query fails, or ClickHouse refuses.
    """
    version = max(time.time_ns(), 1 + _newest(client, project_id, cohort_id))
    place = {"project_id": project_id, "cohort_id": cohort_id, "version": version}
    client.command(
        "insert into cohort_members (project_id, cohort_id, version, kind, member) "
        "select {project_id:String}, {cohort_id:String}, {version:UInt64}, kind, cityHash64(id) "
        f"from (select distinct kind, id from ({people}) where id != '')",
        {**(parameters or {}), **place},
    )
    members = int(
        client.query(
            "select uniqExact(kind, member) from cohort_members where project_id = {project_id:String} "
            "and cohort_id = {cohort_id:String} and version = {version:UInt64}",
            place,
        ).result_rows[0][0]
    )
    found = Cohort(project_id, cohort_id, version, name, definition, members, _now())
    _write(client, found, is_deleted=False)
    _forget(client, settings, project_id, cohort_id, _KEPT_VERSIONS)
    return found


def delete_cohort(client: Client, settings: SinkSettings, project_id: str, cohort_id: str) -> None:
    """Nobody is in it any more; its members are forgotten. Safe to repeat, and for one that is not there."""
    newest = _newest(client, project_id, cohort_id)
    if newest:
        gone = Cohort(project_id, cohort_id, max(time.time_ns(), 1 + newest), "", {}, 0, _now())
        _write(client, gone, is_deleted=True)
        _forget(client, settings, project_id, cohort_id, 1)


def read_cohorts(client: Client, project_id: str) -> list[Cohort]:
    """The newest version of each cohort of a project, by its id; not those that were deleted."""
    rows = client.query(
        f"select {', '.join(_COLUMNS)} from cohorts final where project_id = {{project:String}} "
        "order by cohort_id, version desc limit 1 by cohort_id",
        {"project": project_id},
    ).named_results()
    return [
        Cohort(
            project_id=str(row["project_id"]),
            cohort_id=str(row["cohort_id"]),
            version=int(row["version"]),
            name=str(row["name"]),
            definition=json.loads(row["definition"]),
            members=int(row["members"]),
            computed_at=row["computed_at"].replace(tzinfo=UTC),
        )
        for row in rows
        if not row["is_deleted"]
    ]


def _newest(client: Client, project_id: str, cohort_id: str) -> int:
    sql = "select max(version) from cohorts where project_id = {project:String} and cohort_id = {cohort:String}"
    return int(client.query(sql, {"project": project_id, "cohort": cohort_id}).result_rows[0][0])


def _now() -> datetime:
    """To the millisecond, as it is stored."""
    return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)


def _write(client: Client, cohort: Cohort, *, is_deleted: bool) -> None:
    row = [
        *(cohort.project_id, cohort.cohort_id, cohort.version, cohort.name),
        *(json.dumps(dict(cohort.definition), sort_keys=True), cohort.members, cohort.computed_at, int(is_deleted)),
    ]
    client.insert("cohorts", [row], column_names=list(_COLUMNS))


def _forget(client: Client, settings: SinkSettings, project_id: str, cohort_id: str, kept: int) -> None:
    """Members of all versions but the newest ``kept``, and of counts that broke off before these."""
    parameters = {"project": project_id, "cohort": cohort_id}
    its = "project_id = {project:String} and cohort_id = {cohort:String}"
    versions = client.query(f"select distinct version from cohorts where {its} order by version desc", parameters)
    oldest = [int(version) for (version,) in versions.result_rows][:kept][-1]
    old = f"{its} and version < {oldest}"
    if client.query(f"select 1 from cohort_members where {old} limit 1", parameters).result_rows:
        client.command(
            f"alter table cohort_members{on_cluster(settings)} delete where {old}", parameters, settings=_SETTINGS
        )
