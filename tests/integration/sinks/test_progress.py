"""A table takes each message once, however often it comes (rules 16, 17 and 18 of the contract)."""

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinks.migration_files import read_migrations
from sinks.rendering import render
from sinks.settings import SinkSettings
from tests.integration.sinks import rows
from tests.integration.sinks.arrivals import arrive, arrive_broken, number, unguarded

pytestmark = pytest.mark.integration


def events(offset: int, count: int = 3, **values: object) -> list[dict[str, object]]:
    return [rows.event(raw_offset=offset, raw_line=line, **values) for line in range(count)]


@pytest.mark.parametrize(("guarded", "expected"), [(True, 6), (False, 9)], ids=["with rule 16", "without"])
def test_a_repeated_message_is_dropped(schema: Client, guarded: bool, expected: int) -> None:
    if not guarded:
        unguarded(schema, "events_ingest")
    arrive(schema, "events", 10, events(10))
    arrive(schema, "events", 11, events(11))
    arrive(schema, "events", 10, events(10))
    assert number(schema, "select count() from events") == expected
    assert number(schema, "select sum(events) from events_hourly") == expected


def test_progress_is_kept_per_topic_epoch_partition_and_month(schema: Client) -> None:
    arrive(schema, "events", 100, events(100))
    arrive(schema, "events", 5, events(5), partition=1)
    arrive(schema, "events", 5, events(6, log_epoch=2))
    arrive(schema, "events", 5, events(7), topic="weir.events.1")
    arrive(schema, "events", 5, events(8, created_at="2026-02-28 23:59:59.999"))
    assert number(schema, "select count() from events") == 15


def test_a_message_cut_off_between_months_is_completed(schema: Client) -> None:
    """Each month is a part of its own; a process may die after the first of them."""
    march, april = (events(10, created_at=f"2026-0{month}-01 10:00:00.000") for month in (3, 4))
    for line in april:
        line["event_id"] = str(line["event_id"])[:-1] + "0"
    arrive(schema, "events", 10, march)
    arrive(schema, "events", 10, march + april)
    assert number(schema, "select count() from events where toYYYYMM(created_at) = 202603") == 3
    assert number(schema, "select count() from events where toYYYYMM(created_at) = 202604") == 3


def test_progress_survives_merges_and_deletes_of_older_rows(schema: Client) -> None:
    for offset in range(5):
        arrive(schema, "events", offset, events(offset))
    schema.command("delete from events where raw_offset = 1")
    schema.command("optimize table events final")
    for offset in range(5):
        arrive(schema, "events", offset, events(offset))
    assert number(schema, "select count() from events") == 12
    assert number(schema, "select count() from events where raw_offset = 1") == 0


def test_the_look_at_progress_reads_the_projection_only(schema: Client) -> None:
    for offset in range(3):
        arrive(schema, "events", offset, events(offset, 1000))
    plan = schema.query(
        "explain indexes = 1, projections = 1 select log_topic, log_epoch, log_partition, "
        "toYYYYMM(created_at) as month, max(log_offset) as done from events "
        "group by log_topic, log_epoch, log_partition, month"
    ).result_rows
    assert any("progress" in str(row[0]) for row in plan), plan


@pytest.mark.parametrize(("guarded", "expected"), [(True, 1), (False, 2)], ids=["with rule 16", "without"])
def test_an_unreadable_message_is_one_dead_letter(schema: Client, guarded: bool, expected: int) -> None:
    if not guarded:
        unguarded(schema, "events_errors")
    message = '{"log_epoch":1,"project_id":"shop"}\n{broken'
    arrive_broken(schema, "events", 7, message)
    arrive_broken(schema, "events", 7, message)
    assert number(schema, "select count() from dead_letters") == expected
    assert number(schema, "select count() from events") == 0
    assert schema.query(
        "select distinct value, stage, reason, topic, epoch, partition, offset, line from dead_letters"
    ).result_rows == [(message, "store", "not_a_row", "weir.events", 1, 0, 7, -1)]


@pytest.mark.parametrize("month", ["session_month", "toYYYYMM(ended_at)"], ids=["with rule 18", "without"])
def test_a_collapsed_session_stays_collapsed_when_its_rows_come_again(schema: Client, month: str) -> None:
    if month != "session_month":
        _rebuild_sessions_by(schema, month)
    first = rows.session(ended_at="2026-03-31 23:50:00.000")
    second = rows.session(ended_at="2026-04-01 00:10:00.000", event_count=2, version=2)
    third = rows.session(ended_at="2026-04-01 00:20:00.000", event_count=3, version=3)
    messages = {1: [first], 2: [{**first, "sign": -1}, second], 3: [{**second, "sign": -1}, third]}
    for offset, message in messages.items():
        arrive(schema, "sessions", offset, message)
    schema.command("optimize table sessions final")
    for offset in (2, 3):
        arrive(schema, "sessions", offset, messages[offset])
    sums = schema.query("select sum(sign), sum(sign * event_count) from sessions").result_rows
    rule_holds = month == "session_month"
    assert (sums == [(1, 3)]) is rule_holds
    if rule_holds:
        assert number(schema, "select count() from sessions final") == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    gaps=st.lists(st.integers(1, 5), min_size=1, max_size=8),
    returns=st.lists(st.integers(0, 100), max_size=3),
)
def test_however_often_kafka_starts_over(schema: Client, gaps: list[int], returns: list[int]) -> None:
    """Kafka goes back to an earlier offset and on from there, any number of times."""
    schema.command("truncate table events")
    offsets = [sum(gaps[: at + 1]) for at in range(len(gaps))]
    journey = list(offsets)
    for back in returns:
        journey += offsets[back % len(offsets) :]
    for offset in journey:
        arrive(schema, "events", offset, events(offset, 2))
    stored = schema.query("select raw_offset, count() from events group by raw_offset order by 1").result_rows
    assert stored == [(offset, 2) for offset in offsets]


def test_what_comes_again_of_the_other_tables_changes_nothing(schema: Client) -> None:
    chunks = [rows.replay_chunk(raw_line=line, payload="[" * 100_000) for line in range(2)]
    for offset, version in ((1, 1), (2, 2), (1, 1), (2, 2)):
        arrive(schema, "replay_chunks", offset, chunks)
        arrive(schema, "groups", offset, [rows.group(version=version, name=f"v{version}")])
        arrive(schema, "profiles", offset, [rows.profile(version=version, first_name=f"v{version}", groups=["acme"])])
        arrive(schema, "identities", offset, [rows.identity(version=version, profile_id=f"v{version}")])
    assert schema.query("select first_name, groups from profiles final").result_rows == [("v2", ["acme"])]
    assert schema.query("select name from groups final").result_rows == [("v2",)]
    assert schema.query("select count(), min(length(payload)) from replay_chunks").result_rows == [(4, 100_000)]
    assert schema.query("select profile_id from identities final").result_rows == [("v2",)]
    assert number(schema, "select count() from profiles") <= 2
    arrive(schema, "replay_chunks", 3, [rows.replay_chunk(stamp="2026-03-01 10:00:00.000")])
    schema.command("optimize table replay_chunks final")
    assert number(schema, "select count() from replay_chunks") == 4


def test_no_view_can_throw_on_strange_text(schema: Client) -> None:
    strange = {"value": "\x00", "names": ["weir-line", "weir-stamp", "weir-epoch"], "texts": ["x", "9" * 30, "-1"]}
    for offset, letter in enumerate([strange, {**strange, "names": []}, {**strange, "texts": []}]):
        arrive(schema, "dead_letters", offset, [letter])
    arrive_broken(schema, "events", 1, '"log_epoch": 99999999999999999999')
    for time in ("1900-01-01 00:00:00.000", "2299-12-31 00:00:00.000"):
        arrive(schema, "events", 2, events(2, created_at=time))
    assert number(schema, "select count() from dead_letters") == 4
    assert number(schema, "select count() from events") == 6


def test_bots_are_stored_and_not_counted(schema: Client) -> None:
    arrive(schema, "events", 1, [*events(1), *(rows.event(raw_offset=2, bot="Googlebot"),)])
    arrive(schema, "events", 3, [rows.event(raw_offset=3, name="revenue", revenue=250, currency="EUR")])
    assert number(schema, "select count() from events") == 5
    assert schema.query(
        "select name, currency, sum(events), sum(screen_views), sum(revenue), uniqMerge(devices) "
        "from events_hourly group by name, currency order by name"
    ).result_rows == [("revenue", "EUR", 1, 0, 250, 1), ("screen_view", "", 3, 3, 0, 1)]


def test_deletes_are_refused_nowhere(schema: Client) -> None:
    """With the engine's default a table with a projection refuses to delete (rule 19)."""
    tables = ("events", "sessions", "profiles", "groups", "identities", "replay_chunks", "ledger", "dead_letters")
    for table in tables:
        try:
            schema.command(f"delete from {table} where 1 = 0")
        except DatabaseError as error:
            pytest.fail(f"{table}: {error}")


def _rebuild_sessions_by(client: Client, month: str) -> None:
    """The table of sessions as it would be with another month than its immutable one."""
    settings_here = SinkSettings.model_validate({"clickhouse_database": client.database})
    steps = next(m.steps for m in read_migrations() if m.file == "0004_sessions.sql")
    for table in ("sessions_ingest", "sessions_errors", "sessions_arrivals", "sessions"):
        client.command(f"drop table {table}")
    for step in steps:
        changed = (
            step.replace("partition by session_month", f"partition by {month}")
            .replace("log_partition, session_month", f"log_partition, {month}")
            .replace("session_month as month", f"{month} as month")
            .replace("arrival.session_month\n", f"{month.replace('ended_at', 'arrival.ended_at')}\n")
        )
        client.command(render(changed, settings_here))
