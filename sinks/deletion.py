"""Rows that are deleted, and seen to be gone."""

from collections.abc import Mapping
from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.errors import DeletionError
from sinks.sql_text import identifier

_SETTINGS = {"mutations_sync": 2, "lightweight_deletes_sync": 2}


def delete_rows(client: Client, table: str, condition: str, parameters: Mapping[str, Any] | None = None) -> None:
    """Delete the rows of the table that meet the condition, and wait until it is done. Safe to repeat.

    :raises DeletionError: ClickHouse says that they are gone, and they are not.
    """
    told = dict(parameters or {})
    client.command(f"delete from {identifier(table)} where {condition}", told, settings=_SETTINGS)
    left = client.query(f"select count() from {identifier(table)} where {condition}", told).result_rows[0][0]
    if left:
        raise DeletionError(table, int(left))
