"""What may be exported, and how rows become files."""

import io
from datetime import date

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from sinks.export_format import Column, Csv, CutOffError, JsonLines, Parquet
from sinks.export_source import ExportError, from_query
from sinks.kafka_log import Reach
from sinks.positions import settle


@pytest.mark.parametrize(
    "sql",
    ["select 1", "with 1 as a select a;", "select * from (select 'drop; table' as t)", "select 'format' -- FORMAT x"],
    ids=["select", "with", "nested", "quoted"],
)
def test_a_query_that_reads(sql: str) -> None:
    assert list(from_query(sql).queries) == [from_query(sql).shape]


@pytest.mark.parametrize(
    "sql",
    [
        *("", "drop table events", "select 1; drop table x", "insert into x select 1", "select 1 into outfile 'x'"),
        *("select 1 format CSV", "show tables", "selec"),
    ],
    ids=["none", "drop", "two", "insert", "outfile", "format", "show", "typo"],
)
def test_any_other(sql: str) -> None:
    with pytest.raises(ExportError):
        from_query(sql)


COLUMNS = [
    Column("n", "UInt64"),
    Column("at", "DateTime64(3, 'UTC')"),
    Column("name", "LowCardinality(Nullable(String))"),
    Column("tags", "Array(LowCardinality(String))"),
    Column("properties", "JSON(max_dynamic_paths=256)"),
    Column("day", "Date"),
    Column("states", "Map(String, UInt8)"),
]


def test_what_a_format_cannot_hold_is_a_text_of_json() -> None:
    assert "`tags`, toJSONString(`properties`)" in Parquet(io.BytesIO(), COLUMNS).select("q")
    assert "toJSONString(`tags`) as `tags`" in Csv(io.BytesIO(), COLUMNS).select("q")
    assert JsonLines(io.BytesIO(), COLUMNS).select("q") == "q"


def test_rows_are_counted_wherever_the_stream_is_cut() -> None:
    data = b'1,"a\n""b"\n2,"c"\n'
    for cut in range(len(data)):
        out = io.BytesIO()
        form = Csv(out, [Column("a", "UInt8"), Column("b", "String")])
        for piece in (data[:cut], data[cut:]):
            form.feed(piece)
        form.end_query()
        assert (form.rows, out.getvalue()) == (2, b'"a","b"\n' + data)


def test_parquet_has_types() -> None:
    out = io.BytesIO()
    form = Parquet(out, COLUMNS[:6])
    times = b'"at":"2026-03-01T10:00:00.123Z","day":20513'
    line = b'{"n":18446744073709551615,%b,"name":null,"tags":["x"],"properties":"{}"}\n' % times
    form.feed(line[:20])
    form.feed(line[20:] + line)
    form.end_query()
    form.end()
    table = pq.read_table(io.BytesIO(out.getvalue()))
    assert (form.rows, table.num_rows) == (2, 2)
    assert [str(field.type) for field in table.schema] == [
        "uint64",
        "timestamp[ms, tz=UTC]",
        "string",
        "list<element: string>",
        "string",
        "date32[day]",
    ]
    assert table.column("day").to_pylist() == [date(2026, 3, 1)] * 2
    assert table.column("n").to_pylist() == [2**64 - 1] * 2


def test_no_rows_are_a_file_too() -> None:
    out = io.BytesIO()
    form = Parquet(out, COLUMNS[:5])
    form.end_query()
    form.end()
    assert pq.read_table(io.BytesIO(out.getvalue())).num_rows == 0


@pytest.mark.parametrize(
    "end", [b'{"a":1', b'{"a":1}\nCode: 241. DB::Exception: Memory limit\n', b'"open'], ids=["line", "said", "quote"]
)
def test_a_stream_that_breaks_off_is_no_file(end: bytes) -> None:
    for form in (JsonLines(io.BytesIO(), COLUMNS), Csv(io.BytesIO(), COLUMNS), Parquet(io.BytesIO(), COLUMNS)):
        form.feed(end)
        with pytest.raises(CutOffError):
            form.end_query()


def test_positions_are_set_to_what_the_log_has() -> None:
    reach = {0: Reach(10, 50), 1: Reach(0, 5), 2: Reach(0, 9)}
    assert settle({0: 4, 1: 9}, reach, is_same=True) == ({0: 10, 1: 5, 2: 0}, 6)
    assert settle({0: 40, 1: 3}, reach, is_same=False) == ({0: 10, 1: 0, 2: 0}, 0)
