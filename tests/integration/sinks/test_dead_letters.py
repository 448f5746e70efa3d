"""Dead letters listed, sent again and dropped."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas import topics
from schemas.event_id import event_id_at
from sinks.dead_letter_replay import Replay, lines_again, replay
from sinks.dead_letters import (
    DROPPED,
    DeadLettersError,
    Letter,
    LetterName,
    Selection,
    decide,
    outcomes,
    read_letters,
    summarize,
)
from tests.broker import Broker
from tests.integration.sinks import rows
from tests.integration.sinks.arrivals import arrive, arrive_broken, number
from tests.integration.sinks.store import lines, until

pytestmark = pytest.mark.integration

STAMP = "2026-03-01 10:00:00.000"
NO_KAFKA = "127.0.0.1:1"


def letter(client: Client, offset: int, value: bytes, reason: str = "not_json", **values: object) -> LetterName:
    """A letter in the table, as the topic brings it."""
    name = LetterName(str(values.pop("topic", topics.RAW)), 7, 1, offset, 0)
    row = {
        **name._asdict(),
        "value": value.decode("latin-1"),
        "stage": "parse",
        "reason": reason,
        "detail": "a sentence",
        "project_id": "shop",
        "stamp": STAMP,
        "log_stamp": STAMP,
        "log_topic": topics.DEAD_LETTERS,
        "log_epoch": 1,
        "log_partition": 1,
        "log_offset": offset,
        **values,
    }
    client.raw_insert("dead_letters", insert_block=orjson.dumps(row), fmt="JSONEachRow")
    return name


def found(client: Client, selection: Selection | None = None) -> list[Letter]:
    return list(read_letters(client, selection or Selection(), 100))


def quiet(_: int) -> None:
    pass


def test_what_was_decided_is_off_the_list_and_still_there(schema: Client) -> None:
    one = letter(schema, 1, b"{", "not_json")
    two = letter(schema, 2, b"[]", "not_a_raw_event")
    letter(schema, 3, b"{}", "unknown_project", project_id="")
    assert [(each.reason, each.letters) for each in summarize(schema, Selection(project_id="shop"))] == [
        ("not_a_raw_event", 1),
        ("not_json", 1),
    ]
    decide(schema, {one: 0}, DROPPED)
    assert two in {each.name for each in found(schema)}
    assert one not in {each.name for each in found(schema)}
    assert one in {each.name for each in found(schema, Selection(decided=True))}
    assert [each.value for each in found(schema, Selection(names=[one], decided=True))] == [b"{"]
    assert outcomes(schema, [one, two]) == {one: DROPPED}
    assert number(schema, "select count() from dead_letters") == 3


def test_names_are_read_as_they_are_written() -> None:
    name = LetterName(topics.RAW, 1_763_730_000, 3, 120, -1)
    assert LetterName.read(str(name)) == name
    for wrong in ("", "weir.raw", "weir.raw@1/2/3", "weir.raw@1/2/3/-2", "weir.raw@1/2/3/4; drop"):
        with pytest.raises(DeadLettersError):
            LetterName.read(wrong)


def test_bytes_that_are_no_text_come_back_as_they_were(schema: Client) -> None:
    value = bytes(range(256))
    schema.insert(
        "dead_letters",
        [[value, "parse", "not_json", topics.RAW, 7, 1, 9, 0]],
        column_names=["value", "stage", "reason", "topic", "epoch", "partition", "offset", "line"],
    )
    assert [each.value for each in found(schema)] == [value]


def test_a_line_is_sent_with_the_id_and_time_of_where_it_died(schema: Client) -> None:
    letter(schema, 5, b'{"project_id":"shop"}', "unknown_project")
    letter(schema, 6, b'{"event_id":"mine","received_at":5}', "unknown_project")
    letter(schema, 7, b"\xff{", "not_json")
    seven, six, five = sorted(found(schema), key=lambda each: -each.name.offset)
    (line,) = lines_again(five)
    assert orjson.loads(line)["event_id"] == event_id_at(7, 1, 5, 0)
    assert orjson.loads(line)["received_at"] == round(five.stamp.timestamp() * 1000)
    assert lines_again(six) == [six.value]
    assert lines_again(seven) == [seven.value]


@pytest.fixture
def raw_reader(broker: Broker) -> Iterator[Consumer]:
    """At the end of the raw topic's second partition."""
    if topics.RAW not in broker.admin().list_topics(timeout=10).topics:
        broker.create_topic_named(topics.RAW, 2, {})
    reader = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "dead-letters", "log_level": 2})
    place = TopicPartition(topics.RAW, 1)
    ends: list[int] = []

    def has_leader() -> bool:
        with suppress(KafkaException):
            ends.append(reader.get_watermark_offsets(place, 10)[1])
        return bool(ends)

    until(has_leader, 30, "the partition has a leader")
    reader.assign([TopicPartition(topics.RAW, 1, ends[0])])
    yield reader
    reader.close()


def test_letters_go_back_to_the_partition_they_died_in(schema: Client, broker: Broker, raw_reader: Consumer) -> None:
    names = [
        letter(schema, offset, b'{"event_id":"%d","received_at":1}' % offset, "unknown_project")
        for offset in range(250)
    ]
    whole = letter(schema, 300, b"cut", "message_too_large", line=-1)._replace(line=-1)
    done = replay(schema, broker.bootstrap, found_all(schema), quiet)
    assert (done.replayed, set(done.refused)) == (250, {whole})
    got = [line for message in raw_reader.consume(2, 20) for line in (message.value() or b"").split(b"\n")]
    assert sorted(got) == sorted(b'{"event_id":"%d","received_at":1}' % offset for offset in range(250))
    assert set(outcomes(schema, names).values()) == {"replayed"}
    assert [each.name for each in found(schema)] == [whole]


def found_all(client: Client) -> list[Letter]:
    return list(read_letters(client, Selection(), 1_000))


def test_nothing_is_noted_as_sent_that_kafka_did_not_take(schema: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.dead_letter_replay._FLUSH_SECONDS", 0.2)
    raw = letter(schema, 1, b"{}", "unknown_project")
    operation = letter(schema, 2, b"{}", "step_failed", topic=topics.PROFILE_OPS)
    for each in (raw, operation):
        with pytest.raises(DeadLettersError, match="Run it again"):
            replay(schema, NO_KAFKA, found(schema, Selection(names=[each])), quiet)
    assert {each.name for each in found(schema)} == {raw, operation}


def test_what_old_letters_held_goes_and_that_they_were_stays(schema: Client) -> None:
    now = datetime.now(UTC)
    place = {"project_id": "shop", "topic": topics.RAW, "epoch": 7, "partition": 1, "line": 0, "stage": "workers"}
    for offset, days in enumerate((1, 398, 402, 900)):
        row = {**place, "offset": offset, "reason": "not_json", "value": "{", "detail": "no object", "stamp": now}
        row["log_stamp"] = now - timedelta(days=days)
        schema.insert("dead_letters", [list(row.values())], column_names=list(row))
    schema.command("system start ttl merges dead_letters")
    schema.command("optimize table dead_letters final")
    held = "select offset, value, detail, reason from dead_letters order by offset"
    assert schema.query(held).result_rows == [
        (0, "{", "no object", "not_json"),
        (1, "{", "no object", "not_json"),
        (2, "", "", "not_json"),
        (3, "", "", "not_json"),
    ]
    old = [letter for letter in read_letters(schema, Selection(), 10) if letter.name.offset >= 2]
    assert len(old) == 2
    done = replay(schema, NO_KAFKA, old, lambda _: None)
    assert (done.replayed, set(done.refused.values())) == (0, {"What it held is not kept any more."})


def test_of_a_message_that_was_no_row_the_good_lines_are_stored_once(schema: Client) -> None:
    good = [rows.event(raw_line=line, properties={"at": "2026-01-01", "n": line}) for line in range(3)]
    broken = b'{"log_epoch": 1, "raw_offset": "no number"}'
    arrive_broken(schema, "events", 4, (lines(good) + b"\n" + broken).decode())
    arrive(schema, "events", 5, [rows.event(raw_offset=5)])
    for _ in range(2):
        done = replay(schema, NO_KAFKA, found(schema, Selection(decided=True)), quiet)
        assert (done.replayed, done.lines_left, done.refused) == (1, 1, {})
        assert number(schema, "select count() from events where log_offset = 4") == 3
    assert number(schema, "select sum(events) from events_hourly") == 4
    kinds = "select groupUniqArray(dynamicType(properties.at)) from events where log_offset = 4"
    assert schema.query(kinds).result_rows[0][0] == ["String"]
    arrive_broken(schema, "events", 6, '{"log_epoch": 1, "raw_offset": "no number"}')
    done = replay(schema, NO_KAFKA, found(schema), quiet)
    assert done == Replay(refused={found(schema)[0].name: "None of its lines can be read by the store."})
