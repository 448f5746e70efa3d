"""What `weir.control` says of the rows of the database."""

from control.models import Client, Erasure, Project, Rule
from schemas.control import BotPolicy, ClientRecord, ClientType, ErasureRecord, ProjectRecord, RateLimit, RuleRecord
from schemas.filters import FilterRecord


def project_record(row: Project) -> ProjectRecord:
    """The record of a project.

    :raises pydantic.ValidationError: the row says what no record may.
    """
    return ProjectRecord(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        origins=tuple(row.origins),
        timezone=row.timezone,
        week_start=row.week_start,
        retention_days=row.retention_days,
        currency=row.currency,
        bot_policy=BotPolicy(row.bot_policy),
        filters=tuple(FilterRecord.model_validate(each) for each in row.filters),
        client_limit=RateLimit(per_second=row.client_rate, burst=row.client_burst),
        ip_limit=RateLimit(per_second=row.ip_rate, burst=row.ip_burst),
        monthly_events=row.monthly_events,
        anonymize_ip=row.anonymize_ip,
        unsafe_revenue=row.unsafe_revenue,
    )


def client_record(row: Client) -> ClientRecord:
    """The record of a client."""
    limit = None if row.rate is None else RateLimit(per_second=row.rate, burst=row.burst or 0)
    return ClientRecord(
        id=row.id,
        organization_id=row.organization_id,
        project_id=row.project_id,
        type=ClientType(row.type),
        name=row.name,
        secret_hash=row.secret_hash,
        limit=limit,
    )


def erasure_record(row: Erasure) -> ErasureRecord:
    """The record of an erasure."""
    return ErasureRecord(
        project_id=row.project_id,
        profile_id=row.profile_id,
        profile_ids=tuple(row.profile_ids),
        device_ids=tuple(row.device_ids),
        erased_at=row.erased_at,
    )


def rule_record(row: Rule) -> RuleRecord:
    """The record of a rule.

    :raises pydantic.ValidationError: the row says what no record may.
    """
    return RuleRecord.model_validate(
        {name: getattr(row, name) for name in RuleRecord.model_fields if name not in ("version", "record")}
    )
