"""The tables. Identifiers are text chosen by us or by people; times are UTC."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, DateTime, Double, ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def _now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Root of the declared schema; a test compares it with the migrated one."""

    metadata = MetaData(naming_convention=NAMING)


class Organization(Base):
    """Owns projects and root clients."""

    __tablename__ = "organizations"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)


class Project(Base):
    """One tracked product; field by field what `schemas.control.ProjectRecord` says."""

    __tablename__ = "projects"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    origins: Mapped[list[str]] = mapped_column(JSON, default=list)
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    week_start: Mapped[int] = mapped_column(default=1)
    retention_days: Mapped[int] = mapped_column(default=90)
    currency: Mapped[str] = mapped_column(String(3), default="USD")
    bot_policy: Mapped[str] = mapped_column(String(8), default="drop")
    filters: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    client_rate: Mapped[float] = mapped_column(Double, default=0.0)
    client_burst: Mapped[int] = mapped_column(default=0)
    ip_rate: Mapped[float] = mapped_column(Double, default=0.0)
    ip_burst: Mapped[int] = mapped_column(default=0)
    monthly_events: Mapped[int] = mapped_column(BigInteger, default=0)
    anonymize_ip: Mapped[bool] = mapped_column(default=False)
    unsafe_revenue: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)


class SiteName(Base):
    """A name of a site (`schemas.site_names`), and whose it is."""

    __tablename__ = "site_names"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)


class Client(Base):
    """An API key. The secret itself is never stored; a root client belongs to no project."""

    __tablename__ = "clients"
    __table_args__ = (
        CheckConstraint("type in ('write', 'read', 'root')", name="type"),
        CheckConstraint("(type = 'root') = (project_id is null)", name="root_has_no_project"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id"), index=True)
    type: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(200), default="")
    secret_hash: Mapped[str | None] = mapped_column(String(80))
    rate: Mapped[float | None] = mapped_column(Double)
    burst: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)


class Rule(Base):
    """A rule of a project; field by field what `schemas.control.RuleRecord` says."""

    __tablename__ = "rules"

    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    enabled: Mapped[bool] = mapped_column(default=True)
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    window_minutes: Mapped[int] = mapped_column(default=0)
    once_per: Mapped[str] = mapped_column(String(8), default="every")
    cooldown_minutes: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)


class Erasure(Base):
    """A person that was erased, or is being erased: whose data, and how far it is. Kept for ever, as every replay has
    to obey it; there is no foreign key, as it outlives its project.
    """

    __tablename__ = "erasures"

    project_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    profile_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    profile_ids: Mapped[list[str]] = mapped_column(JSON)
    device_ids: Mapped[list[str]] = mapped_column(JSON)
    erased_at: Mapped[int] = mapped_column(BigInteger)
    """Milliseconds; see `schemas.control.ErasureRecord`."""
    stage: Mapped[str] = mapped_column(String(16))
    progress: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What who goes on with it has to know; empty where nothing is under way."""
    removed: Mapped[dict[str, int]] = mapped_column(JSON)
    """Rows taken from each table, over all times this person was erased."""
    begun_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Salt(Base):
    """The random salt of one UTC day, `YYYY-MM-DD`; 64 hexadecimal digits."""

    __tablename__ = "salts"

    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    salt: Mapped[str] = mapped_column(String(64))


class TopicEpoch(Base):
    """The identity of a Kafka topic, the epoch of its present incarnation (32 bits, unsigned), and its partitions."""

    __tablename__ = "topic_epochs"

    topic: Mapped[str] = mapped_column(String(249), primary_key=True)
    topic_id: Mapped[str] = mapped_column(String(64))
    epoch: Mapped[int] = mapped_column(BigInteger)
    partitions: Mapped[int | None]


class DatabaseIdentity(Base):
    """Which control database this is: one row, made with the database and kept by its backups; random."""

    __tablename__ = "database_identity"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
