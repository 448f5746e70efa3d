"""The auditor goes on where its last clean audit ended, finds what is planted in old rows all the same, mends rollups,
and tells what it found.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from clickhouse_connect.driver.client import Client

from schemas import topics
from schemas.control import LogRecord, ProjectRecord
from sinks.audit import audit
from sinks.audit_report import AuditReport, Kind, render
from sinks.auditor import Auditor, last_clean, read_reports
from sinks.auditor_metrics import AuditorMetrics, Health, served
from sinks.rollup_compare import compare
from sinks.rollup_pieces import read_checked
from sinks.rollups import EVENTS_HOURLY, ROLLUPS
from sinks.settings import AuditorSettings
from tests.integration.sinks import rows
from tests.integration.sinks.arrivals import number
from tests.integration.sinks.store import Pipeline, lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

PER_MESSAGE = 3
OPTIONS = AuditorSettings.model_validate({"quiet_seconds": 0, "patience_seconds": 60})


def _send(pipeline: Pipeline, offset: int, partition: int = 0) -> None:
    """A raw message with three events of a session of their own, and all that follows from it."""
    place = {"raw_offset": offset, "raw_partition": partition, "session_id": f"s-{partition}-{offset}"}
    events = [rows.event(**place, raw_line=line) for line in range(PER_MESSAGE)]
    session = rows.session(**place, event_count=PER_MESSAGE)
    told = rows.ledger(
        offset,
        raw_partition=partition,
        lines=PER_MESSAGE,
        stored=PER_MESSAGE,
        row_tables=["events", "sessions"],
        row_months=[202603, 202603],
        row_counts=[PER_MESSAGE, 1],
    )
    pipeline.send(topics.EVENTS, [lines(events)], partition=partition)
    pipeline.send(topics.SESSIONS, [lines([session])], partition=partition)
    pipeline.send(topics.LEDGER, [lines([told])], partition=partition)


@pytest.fixture(scope="module")
def filled(pipeline: Pipeline) -> Pipeline:
    record = LogRecord(topic=topics.RAW, topic_id="x", epoch=1)
    pipeline.send(topics.CONTROL, [record.model_dump_json().encode()], key=f"log/{topics.RAW}")
    project = ProjectRecord(id="shop", organization_id="o", name="shop", retention_days=400)
    pipeline.send(topics.CONTROL, [project.model_dump_json().encode()], key="project/shop")
    pipeline.send(topics.RAW, [b"{}"] * 4)
    for offset in range(4):
        _send(pipeline, offset)
    report = audit(pipeline.settings, patience_seconds=90)
    assert report.clean, render(report)
    return pipeline


@pytest.fixture
def client(filled: Pipeline) -> Iterator[Client]:
    client = filled.client()
    yield client
    client.close()


@pytest.fixture(scope="module")
def metrics() -> AuditorMetrics:
    return AuditorMetrics()


@pytest.fixture(scope="module")
def auditor(filled: Pipeline, metrics: AuditorMetrics) -> Auditor:
    return Auditor(filled.settings, OPTIONS, metrics, now=lambda: datetime(2026, 3, 2, tzinfo=UTC))


def test_the_first_round_compares_all_and_the_next_what_came(
    filled: Pipeline, client: Client, auditor: Auditor, metrics: AuditorMetrics
) -> None:
    client.command(
        "insert into events_hourly (project_id, hour, name, events) "
        "values ('shop', '2026-03-01 10:00:00', 'screen_view', 1)"
    )
    first = auditor.round()
    assert first.clean, render(first)
    assert first.complete
    assert any("events_hourly: 1 rows in 1 hours were not what the table comes to" in note for note in first.notes)
    assert not compare(client, EVENTS_HOURLY, settle_seconds=0)
    filled.send(topics.RAW, [b"{}"])
    _send(filled, 5)
    # Offset 4 is the first transaction's marker.
    filled.send(topics.LEDGER, [lines([rows.ledger(4, kind="hole")])])
    second = auditor.round()
    assert second.clean, render(second)
    assert not second.complete
    assert second.reached.raw == {0: 6}
    assert second.totals.rows["events"] == 5 * PER_MESSAGE
    for rollup in ROLLUPS:
        assert read_checked(client, rollup), rollup.table
    assert [report.started_at for report in read_reports(client, limit=5)] == [second.started_at, first.started_at]
    assert last_clean(filled.settings) == second
    said = metrics.text().decode()
    assert 'weir_auditor_rollup_pieces_repaired_total{rollup="events_hourly"} 1.0' in said
    assert 'weir_auditor_rounds_total{outcome="clean"} 2.0' in said
    assert 'weir_auditor_findings{kind="missing"} 0.0' in said


def test_what_is_planted_in_old_rows_is_found(filled: Pipeline, client: Client) -> None:
    since = audit(filled.settings, patience_seconds=60).reached

    def found() -> AuditReport:
        return audit(filled.settings, patience_seconds=60, since=since, rollups=False)

    assert found().clean
    client.command("insert into events select * from events where raw_offset = 1 and raw_line = 1")
    report = found()
    (doubled,) = report.findings
    assert (doubled.kind, doubled.table, doubled.count) == (Kind.DOUBLED, "events", 1)
    assert "raw 0/1 (epoch 1), month 202603" in doubled.examples[0]
    client.command("delete from events where raw_offset = 1 and raw_line in (1, 2)")
    (missing,) = found().findings
    assert (missing.kind, missing.count) == (Kind.MISSING, 2)
    restored = [rows.event(raw_offset=1, raw_line=line, session_id="s-0-1") for line in (1, 2)]
    client.raw_insert(
        "events",
        insert_block=lines(restored),
        fmt="JSONEachRow",
        settings={"date_time_input_format": "best_effort"},
    )
    for rollup in ROLLUPS:
        client.command(f"truncate table {rollup.table}")
    assert found().clean


def test_rollups_that_were_lost_are_made_anew(filled: Pipeline, client: Client, auditor: Auditor) -> None:
    """Their hour is looked at again when it is not known to be equal."""
    client.command("truncate table rollup_checks")
    assert any(compare(client, rollup, settle_seconds=0) for rollup in ROLLUPS)
    report = auditor.round()
    assert report.clean, render(report)
    for rollup in ROLLUPS:
        assert not compare(client, rollup, settle_seconds=0), rollup.table
    assert number(client, "select sum(events) from events_hourly") == 5 * PER_MESSAGE


def test_no_rollup_is_made_of_a_table_that_lost_rows(filled: Pipeline, client: Client, auditor: Auditor) -> None:
    """It may be all that is left of them; once the table is mended it is right."""
    client.command("create table events_kept as events")
    client.command("alter table events_kept attach partition 202603 from events")
    client.command("delete from events where raw_offset = 2")
    report = auditor.round()
    assert (report.findings[0].kind, report.findings[0].table) == (Kind.MISSING, "events")
    (hourly,) = (each for each in report.findings if each.table == "events_hourly")
    assert hourly.kind == Kind.ROLLUP
    assert "(mend events first, with weir reprocess or weir restore: " in hourly.summary
    assert number(client, "select sum(events) from events_hourly") == 5 * PER_MESSAGE
    by_hand = audit(filled.settings, patience_seconds=60).findings
    assert all("mend events first" in each.summary for each in by_hand if each.kind == Kind.ROLLUP)
    client.command("alter table events replace partition 202603 from events_kept")
    client.command("drop table events_kept")
    report = auditor.round()
    assert report.clean, render(report)
    assert number(client, "select sum(events) from events_hourly") == 5 * PER_MESSAGE


def test_a_partition_that_stands_still_is_found_and_told(
    filled: Pipeline, client: Client, metrics: AuditorMetrics
) -> None:
    impatient = Auditor(
        filled.settings,
        AuditorSettings.model_validate({"quiet_seconds": 0, "patience_seconds": 0.5, "retention": False}),
        metrics,
        now=lambda: datetime(2026, 3, 2, tzinfo=UTC),
    )
    filled.send(topics.RAW, [b"{}"] * 2, partition=1)
    report = impatient.round()
    assert [finding.kind for finding in report.findings] == [Kind.LEDGER_BEHIND]
    assert "raw partition 1" in report.findings[0].examples[0]
    client.command("detach table events_queue")
    _send(filled, 0, partition=1)
    _send(filled, 1, partition=1)
    filled.await_number("select count() from ledger where raw_partition = 1", 2)
    kinds = {finding.kind for finding in impatient.round().findings}
    assert Kind.STORE_BEHIND in kinds
    assert Kind.MISSING in kinds
    said = metrics.text().decode()
    assert 'weir_auditor_behind_offsets{table="events"}' in said
    stored = json.loads(client.query("select report from audits order by started_at desc limit 1").result_rows[0][0])
    assert "store_behind" in {finding["kind"] for finding in stored["findings"]}
    client.command("attach table events_queue")
    report = audit(filled.settings, patience_seconds=60, rollups=False)
    assert report.clean, render(report)
    assert report.reached.raw == {0: 6, 1: 2}


def test_after_a_death_of_the_store_nobody_waits_for_quiet(
    filled: Pipeline, client: Client, metrics: AuditorMetrics
) -> None:
    patient = Auditor(
        filled.settings,
        AuditorSettings.model_validate({"quiet_seconds": 3600, "patience_seconds": 60, "retention": False}),
        metrics,
        now=lambda: datetime(2026, 3, 2, tzinfo=UTC),
    )
    patient.round()
    for rollup in ROLLUPS:
        client.command(f"truncate table {rollup.table}")
    filled.send(topics.RAW, [b"{}"])
    _send(filled, 7)
    filled.send(topics.LEDGER, [lines([rows.ledger(6, kind="hole")])])
    assert patient.round().clean
    assert number(client, "select sum(events) from events_hourly") == PER_MESSAGE
    filled.store.kill()
    filled.store.start()
    report = patient.round()
    assert report.clean, render(report)
    assert any(note.startswith("events_hourly: ") for note in report.notes)
    for rollup in ROLLUPS:
        assert not compare(client, rollup, settle_seconds=0), rollup.table


def test_metrics_and_health_are_served() -> None:
    metrics, well = AuditorMetrics(), Health(1000)
    metrics.failed()
    with served(metrics, well, "127.0.0.1", 0) as port:
        url = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{url}/metrics") as answer:
            assert b'weir_auditor_rounds_total{outcome="failed"} 1.0' in answer.read()
        for path in ("/healthcheck", "/healthz"):
            with urllib.request.urlopen(url + path) as answer:
                assert answer.read() == b"ok\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}/other")
    with served(metrics, Health(0), "127.0.0.1", 0) as port, pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck")
