"""Rows of a backup's copy of Kafka come in as Kafka's own would: once, and the bad ones as dead letters."""

import pytest
from clickhouse_connect.driver.client import Client

from schemas import topics
from sinks.restore_rows import Arrival, insert_arrivals
from tests.integration.sinks import rows
from tests.integration.sinks.store import lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

STAMP = 1_772_359_202_000


def arrival(offset: int, value: bytes, *, partition: int = 0) -> Arrival:
    return Arrival(partition, offset, STAMP, (), value)


def count(client: Client, sql: str) -> int:
    return int(client.query(sql).result_rows[0][0])


def test_each_message_comes_in_once_and_whole(schema: Client) -> None:
    messages = [
        arrival(number, lines([rows.event(raw_offset=number, raw_line=line) for line in range(50)]))
        for number in range(100)
    ]
    assert insert_arrivals(schema, "events", messages) == 100
    assert count(schema, "select count() from events") == 5_000
    # The rest of it, of which the beginning is there.
    more = arrival(100, lines([rows.event(raw_offset=100)]))
    insert_arrivals(schema, "events", [*messages[40:], more])
    assert count(schema, "select count() from events") == 5_001
    assert count(schema, "select sum(events) from events_hourly") == 5_001
    place = f"log_topic = '{topics.EVENTS}' and log_epoch = 1 and log_partition = 0"
    assert count(schema, f"select max(log_offset) from events where {place}") == 100


def test_a_bad_message_is_a_dead_letter_and_the_others_go_on(schema: Client) -> None:
    bad = {
        1: b'{"log_epoch":1,"duration_ms":NaN}',
        2: b"not json",
        3: b"[1]",
        4: lines([rows.event()]).replace(b'"duration_ms":0', b'"duration_ms":"x"'),
        5: b"\xff",
    }
    good = [arrival(number, lines([rows.event(raw_offset=number)])) for number in (0, 6)]
    messages = [good[0], *(arrival(number, value) for number, value in bad.items()), good[1]]
    for _ in range(2):
        insert_arrivals(schema, "events", messages)
    assert count(schema, "select count() from events") == 2
    found = schema.query("select offset, value, stage, reason from dead_letters order by offset").result_rows
    assert [row[0] for row in found] == list(bad)
    assert {row[2:] for row in found} == {("store", "not_a_row")}
    assert found[1][1] == "not json"


def test_dead_letters_have_their_headers(schema: Client) -> None:
    headers = (
        *((topics.DEAD_REASON, b"not_json"), (topics.DEAD_TOPIC, topics.RAW.encode()), (topics.DEAD_OFFSET, b"7")),
        *((topics.DEAD_PARTITION, b"3"), (topics.DEAD_LOG_EPOCH, b"1"), (topics.DEAD_PROJECT, None)),
    )
    letter = Arrival(0, 5, STAMP, headers, b"\xff\x00")
    for _ in range(2):
        insert_arrivals(schema, "dead_letters", [letter])
    [found] = schema.query("select hex(value), reason, topic, partition, offset from dead_letters").result_rows
    assert found == ("FF00", "not_json", topics.RAW, 3, 7)
