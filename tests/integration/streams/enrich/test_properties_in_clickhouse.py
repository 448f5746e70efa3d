"""What `safe_properties` lets through, against the real engine: the cast to JSON never throws and loses no path."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from chdb.session import Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.enrich.properties import safe_properties
from tests.unit.streams.enrich.json_values import JSON_OBJECTS, SCALARS

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def engine() -> Iterator[Session]:
    session = Session()
    session.query("create table lines (line String) engine = Memory")
    session.query("create table events (properties JSON) engine = MergeTree order by tuple()")
    yield session
    session.close()


def cast(engine: Session, rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Store the rows as the ingest view does, from text, and return each one's paths and their types."""
    lines = b"\n".join(orjson.dumps({"line": orjson.dumps(row).decode()}) for row in rows)
    engine.query("truncate table lines")
    engine.query("truncate table events")
    engine.query(b"insert into lines format JSONEachRow\n".decode() + lines.decode())
    engine.query(
        "insert into events select CAST(line, 'JSON') from lines"
        " settings input_format_try_infer_dates = 0, input_format_try_infer_datetimes = 0"
    )
    answer = engine.query("select JSONAllPathsWithTypes(properties) paths from events format JSONEachRow")
    return [orjson.loads(line)["paths"] for line in str(answer).strip().split("\n")]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(JSON_OBJECTS, min_size=1, max_size=30))
def test_cast_never_throws(engine: Session, values: list[dict[str, Any]]) -> None:
    rows = [safe_properties(value)[0] for value in values]
    assert sorted(sorted(paths) for paths in cast(engine, rows)) == sorted(sorted(row) for row in rows)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({"a": SCALARS | st.lists(SCALARS, max_size=3)}), min_size=2, max_size=30))
def test_one_path_of_many_types(engine: Session, values: list[dict[str, Any]]) -> None:
    rows = [safe_properties(value)[0] for value in values]
    assert len(cast(engine, rows)) == len(rows)


TYPES: list[tuple[Any, str]] = [
    ("x", "String"),
    ("2024-01-01", "String"),
    ("2024-01-01 10:00:00", "String"),
    ("[1]", "String"),
    ("1", "String"),
    (1, "Int64"),
    (2**63 - 1, "Int64"),
    (1.5, "Float64"),
    (True, "Bool"),
    (["a"], "Array(Nullable(String))"),
    ([1], "Array(Nullable(Int64))"),
    ([1, 0.5], "Array(Nullable(Float64))"),
    ([True], "Array(Nullable(Bool))"),
]


@pytest.mark.parametrize(("value", "kind"), TYPES)
def test_types_are_kept(engine: Session, value: object, kind: str) -> None:
    assert cast(engine, [safe_properties({"a": value})[0]]) == [{"a": kind}]
