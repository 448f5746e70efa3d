"""From Kafka into the tables, with a real broker and a store that is killed."""

import itertools
from functools import partial

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from schemas import topics
from schemas.dead_letter import DeadLetter
from sinks.rebuild import repair
from sinks.rollup_compare import compare
from sinks.rollups import EVENTS_HOURLY
from tests.integration.sinks import rows
from tests.integration.sinks.store import Pipeline, lines, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

PER_MESSAGE = 20
_projects = itertools.count()


@pytest.fixture
def project(pipeline: Pipeline) -> str:
    """A project of the test's own, as the log is shared."""
    if not pipeline.store.running:
        pipeline.store.start()
    return f"project-{next(_projects)}"


def envelopes(project: str, count: int, start: int = 0) -> list[bytes]:
    """Messages of PER_MESSAGE events each, spread over three months."""
    return [
        lines(
            [
                rows.event(
                    project_id=project,
                    raw_offset=start + at,
                    raw_line=line,
                    created_at=f"2026-0{1 + line % 3}-05 0{line % 10}:00:00.000",
                    properties={"n": line, "deep.path": "x"},
                )
                for line in range(PER_MESSAGE)
            ]
        )
        for at in range(count)
    ]


def stored(project: str) -> tuple[str, dict[str, str]]:
    return "select count() from events where project_id = {project:String}", {"project": project}


def assert_exact(pipeline: Pipeline, project: str, count: int) -> None:
    """Every event once, and the rollup says the same."""
    sql, parameters = stored(project)
    pipeline.await_number(sql, count, parameters)
    client = pipeline.client()
    rollup = "select sum(events) from events_hourly where project_id = {project:String}"
    until(lambda: client.query(rollup, parameters).result_rows == [(count,)], 10, "the rollup follows")
    distinct = "select uniqExact(raw_offset, raw_line) from events where project_id = {project:String}"
    assert client.query(distinct, parameters).result_rows == [(count,)]
    client.close()


def start_over(pipeline: Pipeline, table: str, topic: str) -> None:
    """Set the group back to the beginning: Kafka delivers everything again."""
    admin = pipeline.broker.admin()
    places = [TopicPartition(topic, number, 0) for number in range(2)]
    group = topics.STORE_GROUP_PREFIX + table

    def done() -> bool:
        request = [ConsumerGroupTopicPartitions(group, places)]
        try:
            admin.alter_consumer_group_offsets(request)[group].result(10)
        except KafkaException:
            # The group still has a member.
            return False
        return True

    until(done, 30, "the group is empty and set back")


def test_rows_arrive_and_aborted_ones_never_do(pipeline: Pipeline, project: str) -> None:
    pipeline.send(topics.EVENTS, envelopes(project, 5))
    pipeline.send(topics.EVENTS, envelopes(project, 5, start=100), abort=True)
    pipeline.send(topics.EVENTS, envelopes(project, 5, start=200))
    assert_exact(pipeline, project, 10 * PER_MESSAGE)
    client = pipeline.client()
    sql = "select count() from events where project_id = {p:String} and raw_offset between 100 and 199"
    assert client.query(sql, {"p": project}).result_rows == [(0,)]
    deep = "select properties.deep.path.:String, properties.n.:Int64 from events where project_id = {p:String}"
    assert client.query(deep + " and raw_line = 7 limit 1", {"p": project}).result_rows == [("x", 7)]
    client.close()


def test_every_table_is_fed(pipeline: Pipeline, project: str) -> None:
    pipeline.send(topics.SESSIONS, [lines([rows.session(project_id=project)])])
    pipeline.send(topics.PROFILES, [lines([rows.profile(project_id=project, properties={"plan": "pro"})])], key="k")
    pipeline.send(topics.IDENTITIES, [lines([rows.identity(project_id=project)])])
    pipeline.send(topics.LEDGER, [lines([rows.ledger(0, raw_epoch=99, row_tables=["events"], row_counts=[3])])])
    for table in ("sessions", "profiles", "identities"):
        where = "where project_id = {project:String}"
        pipeline.await_number(f"select count() from {table} {where}", 1, {"project": project})
    pipeline.await_number("select count() from ledger where raw_epoch = 99", 1)


def test_a_text_that_looks_like_a_date_stays_a_text(pipeline: Pipeline, project: str) -> None:
    given = {"day": "2024-01-01", "moment": "2024-01-01 10:11:12", "amount": 3, "share": 0.5, "gift": True}
    pipeline.send(topics.EVENTS, [lines([rows.event(project_id=project, properties=given)])])
    sql, parameters = stored(project)
    pipeline.await_number(sql, 1, parameters)
    client = pipeline.client()
    read = (
        "select properties.day.:String, properties.moment.:String, properties.amount.:Int64, "
        "properties.share.:Float64, properties.gift.:Bool from events where project_id = {project:String}"
    )
    assert client.query(read, parameters).result_rows == [tuple(given.values())]
    client.close()


def test_a_dead_letter_keeps_its_bytes_and_its_place(pipeline: Pipeline, project: str) -> None:
    letter = DeadLetter(
        value=b"\x00\xff not json\nat all",
        stage="parse",
        reason="not_json",
        detail="it isn't",
        project_id=project,
        topic=topics.RAW,
        epoch=1,
        partition=3,
        offset=17,
        line=-1,
        stamp_ms=1_772_359_200_123,
        log_epoch=1,
    )
    pipeline.send(topics.DEAD_LETTERS, [letter.value], headers=letter.headers(), partition=1)
    pipeline.await_number("select count() from dead_letters where project_id = {p:String}", 1, {"p": project})
    client = pipeline.client()
    found = client.query(
        "select hex(value), stage, reason, detail, topic, epoch, partition, offset, line, "
        "toUnixTimestamp64Milli(stamp) from dead_letters where project_id = {p:String}",
        {"p": project},
    ).result_rows
    assert found == [
        (
            letter.value.hex().upper(),
            *("parse", "not_json", "it isn't", topics.RAW, 1, 3, 17, -1, 1_772_359_200_123),
        )
    ]
    client.close()


def test_a_dead_letter_of_one_line_break_is_a_row(pipeline: Pipeline, project: str) -> None:
    """What stands for a message without bytes: of an empty value there would be no row."""
    letter = DeadLetter(
        value=b"\n",
        stage="parse",
        reason="not_json",
        detail="",
        project_id=project,
        topic=topics.RAW,
        epoch=1,
        partition=0,
        offset=18,
        line=-1,
        stamp_ms=1_772_359_200_123,
        log_epoch=1,
    )
    pipeline.send(topics.DEAD_LETTERS, [letter.value], headers=letter.headers(), partition=1)
    found = "select count() from dead_letters where project_id = {p:String} and value = char(10) and offset = 18"
    pipeline.await_number(found, 1, {"p": project})


BROKEN = [
    b"not json",
    b'{"a.b":1,"a":{"b":2}}',
    b'{"a":1,"a":2}',
    b'{"a":NaN}',
    b'{"a":1e400}',
    b'{"a":123456789012345678901234567890}',
    b'{"a":"\\ud800"}',
]


def test_what_cannot_be_read_never_stops_the_partition(pipeline: Pipeline, project: str) -> None:
    """Each is one dead letter of the whole message, and none of them doubles when Kafka starts over."""
    whole = rows.event(project_id=project, properties={"x": "HERE"})
    good = envelopes(project, 1)[0]
    messages = [lines([whole]).replace(b'{"x":"HERE"}', broken) for broken in BROKEN]
    messages += [good.replace(b"2026-01-05", b"nonsense!!"), good + b"\n{"]
    pipeline.send(topics.EVENTS, [*messages, *envelopes(project, 2, start=10)], partition=1)
    letters = "select count() from dead_letters where stage = 'store' and position(value, {p:String}) > 0"
    pipeline.await_number(letters, len(messages), {"p": project})
    assert_exact(pipeline, project, 2 * PER_MESSAGE)
    assert pipeline.store.stop() == 0
    start_over(pipeline, "events", topics.EVENTS)
    pipeline.store.start()
    pipeline.send(topics.EVENTS, envelopes(project, 1, start=20), partition=1)
    assert_exact(pipeline, project, 3 * PER_MESSAGE)
    pipeline.await_number(letters, len(messages), {"p": project})


def test_killed_in_the_midst_of_ingesting(pipeline: Pipeline, project: str) -> None:
    per_round = 400
    sql, parameters = stored(project)
    for number in range(3):
        for partition in (0, 1):
            start = (2 * number + partition) * per_round
            pipeline.send(topics.EVENTS, envelopes(project, per_round, start), partition=partition)
        some = f"select least(count(), {number * 2 * per_round * PER_MESSAGE + 1}) from ({sql.replace('count()', '1')})"
        pipeline.await_number(some, number * 2 * per_round * PER_MESSAGE + 1, parameters)
        pipeline.store.kill()
        pipeline.store.start()
    pipeline.await_number(sql, 6 * per_round * PER_MESSAGE, parameters)
    client = pipeline.client()
    # A kill between a table's part and its rollup's is what the repair is for.
    repair(client, pipeline.settings, EVENTS_HOURLY)
    assert_exact(pipeline, project, 6 * per_round * PER_MESSAGE)


def test_a_throwing_view_loses_and_doubles_nothing(pipeline: Pipeline, project: str) -> None:
    client = pipeline.client()
    before = _thrown(client)
    client.command(
        "create materialized view trap to events_hourly as select project_id, throwIf(project_id = "
        f"'{project}' and toMonth(created_at) = 2)::String as name from events where name = 'never'"
        f" or project_id = '{project}'"
    )
    sent = 0
    # What the engine is about to insert when a view is made passes by it.
    while _thrown(client) == before:
        pipeline.send(topics.EVENTS, envelopes(project, 10, sent))
        sent += 10
        until(partial(_has_thrown_or_stored, client, before, project, sent), 60, "the view throws")
    client.command("drop view trap")
    pipeline.await_number(*_with_number(stored(project), sent * PER_MESSAGE))
    client.command(f"alter table events_hourly delete where project_id = '{project}' and name in ('0', '1')")
    repair(client, pipeline.settings, EVENTS_HOURLY)
    assert not compare(client, EVENTS_HOURLY, settle_seconds=0)
    assert_exact(pipeline, project, sent * PER_MESSAGE)
    client.close()


def test_a_new_broker_address_and_a_taken_off_pipe(pipeline: Pipeline, project: str) -> None:
    """Migrating again puts everything back that consumes."""
    client = pipeline.client()
    client.command("detach table events_queue")
    elsewhere = pipeline.settings.model_copy(update={"store_kafka_bootstrap": f"localhost:{_port(pipeline)}"})
    from sinks.migrate import migrate

    assert {step.step for step in migrate(client, elsewhere)} == {-1}
    made = client.query("select engine_full from system.tables where name = 'events_queue' and database = 'weir'")
    assert "localhost" in str(made.result_rows)
    pipeline.send(topics.EVENTS, envelopes(project, 2))
    assert_exact(pipeline, project, 2 * PER_MESSAGE)
    assert migrate(client, elsewhere) == []
    client.close()


def _thrown(client: Client) -> int:
    sql = "select sum(value) from system.errors where name = 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO'"
    return int(client.query(sql).result_rows[0][0])


def _has_thrown_or_stored(client: Client, before: int, project: str, messages: int) -> bool:
    sql, parameters = stored(project)
    return _thrown(client) > before or client.query(sql, parameters).result_rows == [(messages * PER_MESSAGE,)]


def _port(pipeline: Pipeline) -> str:
    return pipeline.broker.bootstrap.rpartition(":")[2]


def _with_number(query: tuple[str, dict[str, str]], number: int) -> tuple[str, int, dict[str, str]]:
    return query[0], number, query[1]
