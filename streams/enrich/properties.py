"""An event's own properties made safe: whatever came in, what goes out can be cast to ClickHouse's JSON type.

That cast throws on repeated paths, on numbers that are not finite or over 64 bits and on lone surrogates, and one
throwing row would stop a partition. Hence a flat dict:

- Nested objects become dotted paths (``address.city``); no path is there twice, and none is the beginning of another
  (``a`` beside ``a.b``): of two that collide, the first stays.
- Texts stay texts, whatever they look like; booleans and finite numbers keep their type; integers beyond 64 bits
  become texts; NaN and infinities go; null says nothing and goes.
- An array of scalars stays an array, of one type: numbers, booleans or texts; mixed ones become texts. Arrays that
  hold objects or arrays are flattened by index (``items.0.name``). Empty arrays and objects say nothing and go.
- No control characters in paths, no NUL in texts; lone surrogates become U+FFFD; the limits below.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

import orjson

MAX_PATHS = 256
"""Properties of one event; those after them are left out."""
MAX_PATH = 256
"""Characters of a dotted path; longer ones are left out."""
MAX_DEPTH = 16
"""Segments of a path; what lies deeper is kept as JSON text, or left out if its key alone is deeper."""
MAX_TEXT = 4_096
"""Characters of a text; longer ones are cut."""
MAX_ITEMS = 256
"""Elements of an array; those after them are left out."""
KEY_CACHE_ENTRIES = 16_384

_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1
_NESTED = (dict, list, tuple, Mapping)
_INFINITY = float("inf")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_IN_KEYS = re.compile("[\x00-\x1f\x7f-\x9f]")


def safe_properties(value: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The safe form of parsed JSON properties, in a new dict, and how many values had to be changed or left out.

    Flattening alone is no change. The same input always gives the same output. Never raises.
    """
    paths: dict[str, Any] = {}
    if _add_plain(paths, "", 1, value) and len(paths) <= MAX_PATHS:
        return paths, 0
    return flatten(value)


def is_plain_path(key: str) -> bool:
    """Whether a key is a path of one segment that needs no change."""
    return len(key) <= MAX_PATH and _is_plain_key(key)


def safe_plain(value: Mapping[str, Any], keys: Iterable[str], more: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `safe_properties` makes of these keys (plain paths) of ``value``, and of what became ``more``, if none of it
    has to be changed; else None. ``more`` is safe already, and below keys that ``value`` has none of.
    """
    paths: dict[str, Any] = {}
    for key in keys:
        item = value[key]
        kind = type(item)
        if (kind is str and len(item) <= MAX_TEXT and item.isascii() and "\0" not in item) or (
            kind is float and -_INFINITY < item < _INFINITY
        ):
            paths[key] = item
        elif not _put_plain(paths, key, 1, item):
            return None
    paths.update(more)
    return paths if len(paths) <= MAX_PATHS else None


def flatten(value: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """`safe_properties` without its short cut: the same answer, several times slower."""
    flat = _Flat()
    flat.add_object("", 0, value)
    return flat.paths, flat.changed


def _add_plain(paths: dict[str, Any], parent: str, depth: int, value: Mapping[str, Any]) -> bool:
    """Flatten what needs no change, which is most of what is sent; False if something does.

    Without dots in keys the paths of a tree can't collide, so nothing is compared.
    """
    if len(paths) > MAX_PATHS:
        return False
    for key, item in value.items():
        if type(key) is not str or len(path := parent + key) > MAX_PATH or not _is_plain_key(key):
            return False
        if not _put_plain(paths, path, depth, item):
            return False
    return True


def _put_plain(paths: dict[str, Any], path: str, depth: int, item: Any) -> bool:
    kind = type(item)
    if kind is dict:
        return depth < MAX_DEPTH and _add_plain(paths, f"{path}.", depth + 1, item)
    if kind is list:
        return _add_plain_list(paths, path, depth, item)
    if _is_plain_scalar(item, kind):
        paths[path] = item
        return True
    return item is None


def _add_plain_list(paths: dict[str, Any], path: str, depth: int, items: list[Any]) -> bool:
    if not items:
        return True
    kinds = set(map(type, items))
    if len(kinds) > 1 or len(items) > MAX_ITEMS:
        return False
    kind = kinds.pop()
    if kind is dict:
        return depth + 1 < MAX_DEPTH and all(
            _add_plain(paths, f"{path}.{index}.", depth + 2, item) for index, item in enumerate(items)
        )
    paths[path] = items
    return all(_is_plain_scalar(item, kind) for item in items)


def _is_plain_scalar(item: Any, kind: type) -> bool:
    if kind is str:
        return len(item) <= MAX_TEXT and "\0" not in item and (item.isascii() or _is_sound(item))
    if kind is int:
        return bool(_MIN_INT <= item <= _MAX_INT)
    if kind is float:
        return bool(-_INFINITY < item < _INFINITY)
    return kind is bool


def _is_sound(text: str) -> bool:
    return _SURROGATE.search(text) is None


@lru_cache(maxsize=KEY_CACHE_ENTRIES)
def _is_plain_key(key: str) -> bool:
    """Whether a key is a path of one segment that needs no change."""
    return _segments(key) == [key]


def _segments(key: str) -> list[str]:
    if not _is_sound(key):
        key = _SURROGATE.sub("\ufffd", key)
    segments = (part.strip() for part in _NOT_IN_KEYS.sub("", key).split("."))
    return [part for part in segments if part]


class _Flat:
    """Paths under construction."""

    __slots__ = ("_parents", "changed", "paths")

    def __init__(self) -> None:
        self.paths: dict[str, Any] = {}
        self.changed = 0
        self._parents: set[str] = set()

    def add_object(self, parent: str, depth: int, value: Mapping[Any, Any]) -> None:
        for number, (key, item) in enumerate(value.items()):
            if len(self.paths) >= MAX_PATHS:
                self.changed += sum(each is not None for each in islice(value.values(), number, None))
                return
            if type(key) is str and len(key) <= MAX_PATH and _is_plain_key(key):
                self.add(f"{parent}.{key}" if parent else key, depth + 1, item)
                continue
            text = str(key)[: MAX_PATH + 1]
            segments = _segments(text)
            path = ".".join(segments)
            self.changed += path != text or not segments
            if segments:
                self.add(f"{parent}.{path}" if parent else path, depth + len(segments), item)

    def add(self, path: str, depth: int, item: Any) -> None:
        if item is None:
            return
        if len(self.paths) >= MAX_PATHS or len(path) > MAX_PATH or depth > MAX_DEPTH:
            self.changed += 1
        elif isinstance(item, Mapping):
            if depth == MAX_DEPTH:
                self._put_json(path, item)
            else:
                self.add_object(path, depth, item)
        elif isinstance(item, list | tuple):
            self._add_array(path, depth, item)
        elif (scalar := self._scalar(item)) is not None:
            self._put(path, scalar)

    def _add_array(self, path: str, depth: int, items: list[Any] | tuple[Any, ...]) -> None:
        if len(items) > MAX_ITEMS:
            self.changed += 1
            items = items[:MAX_ITEMS]
        if any(isinstance(item, _NESTED) for item in items):
            if depth == MAX_DEPTH:
                self._put_json(path, items)
            else:
                for index, item in enumerate(items):
                    self.add(f"{path}.{index}", depth + 1, item)
            return
        scalars = [scalar for item in items if item is not None and (scalar := self._scalar(item)) is not None]
        if not scalars:
            return
        kinds = {float if type(scalar) is int else type(scalar) for scalar in scalars}
        if len(kinds) > 1:
            self.changed += 1
            scalars = [scalar if isinstance(scalar, str) else orjson.dumps(scalar).decode() for scalar in scalars]
        self._put(path, scalars)

    def _scalar(self, item: Any) -> str | int | float | bool | None:
        kind = type(item)
        if kind is bool:
            return bool(item)
        if kind is int and _MIN_INT <= item <= _MAX_INT:
            return int(item)
        if kind is float:
            if -_INFINITY < item < _INFINITY:
                return float(item)
            self.changed += 1
            return None
        if kind is str:
            return self._text(item)
        self.changed += 1
        return self._text(str(item)) if kind is not int or item.bit_length() < MAX_TEXT else None

    def _text(self, text: str) -> str:
        safe = text[:MAX_TEXT]
        if "\0" in safe:
            safe = safe.replace("\0", "")
        if not safe.isascii():
            safe = _SURROGATE.sub("\ufffd", safe)
        self.changed += safe != text
        return safe

    def _put_json(self, path: str, item: Any) -> None:
        self.changed += 1
        try:
            text = orjson.dumps(item, option=orjson.OPT_NON_STR_KEYS).decode()
        except TypeError:  # lone surrogates, or nested deeper than orjson goes
            return
        self._put(path, self._text(text))

    def _put(self, path: str, value: Any) -> None:
        paths = self.paths
        if path in paths or path in self._parents or len(paths) >= MAX_PATHS:
            self.changed += 1
            return
        parents = []
        end = path.rfind(".")
        while end > 0:
            parent = path[:end]
            if parent in paths:
                self.changed += 1
                return
            if parent in self._parents:
                break
            parents.append(parent)
            end = path.rfind(".", 0, end)
        self._parents.update(parents)
        paths[path] = value
