"""The formats of an export: how ClickHouse's stream of rows becomes a file, piece by piece."""

import io
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from sinks.errors import SinkError
from sinks.sql_text import identifier

_GROUP_BYTES = 8 * 1024 * 1024
"""Lines of so many bytes become a row group of Parquet."""
_PLAIN = re.compile(
    r"(U?Int(8|16|32|64)|Float(32|64)|Bool|Date|Date32|DateTime\b.*|DateTime64\b.*|String|UUID|Enum.*)$"
)


class CutOffError(SinkError):
    """The rows ended before they were all there."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an export; ``kind`` is ClickHouse's name of its type."""

    name: str
    kind: str

    @property
    def plain(self) -> str:
        """The type without what only says how it is stored."""
        return _bare(self.kind)

    def expression(self, *, arrow: bool) -> str:
        """How it is read: as it is, or as a text of JSON if it holds more than a value. With ``arrow`` as Arrow takes
        lines of JSON: arrays of values as they are, days by their number.
        """
        quoted, plain = identifier(self.name), self.plain
        if arrow and plain in ("Date", "Date32"):
            return f"toInt32({quoted}) as {quoted}"
        if _PLAIN.match(plain) or (arrow and plain.startswith("Array(") and _PLAIN.match(_bare(plain[6:-1]))):
            return quoted
        if plain.startswith(("Array(", "JSON", "Map(", "Tuple(", "Object(", "Nested(", "Dynamic", "Variant(")):
            return f"toJSONString({quoted}) as {quoted}"
        return f"toString({quoted}) as {quoted}"


class Format(ABC):
    """One way to write rows. Feed it the pieces of each query's stream in their order, then ``end`` it.

    ``rows`` counts the rows that are through.
    """

    clickhouse: str
    """The format to ask ClickHouse for."""

    def __init__(self, out: BinaryIO, columns: Sequence[Column]) -> None:
        self.rows = 0
        self.written = 0
        self._out = out
        self._columns = columns

    @abstractmethod
    def select(self, query: str) -> str:
        """The query as this format needs it."""

    @abstractmethod
    def feed(self, piece: bytes) -> None:
        """A piece of the stream, cut anywhere."""

    @abstractmethod
    def end_query(self) -> None:
        """A query's stream is at its end. Raises CutOffError when that cannot be."""

    def end(self) -> None:  # noqa: B027 - most formats have no foot
        """There are no more rows."""

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self.written += len(data)


class JsonLines(Format):
    """An object a line."""

    clickhouse = "JSONEachRow"

    def __init__(self, out: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(out, columns)
        self._last = b"\n"

    def select(self, query: str) -> str:
        return query

    def feed(self, piece: bytes) -> None:
        self.rows += piece.count(b"\n")
        self._last = (self._last + piece)[-_TAIL:]
        self._write(piece)

    def end_query(self) -> None:
        _must_be_whole(self._last)


class Csv(Format):
    """RFC 4180 with the columns' names in the first line; what is more than a value as JSON."""

    clickhouse = "CSV"

    def __init__(self, out: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(out, columns)
        self._last = b"\n"
        self._is_quoted = False
        self._write(",".join(_csv_name(column.name) for column in columns).encode() + b"\n")

    def select(self, query: str) -> str:
        return f"select {', '.join(column.expression(arrow=False) for column in self._columns)} from ({query}\n)"

    def feed(self, piece: bytes) -> None:
        outside: list[bytes] = []
        for number, part in enumerate(piece.split(b'"')):
            if number:
                self._is_quoted = not self._is_quoted
            if not self._is_quoted:
                self.rows += part.count(b"\n")
                outside.append(part)
        # What stands in quotes is a value, and says whatever its sender liked.
        self._last = (self._last + b"".join(outside))[-_TAIL:]
        self._write(piece)

    def end_query(self) -> None:
        _must_be_whole(self._last)
        if self._is_quoted:
            raise CutOffError(CUT_OFF)


class Parquet(Format):
    """Parquet, compressed with zstd; a row group for each 8 MiB of lines, so a reader needs little memory as well."""

    clickhouse = "JSONEachRow"

    def __init__(self, out: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(out, columns)
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        self._schema = pa.schema([(column.name, _arrow_type(column)) for column in columns])
        self._writer = pq.ParquetWriter(out, self._schema, compression="zstd")
        self._waiting: list[bytes] = []
        self._size = 0

    def select(self, query: str) -> str:
        return f"select {', '.join(column.expression(arrow=True) for column in self._columns)} from ({query}\n)"

    def feed(self, piece: bytes) -> None:
        self._waiting.append(piece)
        self._size += len(piece)
        if self._size < _GROUP_BYTES:
            return
        lines, _, rest = b"".join(self._waiting).rpartition(b"\n")
        self._waiting, self._size = [rest], len(rest)
        self._write_group(lines)

    def end_query(self) -> None:
        lines = b"".join(self._waiting)
        _must_be_whole(b"\n" + lines)
        self._waiting, self._size = [], 0
        self._write_group(lines)

    def end(self) -> None:
        self._writer.close()
        self.written = self._out.tell() if self._out.seekable() else self.written

    def _write_group(self, lines: bytes) -> None:
        if not lines.strip():
            return
        import pyarrow.json as pj  # type: ignore[import-untyped]

        table = pj.read_json(
            io.BytesIO(lines),
            # In one piece: a line must not be cut by a block's end.
            read_options=pj.ReadOptions(use_threads=False, block_size=len(lines) + 1),
            parse_options=pj.ParseOptions(explicit_schema=self._schema, unexpected_field_behavior="error"),
        )
        self._writer.write_table(table.select(self._schema.names).cast(self._schema))
        self.rows += table.num_rows
        self.written += len(lines)


FORMATS: dict[str, type[Format]] = {"jsonl": JsonLines, "csv": Csv, "parquet": Parquet}
"""Formats by the names that the command and a file's ending have for them."""

SETTINGS = {
    # 2: nothing may be changed, settings may be given.
    "readonly": 2,
    "date_time_output_format": "iso",
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_denormals": 0,
    "format_csv_null_representation": "",
    "max_query_size": 64 * 1024 * 1024,
    "max_bytes_before_external_sort": 200_000_000,
    "max_bytes_before_external_group_by": 200_000_000,
}
"""Settings of every query of an export."""

_TAIL = 4096
CUT_OFF = "ClickHouse broke off in the middle of the rows: see its log, then export again."
_EXCEPTION = re.compile(rb"(?:^|\n)(Code: \d+\. DB::.*|__exception__.*)", re.DOTALL)


def _must_be_whole(last: bytes) -> None:
    """A server that fails in the middle writes its complaint behind the rows, or nothing."""
    told = _EXCEPTION.search(last)
    if told is not None:
        raise CutOffError(f"{CUT_OFF} It said: {told.group(1)[:500].decode(errors='replace')}")
    if not last.endswith(b"\n"):
        raise CutOffError(CUT_OFF)


def _bare(kind: str) -> str:
    while (
        match := re.fullmatch(r"(?:LowCardinality|Nullable|SimpleAggregateFunction)\((?:\w+, )?(.*)\)", kind)
    ) is not None:
        kind = match.group(1)
    return kind


def _csv_name(name: str) -> str:
    return f'"{name.replace(chr(34), chr(34) * 2)}"'


def _arrow_type(column: Column) -> Any:
    plain = column.plain
    if plain.startswith("Array(") and _PLAIN.match(_bare(plain[6:-1])):
        import pyarrow as pa

        return pa.list_(_scalar(_bare(plain[6:-1])))
    return _scalar(plain)


def _scalar(plain: str) -> Any:
    import pyarrow as pa

    if (number := re.fullmatch(r"(U?Int|Float)(8|16|32|64)", plain)) is not None:
        return getattr(pa, f"{number.group(1).lower()}{number.group(2)}")()
    if plain in ("Date", "Date32"):
        return pa.date32()
    if plain.startswith("DateTime64"):
        digits = int(re.sub(r"\D.*", "", plain.removeprefix("DateTime64(")))
        return pa.timestamp("ms" if digits <= 3 else "us" if digits <= 6 else "ns", tz="UTC")
    if plain.startswith("DateTime"):
        return pa.timestamp("s", tz="UTC")
    return pa.bool_() if plain == "Bool" else pa.string()
