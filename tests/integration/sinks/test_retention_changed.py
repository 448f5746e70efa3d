"""How long rows are kept is changed, one way and back: what comes later is kept as long as it is today, and counted."""

from datetime import UTC, datetime

import pytest
from clickhouse_connect.driver.client import Client

from schemas import topics
from schemas.control import LogRecord
from sinks import retention
from sinks.audit import audit
from sinks.audit_report import AuditReport, render
from sinks.retained import read_retained
from tests.integration.sinks import rows
from tests.integration.sinks.arrivals import number
from tests.integration.sinks.store import Pipeline, lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

NOW = datetime(2026, 3, 20, 9, tzinfo=UTC)
OLD, NEW = "2026-01-10 10:00:00.000", "2026-03-19 10:00:00.000"


def _send(pipeline: Pipeline, offset: int, at: str, project: str) -> None:
    """What became of a raw message: one event, and one session."""
    month = int(at[:7].replace("-", ""))
    place = {"raw_offset": offset, "project_id": project, "session_id": f"{project}-{offset}"}
    pipeline.send(topics.EVENTS, [lines([rows.event(**place, created_at=at)])])
    session = rows.session(**place, started_at=at, ended_at=at, session_month=month, event_count=1)
    pipeline.send(topics.SESSIONS, [lines([session])])
    told = rows.ledger(offset, row_tables=["events", "sessions"], row_months=[month, month], row_counts=[1, 1])
    pipeline.send(topics.LEDGER, [lines([told])])


def _audit(pipeline: Pipeline) -> AuditReport:
    return audit(pipeline.settings, patience_seconds=60)


def test_what_comes_after_a_shorter_time_is_kept_and_counted(pipeline: Pipeline) -> None:
    record = LogRecord(topic=topics.RAW, topic_id="x", epoch=1)
    pipeline.send(topics.CONTROL, [record.model_dump_json().encode()], key=f"log/{topics.RAW}")
    pipeline.send(topics.RAW, [b"{}"] * 4)
    client: Client = pipeline.client()
    for offset, at in enumerate((OLD, NEW)):
        _send(pipeline, offset, at, "shop")
    for table in ("events", "sessions"):
        pipeline.await_number(f"select count() from {table}", 2)
    told: list[str] = []
    due = retention.find_due(client, {"shop": 20}, NOW)
    retention.apply(client, pipeline.settings, due, told.append)
    assert told == ["events: dropped 202601, 1 rows", "sessions: dropped 202601, 1 rows"]

    # The shop keeps its rows longer again, and another project never kept them for less.
    days = {"shop": 400, "fresh": 90}
    for offset, project in enumerate(days, start=2):
        _send(pipeline, offset, OLD, project)
    assert (report := _audit(pipeline)).clean, render(report)
    assert number(client, "select count() from events") == 3
    assert not any(retention.find_due(client, days, NOW))
    assert read_retained(client).kept_from("fresh") == datetime(1970, 1, 1, tzinfo=UTC), "nothing of it was taken"

    # Nobody looks away: what is lost of that month is found, though it was dropped once.
    client.command("delete from events where project_id = 'fresh'", settings={"lightweight_deletes_sync": 2})
    assert [(each.kind, each.table) for each in _audit(pipeline).findings][:1] == [("missing", "events")]

    # With less again, a month that one project keeps is not dropped for another.
    events, sessions = retention.find_due(client, {"shop": 20, "fresh": 90}, NOW)
    assert (events.months, sessions.months, sessions.projects) == ({202601: 1}, {}, {"shop": 1})
    client.close()
