"""The auditor folds days that are over, finds what is planted in them, and folds anew what changed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from schemas import topics
from schemas.control import LogRecord, ProjectRecord
from sinks.audit import audit
from sinks.audit_report import AuditReport, Kind, render
from sinks.auditor import Auditor
from sinks.auditor_metrics import AuditorMetrics
from sinks.daily_check import folded_in_use
from sinks.daily_days import Day, calendar
from sinks.settings import AuditorSettings
from tests.integration.sinks import rows
from tests.integration.sinks.day_traffic import counted, told
from tests.integration.sinks.store import Pipeline, lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

FIRST = datetime(2026, 3, 2, 10, tzinfo=UTC)
NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
OPTIONS = AuditorSettings.model_validate({"quiet_seconds": 0, "patience_seconds": 60, "sweep_days": 1})
MESSAGES = 8


def _send(pipeline: Pipeline, offset: int) -> None:
    """A raw message with three events of a session of their own, half a day after the one before."""
    place = {"raw_offset": offset, "session_id": f"s-{offset}", "device_id": f"device-{offset % 3}"}
    began = FIRST + timedelta(hours=12 * offset)
    events = [
        rows.event(**place, raw_line=line, created_at=_text(began + timedelta(minutes=line))) for line in range(3)
    ]
    session = rows.session(
        **place,
        event_count=3,
        screen_view_count=3,
        is_bounce=0,
        started_at=_text(began),
        ended_at=_text(began + timedelta(minutes=2)),
        duration_ms=120_000,
        country=("DE", "SE")[offset % 2],
    )
    ledger = rows.ledger(
        offset, lines=3, stored=3, row_tables=["events", "sessions"], row_months=[202603] * 2, row_counts=[3, 1]
    )
    pipeline.send(topics.EVENTS, [lines(events)])
    pipeline.send(topics.SESSIONS, [lines([session])])
    pipeline.send(topics.LEDGER, [lines([ledger])])


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}.000"


def _project(pipeline: Pipeline, zone: str, retention_days: int = 400) -> None:
    project = ProjectRecord(id="shop", organization_id="o", name="shop", timezone=zone, retention_days=retention_days)
    pipeline.send(topics.CONTROL, [project.model_dump_json().encode()], key="project/shop")


@pytest.fixture(scope="module")
def filled(pipeline: Pipeline) -> Pipeline:
    record = LogRecord(topic=topics.RAW, topic_id="x", epoch=1)
    pipeline.send(topics.CONTROL, [record.model_dump_json().encode()], key=f"log/{topics.RAW}")
    _project(pipeline, "UTC")
    pipeline.send(topics.RAW, [b"{}"] * MESSAGES)
    for offset in range(MESSAGES):
        _send(pipeline, offset)
    report = audit(pipeline.settings, patience_seconds=90)
    assert report.clean, render(report)
    return pipeline


@pytest.fixture(scope="module")
def client(filled: Pipeline) -> Iterator[Client]:
    client = filled.client()
    yield client
    client.close()


def _round(pipeline: Pipeline, metrics: AuditorMetrics | None = None, now: datetime = NOW) -> AuditReport:
    report = Auditor(pipeline.settings, OPTIONS, metrics or AuditorMetrics(), now=lambda: now).round()
    assert report.clean, render(report)
    return report


def _agrees(client: Client, days: list[Day]) -> None:
    assert sorted(folded_in_use(client, "shop")) == days
    assert told(client, "shop", days) == counted(client, "shop", days)


def test_days_are_folded_when_their_half_hours_are_equal(filled: Pipeline, client: Client) -> None:
    metrics = AuditorMetrics()
    _round(filled, metrics)
    days = calendar(ZoneInfo("UTC"), FIRST, NOW)
    assert len(days) == 4
    _agrees(client, days)
    said = metrics.text().decode()
    assert 'weir_auditor_daily_days{state="folded"} 4.0' in said
    assert 'weir_auditor_daily_days{state="waiting"} 0.0' in said
    assert "weir_auditor_daily_days_folded_total 4.0" in said


def test_a_planted_difference_is_told_and_folded_anew(filled: Pipeline, client: Client) -> None:
    days = calendar(ZoneInfo("UTC"), FIRST, NOW)
    client.command(
        "alter table folded_values update sessions = sessions + 1 where dimension = 'country' and value = 'SE'",
        settings={"mutations_sync": 2},
    )
    (finding,) = audit(filled.settings, patience_seconds=60).findings
    assert (finding.kind, finding.table) == (Kind.ROLLUP, "folded_values")
    assert "country SE" in finding.examples[0]
    # Reports are of today, and the auditor's clock here is not: without any, everything is compared.
    client.command("truncate table audits")
    metrics = AuditorMetrics()
    report = _round(filled, metrics)
    assert any("folded days were not what the half hours come to" in note for note in report.notes)
    assert 'weir_auditor_rollup_pieces_repaired_total{rollup="daily"}' in metrics.text().decode()
    _round(filled)
    _agrees(client, days)
    assert audit(filled.settings, patience_seconds=60).clean
