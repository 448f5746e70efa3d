"""Columns that many rows have alike, with their JSON ready: what is the same in a thousand rows is written once."""

from collections.abc import Mapping
from typing import Any

import orjson


class Columns(dict[str, Any]):
    """Columns of a row by name, never changed once made. ``json``: they as they stand in the row, without braces."""

    __slots__ = ("json",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.json = orjson.dumps(values)[1:-1]


def row_json(own: Mapping[str, Any], *shared: Columns) -> bytes:
    """The JSON object of a row of ``own`` columns (at least one) and shared ones; none may be there twice."""
    return b"%b,%b}" % (orjson.dumps(own)[:-1], b",".join([columns.json for columns in shared]))
