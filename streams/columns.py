"""Columns that many rows have alike, with their JSON ready: what is the same in a thousand rows is written once."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

import orjson


class Columns(dict[str, Any]):
    """Columns of a row by name, never changed once made. ``json``: they as in the row, a comma before each."""

    __slots__ = ("json",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.json = b"," + orjson.dumps(values)[1:-1] if values else b""


@lru_cache(maxsize=8_192)
def remembered_columns(names: tuple[str, ...], values: tuple[Any, ...]) -> Columns:
    """Columns of these names and values, made once for all rows that have them."""
    return Columns(dict(zip(names, values, strict=True)))


class Row(Mapping[str, Any]):
    """All columns of a row: its ``own``, and those that it shares with others."""

    __slots__ = ("_own", "_shared")

    def __init__(self, own: Mapping[str, Any], shared: tuple[Columns, ...]) -> None:
        self._own = own
        self._shared = shared

    def __getitem__(self, name: str) -> Any:
        if name in self._own:
            return self._own[name]
        for columns in self._shared:
            if name in columns:
                return columns[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return chain(self._own, *self._shared)

    def __len__(self) -> int:
        return len(self._own) + sum(map(len, self._shared))


def row_json(own: Mapping[str, Any], shared: tuple[Columns, ...]) -> bytes:
    """The JSON object of a row of ``own`` columns (at least one) and shared ones; none may be there twice."""
    parts = [orjson.dumps(own)[:-1]]
    for columns in shared:  # a comprehension takes half as long again
        parts.append(columns.json)  # noqa: PERF401
    parts.append(b"}")
    return b"".join(parts)
