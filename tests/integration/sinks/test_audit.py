"""The audit finds what is wrong: a clean pipeline, and then one defect at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from clickhouse_connect.driver.client import Client

from schemas import topics
from schemas.control import LogRecord
from schemas.dead_letter import DeadLetter
from sinks.audit import audit
from sinks.audit_report import AuditReport, Finding, Kind, render
from sinks.rebuild import repair
from sinks.rollup_compare import compare
from sinks.rollups import EVENTS_HOURLY, ROLLUPS
from tests.integration.ingest.gateway_process import poll_until
from tests.integration.sinks import rows
from tests.integration.sinks.store import Pipeline, lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

RAW_OFFSETS = [0, 1, 2, 3, 4, 6, 7, 8]
"""Offset 5 is the first transaction's marker, 9 the second's."""
PER_MESSAGE = 4
DEAD_OFFSET = 7
OPERATIONS_OFFSET = 8


def _ledger(offset: int) -> dict[str, object]:
    if offset == DEAD_OFFSET:
        return rows.ledger(offset, lines=1, dead=1)
    if offset == OPERATIONS_OFFSET:
        return rows.ledger(
            offset,
            lines=4,
            operations=4,
            stamp=rows.replay_chunk()["stamp"],
            row_tables=["group_ops", "profile_ops", "replay_chunks"],
            row_months=[202603, 202603, 202603],
            row_counts=[1, 2, 1],
        )
    return rows.ledger(
        offset,
        lines=PER_MESSAGE,
        stored=PER_MESSAGE,
        row_tables=["events", "sessions", "session_events"],
        row_months=[202603, 202603, 202603],
        row_counts=[PER_MESSAGE + 1, 1, PER_MESSAGE],
    )


def _fill(pipeline: Pipeline) -> None:
    record = LogRecord(topic=topics.RAW, topic_id="x", epoch=1)
    pipeline.send(topics.CONTROL, [record.model_dump_json().encode()], key=f"log/{topics.RAW}")
    pipeline.send(topics.RAW, [b"{}"] * 5)
    pipeline.send(topics.RAW, [b"{}"] * 3)
    for offset in RAW_OFFSETS:
        if offset in (DEAD_OFFSET, OPERATIONS_OFFSET):
            continue
        session = f"session-{offset}"
        events = [rows.event(raw_offset=offset, raw_line=line, session_id=session) for line in range(PER_MESSAGE)]
        start = rows.event(raw_offset=offset, name="session_start", session_id=session, synthesized=1)
        pipeline.send(topics.EVENTS, [lines([start, *events])])
        first = rows.session(session_id=session, raw_offset=offset, event_count=1)
        second = rows.session(session_id=session, raw_offset=offset, event_count=PER_MESSAGE, version=2)
        pipeline.send(topics.SESSIONS, [lines([first]), lines([{**first, "sign": -1}, second])])
    letter = DeadLetter(b"x", "parse", "not_json", "", "", topics.RAW, 1, 0, DEAD_OFFSET, -1, 0, 1)
    pipeline.send(topics.DEAD_LETTERS, [letter.value], headers=letter.headers())
    hole = rows.ledger(5, kind="hole")
    pipeline.send(topics.LEDGER, [lines([_ledger(offset)]) for offset in RAW_OFFSETS] + [lines([hole])])
    pipeline.send(topics.PROFILES, [lines([rows.profile(version=v)]) for v in (1, 2)], key="shop:ann")
    pipeline.send(topics.GROUPS, [lines([rows.group()])], key="shop:acme")
    pipeline.send(topics.REPLAY, [lines([rows.replay_chunk(raw_offset=OPERATIONS_OFFSET)])])
    pipeline.send(topics.IDENTITIES, [lines([rows.identity(version=7)])])


@pytest.fixture(scope="module")
def filled(pipeline: Pipeline) -> Pipeline:
    """A pipeline through which a small, faultless log has gone."""
    _fill(pipeline)
    # Nothing may be planted in a table whose rows are still on their way: the audit waits for them.
    assert run(pipeline, patience=90).clean
    return pipeline


@pytest.fixture
def client(filled: Pipeline) -> Iterator[Client]:
    client = filled.client()
    yield client
    client.close()


@contextmanager
def restored(client: Client, table: str) -> Iterator[None]:
    """Whatever the block does to the table, and to its rollups, is undone."""
    tables = [table, *(rollup.table for rollup in ROLLUPS if rollup.source == table)]
    for each in tables:
        client.command(f"create table kept_{each} as {each}")
        client.command(f"alter table kept_{each} attach partition all from {each}")
    try:
        yield
    finally:
        for each in tables:
            client.command(f"truncate table {each}")
            client.command(f"alter table {each} attach partition all from kept_{each}")
            client.command(f"drop table kept_{each}")


def run(pipeline: Pipeline, patience: float = 30.0) -> AuditReport:
    return audit(pipeline.settings, patience_seconds=patience)


def only(report: AuditReport, kind: Kind, table: str) -> Finding:
    """The finding of this kind; nothing else may be found but what follows from it."""
    hits = [finding for finding in report.findings if finding.kind is kind and finding.table == table]
    assert len(hits) == 1, render(report)
    assert not report.clean
    assert hits[0].summary in render(report)
    return hits[0]


def test_a_faultless_pipeline_is_clean(filled: Pipeline) -> None:
    told: list[str] = []
    report = audit(filled.settings, patience_seconds=60, progress=told.append)
    assert report.clean, render(report)
    assert report.totals.lines == 6 * PER_MESSAGE + 1 + 4
    assert report.totals.dead == 1
    assert report.totals.holes == 1
    assert report.totals.rows["events"] == 6 * (PER_MESSAGE + 1)
    assert report.totals.rows["sessions"] == 6
    assert report.partitions[0].ledger_to == 9
    assert "Clean: every event is accounted for." in render(report)
    assert AuditReport.model_validate_json(report.model_dump_json()) == report
    assert told


@pytest.fixture
def complaining(client: Client) -> Iterator[None]:
    """A table whose Kafka is away, and which has said so."""
    client.command(
        "create table complaining (x String) "
        "engine = Kafka('127.0.0.1:1', 'none', 'none', 'JSONEachRow') settings kafka_poll_timeout_ms = 100"
    )
    client.command("create table complaints (x String) engine = Null")
    client.command("create materialized view complaining_view to complaints as select x from complaining")
    said = "select count() from system.kafka_consumers where table = 'complaining' and notEmpty(exceptions.text)"
    poll_until("it complains", lambda: client.query(said).result_rows[0][0])
    yield
    for table in ("complaining_view", "complaining", "complaints"):
        client.command(f"drop table {table}")


@pytest.mark.usefixtures("complaining")
def test_what_was_complained_of_is_noted_only_while_something_is_missing(filled: Pipeline, client: Client) -> None:
    assert run(filled).notes == ()
    with restored(client, "events"):
        client.command("delete from events where raw_offset = 3 and raw_line = 2")
        (note,) = run(filled).notes
    assert note.startswith("complaining last complained at 20")


def test_a_deleted_event_is_missing(filled: Pipeline, client: Client) -> None:
    with restored(client, "events"):
        client.command("delete from events where raw_offset = 3 and raw_line = 2")
        report = run(filled)
    finding = only(report, Kind.MISSING, "events")
    assert finding.count == 1
    assert "raw 0/3 (epoch 1), month 202603" in finding.examples[0]
    assert only(report, Kind.SESSION_EVENTS, "sessions").count == 1
    assert only(report, Kind.ROLLUP, "events_hourly").count == 1


def test_a_doubled_event_is_found(filled: Pipeline, client: Client) -> None:
    with restored(client, "events"):
        client.command("insert into events select * from events where raw_offset = 4 and raw_line = 1")
        finding = only(run(filled), Kind.DOUBLED, "events")
    assert finding.count == 1
    assert "raw 0/4" in finding.examples[0]


def test_a_loss_that_a_double_hides_is_found(filled: Pipeline, client: Client) -> None:
    with restored(client, "events"):
        client.command("insert into events select * from events where raw_offset = 4 and raw_line = 1")
        client.command("delete from events where raw_offset = 4 and raw_line = 2")
        report = run(filled)
    assert only(report, Kind.DOUBLED, "events").count == 1
    assert only(report, Kind.MISSING, "events").count == 1


def test_an_event_nobody_sent_is_found(filled: Pipeline, client: Client) -> None:
    with restored(client, "events"):
        client.command(
            "insert into events select * replace(generateUUIDv4() as event_id) from events "
            "where raw_offset = 4 and raw_line = 1"
        )
        assert only(run(filled), Kind.UNEXPECTED, "events").count == 1


def test_a_gap_and_an_overlap_of_the_ledger_are_found(filled: Pipeline, client: Client) -> None:
    with restored(client, "ledger"):
        client.command("delete from ledger where from_offset = 2")
        finding = only(run(filled), Kind.LEDGER_GAP, "ledger")
        assert finding.examples == ("raw partition 0 (epoch 1), offsets 2 to 2",)
    with restored(client, "ledger"):
        client.command("delete from ledger where from_offset = 0")
        assert only(run(filled), Kind.LEDGER_GAP, "ledger").examples[0].endswith("offsets 0 to 0")
    with restored(client, "ledger"):
        client.command("insert into ledger select * from ledger where from_offset = 1")
        assert "from offset 1" in only(run(filled), Kind.LEDGER_OVERLAP, "ledger").examples[0]
    with restored(client, "ledger"):
        client.command("alter table ledger update lines = 9 where from_offset = 1 settings mutations_sync = 1")
        assert "9 lines, but 4" in only(run(filled), Kind.LEDGER_SUM, "ledger").examples[0]


def test_what_the_worker_or_the_store_has_not_done_is_found(filled: Pipeline, client: Client) -> None:
    with restored(client, "ledger"):
        client.command("delete from ledger where from_offset >= 6")
        assert only(run(filled, patience=0.5), Kind.LEDGER_BEHIND, "ledger").count == 4
    client.command("detach table identities_queue")
    filled.send(topics.IDENTITIES, [lines([rows.identity(version=8)])])
    report = run(filled, patience=0.5)
    assert only(report, Kind.STORE_BEHIND, "identities").count >= 1
    assert "version 8 in the topic, 7 in the table" in only(report, Kind.VERSION, "identities").examples[0]
    client.command("attach table identities_queue")
    assert run(filled, patience=60).clean


@pytest.mark.parametrize(
    "defect", ["delete from dead_letters where 1 = 1", "insert into dead_letters select * from dead_letters"]
)
def test_dead_letters_are_counted(filled: Pipeline, client: Client, defect: str) -> None:
    kind = Kind.MISSING if defect.startswith("delete") else Kind.DOUBLED
    with restored(client, "dead_letters"):
        client.command(defect)
        assert only(run(filled), kind, "dead_letters").count == 1


def _half_pair(client: Client) -> None:
    client.command(
        "insert into sessions select * replace(-1 as sign) from "
        "(select * from sessions where session_id = 'session-1' and sign = 1 and version = 2)"
    )


def _lost_session(client: Client) -> None:
    client.command("delete from sessions where session_id = 'session-1'")


def _old_count(client: Client) -> None:
    client.command(
        "alter table sessions update event_count = 9 where session_id = 'session-1' and version = 2 "
        "settings mutations_sync = 1"
    )


@pytest.mark.parametrize(
    ("plant", "kind"),
    [(_half_pair, Kind.SESSION_SIGN), (_lost_session, Kind.SESSION_SIGN), (_old_count, Kind.SESSION_EVENTS)],
)
def test_sessions_add_up(filled: Pipeline, client: Client, plant: Callable[[Client], None], kind: Kind) -> None:
    with restored(client, "sessions"):
        plant(client)
        assert "session-1" in only(run(filled), kind, "sessions").examples[0]


def test_a_log_that_was_cut_is_found(filled: Pipeline, client: Client) -> None:
    with restored(client, "ledger"):
        client.command(
            "insert into ledger select * replace(toUInt64(9) as from_offset, toUInt64(100) as to_offset) "
            "from ledger where kind = 'hole'"
        )
        assert "processed to 100" in only(run(filled), Kind.LOG_CUT, "ledger").examples[0]


def test_a_lost_version_of_a_profile_or_group_is_found(filled: Pipeline, client: Client) -> None:
    with restored(client, "profiles"), restored(client, "groups"):
        client.command("delete from profiles where version = 2")
        client.command("delete from groups where group_id = 'acme'")
        report = run(filled, patience=0.5)
    assert "shop ann: version 2" in only(report, Kind.VERSION, "profiles").examples[0]
    assert "shop acme: version 1" in only(report, Kind.VERSION, "groups").examples[0]
    # Version 1 may have been merged into version 2 before that was deleted.
    assert only(report, Kind.MISSING, "profiles").count in (2, 3)


def test_a_lost_piece_of_a_recording_and_one_too_many_are_found(filled: Pipeline, client: Client) -> None:
    with restored(client, "replay_chunks"):
        client.command("insert into replay_chunks select * from replay_chunks")
        assert "raw 0/8" in only(run(filled), Kind.DOUBLED, "replay_chunks").examples[0]
        client.command("delete from replay_chunks where raw_offset = 8")
        assert only(run(filled), Kind.MISSING, "replay_chunks").count == 1


def test_a_rollup_off_by_one_is_found_and_mended(filled: Pipeline, client: Client) -> None:
    client.command(
        "insert into events_hourly (project_id, hour, name, events) "
        "values ('shop', '2026-03-01 10:00:00', 'screen_view', 1), ('shop', '2026-02-01 10:00:00', 'ghost', 1)"
    )
    finding = only(run(filled), Kind.ROLLUP, "events_hourly")
    assert finding.count == 2
    told: list[str] = []
    mended = repair(client, filled.settings, EVENTS_HOURLY, progress=told.append)
    assert {row.key[1] for row in mended.examples} == {"ghost", "screen_view"}
    assert told == [
        "events_hourly: 2026-02-01 computed, 1 of 1 days of 202602",
        "events_hourly: 1 hours of 202602 made anew",
        "events_hourly: 2026-03-01 computed, 1 of 1 days of 202603",
        "events_hourly: 1 hours of 202603 made anew",
    ]
    assert compare(client, EVENTS_HOURLY, settle_seconds=0).rows == 0
    assert repair(client, filled.settings, EVENTS_HOURLY).rows == 0
    assert run(filled).clean
    # What was taken off for the repair consumes again.
    filled.send(topics.EVENTS, [lines([rows.event(project_id="later", raw_offset=99)])])
    filled.await_number("select count() from events where project_id = 'later'", 1)
