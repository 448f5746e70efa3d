"""Exports: any table or query, as a stream that needs the same memory however much it is."""

import re
from collections.abc import Callable
from typing import BinaryIO

import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.export_format import CUT_OFF, FORMATS, SETTINGS, Column, CutOffError, Format
from sinks.export_source import QUERY, ExportError, Source

_PIECE_BYTES = 256 * 1024
_SAID = re.compile(r"DB::Exception: (?P<words>.*?)(?: \(version [^)]*\))?(?: \(for url [^)]*\))?\s*\Z", re.DOTALL)
Progress = Callable[[int, int], None]
"""Told with each piece how many rows and bytes are through."""


def export(client: Client, source: Source, format_name: str, out: BinaryIO, progress: Progress) -> tuple[int, int]:
    """Write the rows of the source; how many rows and bytes. Reads only. What is written when this raises is of no use.

    :raises ExportError: ClickHouse refuses the query.
    :raises CutOffError: the rows ended in the middle.
    """
    form = FORMATS[format_name](out, describe(client, source))
    try:
        for query in source.queries:
            _stream(client, source, query, form, progress)
    except ClickHouseError as error:
        raise _refused(source, error) from error
    form.end()
    progress(form.rows, form.written)
    return form.rows, form.written


def describe(client: Client, source: Source) -> list[Column]:
    """The columns of the source. Raises ExportError."""
    try:
        rows = client.query(
            f"describe table ({source.shape}\n)", source.parameters, settings={"readonly": 2}
        ).result_rows
    except ClickHouseError as error:
        raise _refused(source, error) from error
    return [Column(str(row[0]), str(row[1])) for row in rows]


def _refused(source: Source, error: ClickHouseError) -> ExportError:
    """In ClickHouse's words, without what its driver puts around them."""
    said = _SAID.search(str(error))
    why = said["words"].strip() if said is not None else str(error)
    which = "the query" if source.name == QUERY else f"the query of {source.name}"
    return ExportError(f"ClickHouse refused {which}: {why}")


def _stream(client: Client, source: Source, query: str, form: Format, progress: Progress) -> None:
    try:
        with client.raw_stream(form.select(query), source.parameters, settings=SETTINGS, fmt=form.clickhouse) as pieces:
            # Not piece by piece as it comes: that would be row by row.
            while piece := pieces.read(_PIECE_BYTES):
                form.feed(piece)
                progress(form.rows, form.written)
    except urllib3.exceptions.HTTPError as error:
        raise CutOffError(f"{CUT_OFF} ({error})") from error
    form.end_query()
