"""Whom a device or another id is linked to, in the table ``identities``."""

from clickhouse_connect.driver.client import Client


def linked_to(client: Client, project_id: str, kind: str, source_id: str) -> str | None:
    """The profile that a device (``kind`` is ``device``) or another id (``profile``) is linked to, as far as the store
    knows; None if to nobody.

    :raises ClickHouseError: ClickHouse refuses.
    """
    rows = client.query(
        """
        select profile_id from identities final
        where project_id = {project:String} and kind = {kind:String} and source_id = {source:String} and is_deleted = 0
        """,
        {"project": project_id, "kind": kind, "source": source_id},
    ).result_rows
    return str(rows[0][0]) if rows else None
