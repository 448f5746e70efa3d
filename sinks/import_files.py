"""Reading files of rows, one row at a time: lines of JSON, CSV, Parquet."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from sinks.errors import SinkError

MAX_LINE_BYTES = 8 * 1024 * 1024
"""Longer lines are no rows of Weir's; they are not read into memory."""
_BATCH_ROWS = 1_000


class ImportFileError(SinkError):
    """A file cannot be read as what it should be."""


class FileRow(NamedTuple):
    """A row of a file. ``number`` counts from 1; ``values`` is None, and ``problem`` says why, where it is none."""

    number: int
    values: dict[str, Any] | None
    problem: str
    text: str
    """What stands there, for whoever is to mend it."""


def read_rows(file: BinaryIO, format_name: str) -> Iterator[FileRow]:
    """The rows, in their order; memory does not grow with the file.

    :raises ImportFileError: the file is not of that format.
    """
    match format_name:
        case "jsonl":
            return _json_lines(file)
        case "csv":
            return _csv(file)
    return _parquet(file)


def format_of(path: str) -> str:
    """The format that a file's name ends with.

    :raises ImportFileError: none that is known.
    """
    endings = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
    found = endings.get(Path(path).suffix.lower())
    if found is None:
        raise ImportFileError(f"{path} ends with none of {', '.join(endings)}: say --format.")
    return found


def _json_lines(file: BinaryIO) -> Iterator[FileRow]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        if not line.endswith(b"\n") and len(line) == MAX_LINE_BYTES:
            while (more := file.readline(MAX_LINE_BYTES)) and not more.endswith(b"\n"):
                pass
            yield FileRow(number, None, f"The line has more than {MAX_LINE_BYTES} bytes.", "")
            continue
        if line.isspace():
            continue
        text = line.decode(errors="replace").rstrip("\r\n")
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield FileRow(number, None, f"It is not JSON: {error}.", text)
            continue
        if isinstance(values, dict):
            yield FileRow(number, values, "", text)
        else:
            yield FileRow(number, None, "It is not a JSON object.", text)


def _csv(file: BinaryIO) -> Iterator[FileRow]:
    csv.field_size_limit(MAX_LINE_BYTES)
    # Bytes that are no UTF-8 are kept in the text, and found when the row is looked at. Spreadsheets begin with a mark.
    lines = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(lines)
    names: list[str] | None = None
    number = 0
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            lines.detach()
            return
        except csv.Error as error:
            number += 1
            yield FileRow(number, None, f"It is not CSV: {error}.", "")
            continue
        if names is None:
            names = fields
            continue
        number += 1
        text = ",".join(fields).encode(errors="surrogateescape").decode(errors="replace")
        if len(fields) == len(names):
            yield FileRow(number, dict(zip(names, fields, strict=True)), "", text)
        elif fields:
            yield FileRow(number, None, f"It has {len(fields)} fields, the first line names {len(names)}.", text)


def _parquet(file: BinaryIO) -> Iterator[FileRow]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    number = 0
    try:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=_BATCH_ROWS):
            for values in batch.to_pylist():
                number += 1
                yield FileRow(number, values, "", orjson.dumps(values, default=str).decode(errors="replace"))
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise ImportFileError(f"The file cannot be read as Parquet behind row {number}: {error}.") from error
