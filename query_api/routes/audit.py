"""What the auditor found last: whether every event is accounted for."""

import json
from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from query_api.answers import ERRORS
from query_api.services import AppServices, ShownCredentials
from query_api.sql.audits import last_audit

router = APIRouter(tags=["Audit"], responses={status: ERRORS[status] for status in (401, 503)})


class AuditFinding(BaseModel):
    """One thing that is wrong."""

    model_config = ConfigDict(extra="ignore")

    kind: str
    table: str
    count: int
    summary: str
    examples: list[str]


class AuditDetails(BaseModel):
    """Numbers of the whole installation."""

    totals: dict[str, int | dict[str, int]] = Field(description="Lines by what became of them, and rows per table.")
    findings: list[AuditFinding]
    notes: list[str]


class AuditAnswer(BaseModel):
    """The last audit; all but ``state`` is null when there was none."""

    state: str = Field(description="`clean`, `findings`, or `none` when no audit has been stored.")
    startedAt: datetime | None = None  # noqa: N815 - names in answers follow the OpenPanel API
    seconds: float | None = None
    complete: bool | None = Field(
        None, description="Whether everything was compared by message, and not only what came since the one before."
    )
    lastCleanAt: datetime | None = Field(None, description="When the last clean audit began.")  # noqa: N815
    kinds: list[str] | None = Field(None, description="What kinds of things are wrong.")
    details: AuditDetails | None = Field(
        None, description="For root clients, where theirs is the only organisation of the installation."
    )


@router.get("/audit", summary="Whether every event is accounted for")
async def get_audit(services: AppServices, credentials: ShownCredentials) -> AuditAnswer:
    """The auditor's last report. What it says of numbers and rows is of all projects alike, and shown to none but the
    one organisation that owns them all.
    """
    sees_all = await services.access.sees_all(credentials)
    rows = await services.store.rows(last_audit(services.settings.clickhouse_database))
    if not rows:
        return AuditAnswer(state="none")
    row = rows[0]
    report = json.loads(row["report"])
    clean_at = _aware(row["clean_at"])
    return AuditAnswer(
        state="clean" if row["clean"] else "findings",
        startedAt=_aware(row["started_at"]),
        seconds=row["seconds"],
        complete=bool(row["complete"]),
        lastCleanAt=clean_at if clean_at.timestamp() > 0 else None,
        kinds=sorted({finding["kind"] for finding in report["findings"]}),
        details=AuditDetails.model_validate(report) if sees_all else None,
    )


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
