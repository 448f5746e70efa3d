"""What nobody of Weir's writes, on each table's topic: it becomes a dead letter or the row told here, and never
stops the partition.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import orjson
import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaError, Message, Producer

from schemas import topics
from sinks.tables import TABLES
from tests.integration.sinks import rows
from tests.integration.sinks.store import Pipeline, lines, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

Becomes = Literal["dead letter", "row", "nothing"]
Case = tuple[bytes | None, Becomes]
Row = dict[str, Any]

MAKERS: Mapping[str, Callable[..., Row]] = {
    "events": rows.event,
    "sessions": rows.session,
    "profiles": rows.profile,
    "groups": rows.group,
    "identities": rows.identity,
    "replay_chunks": rows.replay_chunk,
    "ledger": lambda **values: rows.ledger(0, **values),
}
TEXTS = {"identities": "source_id", "profiles": "profile_id", "groups": "group_id", "ledger": "kind"}
"""A column with a text that no other case has, for rows of one key replace each other."""
SIGNED = {"events": "duration_ms", "sessions": "duration_ms"}
UNSIGNED = {
    "events": "raw_line",
    "sessions": "version",
    "profiles": "version",
    "groups": "version",
    "identities": "raw_line",
    "replay_chunks": "events_count",
    "ledger": "lines",
}
PARTED = {"events": "created_at", "ledger": "stamp", "replay_chunks": "stamp"}
TIMES = {
    "sessions": "started_at",
    "profiles": "created_at",
    "groups": "created_at",
    "identities": "created_at",
    **PARTED,
}
_MARK = "@@"


def row(table: str, name: str, **values: Any) -> Row:
    """A good row, told apart from those of other cases."""
    text = {TEXTS.get(table, "session_id"): name}
    return {**MAKERS[table](), **text, **values}


def with_token(table: str, name: str, column: str, token: bytes) -> bytes:
    """A row with these bytes as the value of a column."""
    return orjson.dumps(row(table, name, **{column: _MARK})).replace(f'"{_MARK}"'.encode(), token)


def messages(table: str) -> Iterator[tuple[str, bytes, Becomes]]:
    good = orjson.dumps(row(table, "good"))
    parted = table in PARTED or table == "sessions"
    yield "no JSON", b"not json", "dead letter"
    yield "cut off", good[:-5], "dead letter"
    yield "an array", b"[1,2]", "dead letter"
    yield "a number", b"5", "dead letter"
    yield "null", b"null", "dead letter"
    yield "empty", b"", "nothing"
    yield "no column", b"{}", "dead letter" if parted else "row"
    yield "a bad line behind a good one", good + b"\n{", "dead letter"
    yield "unknown column", orjson.dumps(row(table, "unknown", nobody_knows={"a": [1]})), "row"
    text = TEXTS.get(table, "session_id")
    twice = orjson.dumps(row(table, "twice"))[:-1] + f',"{text}":"other"}}'.encode()
    yield "a column twice", twice, "row"
    tokens: Mapping[str, tuple[bytes, Becomes]] = {
        "number for a text": (b"5", "row"),
        "object for a text": (b'{"a":1}', "row"),
        "null for a text": (b"null", "row"),
        "lone surrogate": (b'"\\ud800"', "dead letter"),
        "invalid UTF-8": (b'"\xff\xfe"', "row"),
        "NUL": (b'"a\\u0000b"', "row"),
        "3 MB": (b'"' + b"x" * 3_000_000 + b'"', "row"),
    }
    for name, (token, becomes) in tokens.items():
        yield name, with_token(table, name, text, token), becomes
    for name, column, token, becomes in columns(table):
        yield f"{column} {name}", with_token(table, f"{column} {name}", column, token), becomes


def columns(table: str) -> Iterator[tuple[str, str, bytes, Becomes]]:
    for column in filter(None, (SIGNED.get(table), UNSIGNED[table])):
        yield "NaN", column, b"NaN", "dead letter"
        yield "infinite", column, b"Infinity", "dead letter"
        yield "a fraction", column, b"1.5", "dead letter"
        yield "1e400", column, b"1e400", "dead letter"
        yield "a text", column, b'"x"', "dead letter"
        yield "a number as text", column, b'"7"', "row"
        # The engine takes the low bits. The models of rows bound every number, so no worker writes such a one.
        yield "beyond 64 bits", column, b"1180591620717411303424", "row"
    yield "negative", UNSIGNED[table], b"-1", "dead letter"
    yield "no time", TIMES[table], b'"yesterday"', "dead letter"
    for name, token in (("in 1900", b'"1900-01-01 00:00:00.000"'), ("in 9999", b'"9999-12-31 23:59:59.999"')):
        yield name, TIMES[table], token, "dead letter" if table in PARTED else "row"
    if table in ("events", "profiles", "groups"):
        yield from properties()
    if table == "events":
        yield "no UUID", "event_id", b'"x"', "dead letter"
        yield "NaN", "longitude", b"NaN", "row"
        yield "1e400", "longitude", b"1e400", "row"
        yield "a text", "groups", b'"x"', "dead letter"
    if table == "sessions":
        for token in (b"0", b"197001", b"4294967295"):
            yield token.decode(), "session_month", token, "dead letter"
        for token in (b"0", b"5", b"300"):
            yield token.decode(), "sign", token, "dead letter"


def properties() -> Iterator[tuple[str, str, bytes, Becomes]]:
    tokens: Mapping[str, tuple[bytes, Becomes]] = {
        "NaN": (b'{"a":NaN}', "dead letter"),
        "1e400": (b'{"a":1e400}', "dead letter"),
        "beyond 64 bits": (b'{"a":1180591620717411303424}', "dead letter"),
        "64 bits": (b'{"a":18446744073709551615}', "row"),
        "a name twice": (b'{"a":1,"a":2}', "dead letter"),
        "a path twice": (b'{"a.b":1,"a":{"b":2}}', "dead letter"),
        "lone surrogate": (b'{"a":"\\ud800"}', "dead letter"),
        "lone surrogate as a name": (b'{"\\ud800":1}', "dead letter"),
        "invalid UTF-8": (b'{"a":"\xff"}', "dead letter"),
        "a text": (b'"x"', "dead letter"),
        "an array": (b"[1]", "dead letter"),
        "null": (b"null", "row"),
        "NUL": (b'{"a":"\\u0000"}', "row"),
        "no name": (b'{"":1}', "row"),
        "mixed": (b'{"a":[1,"x",{"b":2}]}', "row"),
        "deep": (b'{"a":' * 900 + b"1" + b"}" * 900, "row"),
        "5,000 names": (orjson.dumps({f"k{number}": number for number in range(5_000)}), "row"),
        "3 MB": (b'{"a":"' + b"x" * 3_000_000 + b'"}', "row"),
    }
    for name, (token, becomes) in tokens.items():
        yield name, "properties", token, becomes


def produce(bootstrap: str, topic: str, sent: list[tuple[str, bytes | None]]) -> dict[str, int]:
    """Where in partition 0 each message lies, by name."""
    places: dict[str, int] = {}
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 2, "message.max.bytes": 8 * 1024 * 1024})

    def place(name: str) -> Callable[[KafkaError | None, Message], None]:
        def told(error: KafkaError | None, message: Message) -> None:
            assert error is None, (name, error)
            offset = message.offset()
            assert offset is not None
            places[name] = offset

        return told

    for name, value in sent:
        producer.produce(topic, value, "key", 0, on_delivery=place(name))
    assert producer.flush(60) == 0
    return places


def found(client: Client, table: str, offset: int) -> Becomes:
    at = f"log_topic = '{TABLES[table]}' and log_partition = 0 and log_offset = {offset}"
    letters = client.query(f"select count() from dead_letters where {at} and stage = 'store'").result_rows[0][0]
    if letters:
        return "dead letter"
    return "row" if client.query(f"select count() from {table} where {at}").result_rows[0][0] else "nothing"


def await_good(pipeline: Pipeline, client: Client, table: str, name: str) -> None:
    """A good row behind all others: the partition goes on; a bad one too, as it comes by another view."""
    sent: list[tuple[str, bytes | None]] = [(name, orjson.dumps(row(table, name))), ("last", b"{")]
    places = produce(pipeline.broker.bootstrap, TABLES[table], sent)
    until(lambda: found(client, table, places[name]) == "row", 60, f"{table}: the partition goes on")
    until(lambda: found(client, table, places["last"]) == "dead letter", 60, f"{table}: letters arrive")


@pytest.mark.parametrize("table", sorted(MAKERS))
def test_what_nobody_writes_stops_no_partition(pipeline: Pipeline, table: str) -> None:
    cases = {name: (value, becomes) for name, value, becomes in messages(table)}
    client = pipeline.client()
    # What lies in one block must not be told apart by that.
    sent = [(name, value) for name, (value, _) in cases.items()]
    places = produce(pipeline.broker.bootstrap, TABLES[table], [*sent, ("tombstone", None)])
    await_good(pipeline, client, table, "behind")
    wrong = {
        name: has for name, (_, becomes) in cases.items() if (has := found(client, table, places[name])) != becomes
    }
    assert wrong == {}
    assert found(client, table, places["tombstone"]) == "nothing"
    client.close()


FAR: Mapping[str, list[Row]] = {
    "events": [
        rows.event(raw_line=month, created_at=f"{2010 + month // 12}-{1 + month % 12:02}-01 00:00:00.000")
        for month in range(150)
    ],
    "sessions": [
        {**rows.session(), "session_month": (2010 + month // 12) * 100 + 1 + month % 12} for month in range(150)
    ],
    "ledger": [
        rows.ledger(month, stamp=f"{2010 + month // 12}-{1 + month % 12:02}-01 00:00:00.000") for month in range(150)
    ],
    "replay_chunks": [
        rows.replay_chunk(raw_line=day, stamp=f"{2010 + day // 28}-01-{1 + day % 28:02} 00:00:00.000")
        for day in range(150)
    ],
}


@pytest.mark.parametrize("table", sorted(FAR))
def test_a_block_of_a_hundred_months_and_more_stops_no_partition(pipeline: Pipeline, table: str) -> None:
    client = pipeline.client()
    places = produce(pipeline.broker.bootstrap, TABLES[table], [("months", lines(FAR[table]))])
    await_good(pipeline, client, table, "behind months")
    at = f"log_topic = '{TABLES[table]}' and log_offset = {places['months']}"
    (letters,) = client.query(
        f"select count(), any(detail), any(value), any(epoch) from dead_letters where {at}"
    ).result_rows
    stored = client.query(f"select count() from {table} where {at}").result_rows[0][0]
    assert letters[0] + stored == 150
    assert letters[0] > 50
    assert "too far away to be stored" in letters[1]
    # Its row, whole.
    assert orjson.loads(letters[2]).keys() >= FAR[table][0].keys() - {"properties"}
    assert letters[3] == 1
    client.close()


def test_every_topic_of_rows_is_looked_at() -> None:
    assert set(MAKERS) == set(TABLES) - {"dead_letters"}


def test_a_dead_letter_without_its_headers_is_stored(pipeline: Pipeline) -> None:
    client = pipeline.client()
    sent: list[tuple[str, bytes | None]] = [("bytes", b"\xff\x00"), ("empty", b""), ("tombstone", None)]
    places = produce(pipeline.broker.bootstrap, topics.DEAD_LETTERS, sent)

    def stored() -> set[int]:
        at = f"log_topic = '{topics.DEAD_LETTERS}' and log_partition = 0"
        return {row[0] for row in client.query(f"select log_offset from dead_letters where {at}").result_rows}

    until(lambda: places["bytes"] in stored(), 60, "a letter of nobody is stored")
    client.close()
