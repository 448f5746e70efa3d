"""Reading SQL text: where statements end, and where an INSERT's data begin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.sql_text import identifier, literal, statements
from sinks.store.statement import read_statement


def test_statements_end_at_semicolons_outside_quotes_and_comments() -> None:
    script = "-- one; two\nselect ';', `a;b` /* ; */ from t;\n\ncreate table u (a Int8); -- end\n"
    assert statements(script) == ["select ';', `a;b` /* ; */ from t", "create table u (a Int8)"]


@given(st.text())
def test_quoted_text_is_one_statement(text: str) -> None:
    script = f"select {literal(text)}, {identifier(text)}"
    assert statements(script) == [script]


@pytest.mark.parametrize(
    ("text", "keyword", "format_name"),
    [
        (b"select 1", "SELECT", None),
        (b" -- FORMAT x\n (select 'FORMAT y') format JSON\n settings a = 1", "SELECT", "JSON"),
        (b"with 1 as format select format", "WITH", None),
        (b"select * from (select 1 format) FORMAT Native;", "SELECT", "Native"),
        (b"", "", None),
        (b"\xff\x00'", "", None),
    ],
)
def test_keyword_and_format(text: bytes, keyword: str, format_name: str | None) -> None:
    statement = read_statement(text)
    assert statement.keyword == keyword
    if format_name is not None:
        assert statement.format == format_name
    assert statement.data is None


@given(st.binary())
def test_insert_data_are_taken_as_they_are(data: bytes) -> None:
    statement = read_statement(b"insert into t (a, `format`) settings x = 'FORMAT q' FORMAT Native\n" + data)
    assert statement.data == data
    assert statement.format == "Native"
    assert statement.from_file("/f") == (
        "insert into t (a, `format`)  FROM INFILE '/f' COMPRESSION 'none'  settings x = 'FORMAT q'  FORMAT Native"
    )


@given(st.binary())
def test_values_are_data_and_a_select_has_none(data: bytes) -> None:
    values = read_statement(b"INSERT INTO t VALUES " + data)
    assert values.data == b" " + data
    assert values.format == "Values"
    assert read_statement(b"insert into t select * from u format Null").data is None


@given(st.binary())
def test_no_text_makes_it_raise(text: bytes) -> None:
    read_statement(text)
