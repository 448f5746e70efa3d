"""What workers write is what the Kafka tables read: the same fields, of the same types."""

import re
import types
import typing
from collections.abc import Iterator

import pytest
from annotated_types import Ge, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.event import Event
from schemas.group import Group
from schemas.identity import Identity
from schemas.ledger import LedgerRow
from schemas.profile import Profile
from schemas.replay import ReplayChunk
from schemas.row import Time
from schemas.session import Session
from sinks.migration_files import read_migrations

MODELS: dict[str, type[BaseModel]] = {
    "events": Event,
    "sessions": Session,
    "profiles": Profile,
    "groups": Group,
    "identities": Identity,
    "replay_chunks": ReplayChunk,
    "ledger": LedgerRow,
}
_INTEGERS = {
    (0, 1): "UInt8",
    (0, 2**8 - 1): "UInt8",
    (0, 2**16 - 1): "UInt16",
    (0, 2**32 - 1): "UInt32",
    (0, 2**64 - 1): "UInt64",
    (-(2**7), 2**7 - 1): "Int8",
    (-(2**63), 2**63 - 1): "Int64",
}
_TIME_PATTERN = typing.get_args(Time)[1].metadata[0].pattern
# The model says text; the store keeps what the text always is.
_NARROWER = {("events", "event_id"): "UUID"}


def columns(table: str) -> dict[str, str]:
    """Columns of a table as the migrations come to, without codecs and without the marks of rare values."""
    found: dict[str, str] = {}
    for migration in read_migrations():
        for statement in (*migration.steps, *migration.pipes.values()):
            head = re.match(
                rf"create table if not exists \{{\{{database\}}\}}\.{table} .*?\n\(\n(.*?)\n\)\n", statement, re.S
            )
            if head:  # of a pipe the newest definition stands
                found = dict(_columns(head.group(1)))
            elif re.match(rf"alter table \{{\{{database\}}\}}\.{table} ", statement):
                added = re.findall(r"add column if not exists ([a-z_]+) (.+?)(?: after [a-z_]+)?(?:,\n|$)", statement)
                found |= dict(added)
    assert found, f"no table {table}"
    return found


def newest_view(name: str) -> str:
    """The statement that says what a view does now."""
    made = rf"(?:create materialized view if not exists|alter table) \{{\{{database\}}\}}\.{name}\b"
    return [step for migration in read_migrations() for step in migration.steps if re.match(made, step)][-1]


def _columns(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        found = re.fullmatch(r"    ([a-z_]+) (.+?)( codec\(.*\))?,?", line)
        if found and found.group(1) not in ("index", "projection"):
            yield found.group(1), found.group(2).replace("LowCardinality(String)", "String")


def clickhouse_type(annotation: object, metadata: list[object]) -> str:
    """The column type of a pydantic field."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        inner = arguments[1].metadata if isinstance(arguments[1], FieldInfo) else list(arguments[1:])
        return clickhouse_type(arguments[0], inner)
    if origin is types.UnionType:
        inner_type = next(part for part in arguments if part is not type(None))
        return f"Nullable({clickhouse_type(inner_type, metadata)})"
    if origin is tuple:
        return f"Array({clickhouse_type(arguments[0], [])})"
    if origin is dict:
        return "JSON"
    if origin is typing.Literal:
        return "String"
    if annotation is int:
        low = next(bound.ge for bound in metadata if isinstance(bound, Ge))
        high = next(bound.le for bound in metadata if isinstance(bound, Le))
        return _INTEGERS[(typing.cast(int, low), typing.cast(int, high))]
    if annotation is float:
        return "Float32"
    assert annotation is str, annotation
    is_time = any(getattr(mark, "pattern", None) == _TIME_PATTERN for mark in metadata)
    return "DateTime64(3, 'UTC')" if is_time else "String"


def declared(model: type[BaseModel], table: str) -> dict[str, str]:
    return {
        name: _NARROWER.get((table, name)) or clickhouse_type(field.annotation, field.metadata)
        for name, field in model.model_fields.items()
    }


def plain(types_by_name: dict[str, str]) -> dict[str, str]:
    return {name: re.sub(r"^JSON\(.*\)$", "JSON", kind) for name, kind in types_by_name.items()}


@pytest.mark.parametrize("table", MODELS)
def test_the_kafka_table_has_the_models_fields(table: str) -> None:
    assert plain(columns(f"{table}_queue")) == declared(MODELS[table], table)


@pytest.mark.parametrize("table", MODELS)
def test_nothing_is_lost_on_the_way_to_the_table(table: str) -> None:
    queue, arrivals, kept = columns(f"{table}_queue"), columns(f"{table}_arrivals"), columns(table)
    assert queue.items() <= arrivals.items()
    assert queue.items() <= kept.items()
    assert set(kept) - set(queue) == {"log_topic", "log_partition", "log_offset"}


@pytest.mark.parametrize("table", MODELS)
def test_the_ingest_view_hands_on_every_column(table: str) -> None:
    view = newest_view(f"{table}_ingest")
    assert set(re.findall(r"\bas ([a-z_]+),?\n", view.partition("\nfrom ")[0] + "\n")) == set(columns(table))


def test_every_header_of_a_dead_letter_is_read() -> None:
    letter = DeadLetter(b"", "", "", "", "", "", 0, 0, 0, 0, 0, 0)
    view = newest_view("dead_letters_ingest")
    names = {name for name, _ in letter.headers()} - {topics.HEADER_FORMAT}
    assert set(re.findall(r"'(weir-[a-z-]+)'", view)) == names
