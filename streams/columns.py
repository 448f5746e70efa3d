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


class Row(dict[str, Any]):
    """A row's own columns; those in ``shared`` can be asked for as if they were among them. Ask, don't iterate."""

    __slots__ = ("shared",)
    shared: tuple[Columns, ...]

    def __missing__(self, name: str) -> Any:
        for columns in self.shared:
            if name in columns:
                return columns[name]
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a column, its own or shared."""
        try:
            return self[name]
        except KeyError:
            return default


def row_json(own: Mapping[str, Any], shared: tuple[Columns, ...]) -> bytes:
    """The JSON object of a row of ``own`` columns (at least one) and shared ones; none may be there twice."""
    return b"%b,%b}" % (orjson.dumps(own)[:-1], b",".join([columns.json for columns in shared]))
