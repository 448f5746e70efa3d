"""What is older than it is kept goes; its rollups stay, the audit adds up, and nothing of it comes again."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas import topics
from schemas.control import LogRecord, ProjectRecord
from sinks import retention
from sinks.audit import audit
from sinks.audit_report import AuditReport, render
from sinks.kafka_log import KafkaLog
from sinks.rebuild import left_alone, rebuild
from sinks.retained import read_retained
from sinks.rollup_compare import compare
from sinks.rollups import ROLLUPS
from tests.integration.sinks import rows
from tests.integration.sinks.arrivals import arrive, number
from tests.integration.sinks.store import Pipeline, lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

NOW = datetime(2026, 3, 20, 9, tzinfo=UTC)
LONG, SHORT = "long", "short"
DAYS = {LONG: 90, SHORT: 10}
PER_MESSAGE = 3
TIMES = (
    "2025-11-05 10:00:00",
    "2026-02-10 10:00:00",
    "2026-03-09 23:00:00",
    "2026-03-10 00:30:00",
    "2026-03-19 10:00:00",
)
"""A month that nobody keeps; one that one project keeps; the hour before and the one after the day from which on the
other keeps its rows; yesterday. In each time a message of both projects.
"""


def _rows(offset: int, at: str, project: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    place = {"raw_offset": offset, "project_id": project, "session_id": f"{project}-{offset}"}
    month = int(at[:7].replace("-", ""))
    times = {"started_at": f"{at}.000", "ended_at": f"{at}.000", "session_month": month}
    first_line = list(DAYS).index(project) * PER_MESSAGE
    events = [
        rows.event(**place, raw_line=line, created_at=f"{at}.000")
        for line in range(first_line, first_line + PER_MESSAGE)
    ]
    first = rows.session(**place, **times)
    return events, [first, {**first, "sign": -1}, rows.session(**place, **times, event_count=PER_MESSAGE, version=2)]


def _fill(pipeline: Pipeline) -> None:
    record = LogRecord(topic=topics.RAW, topic_id="x", epoch=1)
    pipeline.send(topics.CONTROL, [record.model_dump_json().encode()], key=f"log/{topics.RAW}")
    for project, days in DAYS.items():
        told = ProjectRecord(id=project, organization_id="o", name=project, retention_days=days)
        pipeline.send(topics.CONTROL, [told.model_dump_json().encode()], key=f"project/{project}")
    pipeline.send(topics.RAW, [b"{}"] * len(TIMES))
    for offset, at in enumerate(TIMES):
        month = int(at[:7].replace("-", ""))
        both = [_rows(offset, at, project) for project in DAYS]
        pipeline.send(topics.EVENTS, [lines([row for events, _ in both for row in events])])
        pipeline.send(topics.SESSIONS, [lines([row for _, sessions in both for row in sessions])])
        told_of = rows.ledger(
            offset,
            lines=2 * PER_MESSAGE,
            stored=2 * PER_MESSAGE,
            row_tables=["events", "sessions"],
            row_months=[month, month],
            row_counts=[2 * PER_MESSAGE, 2],
        )
        pipeline.send(topics.LEDGER, [lines([told_of])])


def run(pipeline: Pipeline) -> AuditReport:
    return audit(pipeline.settings, patience_seconds=60)


@pytest.fixture(scope="module")
def filled(pipeline: Pipeline) -> Pipeline:
    _fill(pipeline)
    report = run(pipeline)
    assert report.clean, render(report)
    return pipeline


@pytest.fixture
def client(filled: Pipeline) -> Iterator[Client]:
    client = filled.client()
    yield client
    client.close()


def _counts(client: Client) -> dict[str, int]:
    found = client.query(
        "select project_id, toString(min(created_at)), count() from events group by project_id"
    ).result_rows
    return {str(project): int(count) for project, _, count in found}


def test_what_is_old_goes_and_the_audit_adds_up(filled: Pipeline, client: Client) -> None:
    days = KafkaLog(filled.settings.kafka_bootstrap).retention_days()
    assert days == DAYS
    events, sessions = retention.find_due(client, days, NOW)
    assert (events.months, events.projects) == ({202511: 2 * PER_MESSAGE}, {SHORT: 2 * PER_MESSAGE})
    assert (sessions.months, sessions.projects) == ({202511: 2}, {SHORT: 2})
    hourly = "select sum(events) from events_hourly"
    before = number(client, hourly)
    told: list[str] = []
    retention.apply(client, filled.settings, [events, sessions], told.append)
    assert told == [
        "events: dropped 202511, 6 rows",
        "events: deleted 6 rows of short",
        "sessions: dropped 202511, 2 rows",
        "sessions: deleted 2 rows of short",
    ]
    assert _counts(client) == {LONG: 4 * PER_MESSAGE, SHORT: 2 * PER_MESSAGE}
    assert number(client, "select sum(sign) from sessions") == 6
    assert number(client, hourly) == before
    report = run(filled)
    assert report.clean, render(report)
    assert report.notes == ()
    quick = audit(filled.settings, patience_seconds=60, since=report.reached)
    assert quick.clean, render(quick)
    assert not quick.complete
    assert read_retained(client).kept_from(SHORT) == datetime(2026, 3, 10, tzinfo=UTC)
    assert read_retained(client).kept_from(LONG) == datetime(2025, 12, 1, tzinfo=UTC)
    # Done once, and nothing is to be done again.
    assert not any(retention.find_due(client, days, NOW))
    for rollup in ROLLUPS:
        rebuild(client, filled.settings, rollup, datetime(2025, 1, 1, tzinfo=UTC), NOW)
        assert not compare(client, rollup, settle_seconds=0)
    told = left_alone(client, datetime(2025, 1, 1, tzinfo=UTC))
    assert any("before 2025-12-01" in each for each in told)
    assert f"{SHORT} before 2026-03-10" in told
    assert left_alone(client, NOW) == []
    assert number(client, hourly) == before


def test_nothing_of_it_comes_again(filled: Pipeline, client: Client) -> None:
    """The messages of what is gone, though no row tells any more that they were read."""
    before = _counts(client)
    epoch = KafkaLog(filled.settings.kafka_bootstrap).epochs().get(topics.EVENTS, 1)
    assert epoch == 1
    gone, _ = _rows(0, TIMES[0], LONG)
    arrive(client, "events", 0, gone)
    assert _counts(client) == before
    # Not so without what is written down: the table's progress went with its rows.
    client.command("create table passed as retention_passed")
    client.command("insert into passed select * from retention_passed")
    client.command("truncate table retention_passed")
    arrive(client, "events", 0, gone)
    assert _counts(client)[LONG] == before[LONG] + PER_MESSAGE
    client.command("insert into retention_passed select * from passed")
    client.command("drop table passed")
    # The ledger tells of none of these, and is not to be told that they go.
    client.command("alter table events drop partition 202511")
    assert _counts(client) == before


def test_what_broke_off_is_completed(filled: Pipeline, client: Client) -> None:
    later = datetime(2026, 3, 21, tzinfo=UTC)
    days = {**DAYS, SHORT: 2}
    events, sessions = retention.find_due(client, days, later)
    assert (events.projects, sessions.projects) == ({SHORT: PER_MESSAGE}, {SHORT: 1})
    # It had told the ledger, and no more: that is taken back.
    plan = events.plan.model_copy(update={"epoch": 1, "ends": (100, 100)})
    retention._note(client, 7, retention.EVENTS, 1, plan)
    retention._tell_ledger(client, 7, retention.EVENTS, plan)
    assert not run(filled).clean
    retention.complete(client, filled.settings, lambda _: None)
    report = run(filled)
    assert report.clean, render(report)
    # It had begun to take rows: the rest goes.
    retention._tell_ledger(client, 8, retention.EVENTS, plan)
    retention._note(client, 8, retention.EVENTS, 2, plan)
    client.command(f"delete from events where project_id = '{SHORT}' and raw_offset = 3 and raw_line = 0")
    retention.complete(client, filled.settings, lambda _: None)
    assert _counts(client)[SHORT] == PER_MESSAGE
    retention.apply(client, filled.settings, retention.find_due(client, days, later), lambda _: None)
    report = run(filled)
    assert report.clean, render(report)


def test_who_keeps_little_keeps_no_month_more(client: Client) -> None:
    """Though no other project keeps more."""
    (events, _) = retention.find_due(client, {LONG: 5, SHORT: 5}, NOW)
    assert (events.months, events.projects) == ({202602: PER_MESSAGE}, {LONG: 2 * PER_MESSAGE})
    (events, _) = retention.find_due(client, {LONG: 70, SHORT: 70}, NOW)
    assert (events.months, events.projects) == ({}, {})


def test_nobody_asked_nothing_goes(client: Client) -> None:
    assert retention.find_due(client, {}, NOW) == []
    far = datetime(2027, 1, 1, tzinfo=UTC)
    (events, _) = retention.find_due(client, {"another": 1}, far)
    assert not events, "projects that are not there any more keep their rows for 400 days"
