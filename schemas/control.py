"""Control records: what gateways and workers must know of projects, clients and topics. Compacted topic
``weir.control``, one JSON record a message; a null value deletes the key.
"""

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.filters import FilterRecord, Filters
from schemas.rules import Rule

MAX_RETENTION_DAYS = 400
DATABASE_KEY = "database/owner"
"""The key of the only ``DatabaseRecord``."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1


class BotPolicy(StrEnum):
    """What becomes of events whose user agent is a crawler's (``schemas.bots``)."""

    DROP = "drop"
    """Not stored, unless they came with the client's secret: then they are flagged."""
    FLAG = "flag"
    """Stored with the crawler's name, and counted nowhere as a visitor's."""
    KEEP = "keep"
    """Stored as everybody else's."""


class RateLimit(BaseModel):
    """Events per second in the long run, and how many may come at once. A rate of 0 limits nothing; a burst of 0 is
    what ten seconds bring.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    per_second: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 0
    burst: Annotated[int, Field(ge=0, le=100_000_000)] = 0


class ProjectRecord(_Record):
    """A tracked product, the tenant. Key ``project/<id>``."""

    record: Literal["project"] = "project"
    id: str
    organization_id: str
    name: str
    origins: tuple[str, ...] = ()
    """Origins whose pages may send without a secret: ``https://shop.example``, ``*.shop.example``, or ``*`` for any."""
    timezone: str = "UTC"
    """IANA name."""
    week_start: Annotated[int, Field(ge=1, le=7)] = 1
    """ISO day of the week, 1 = Monday."""
    retention_days: Annotated[int, Field(ge=1, le=MAX_RETENTION_DAYS)] = MAX_RETENTION_DAYS
    currency: str = "USD"
    bot_policy: BotPolicy = BotPolicy.DROP
    filters: tuple[FilterRecord, ...] = ()
    """Events of which one of these is true are not stored."""
    client_limit: RateLimit = RateLimit()
    """For each client, unless it has a limit of its own."""
    ip_limit: RateLimit = RateLimit()
    """For each address that sends without a secret."""
    monthly_events: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Events taken in a UTC month; 0: as many as come."""
    anonymize_ip: bool = False
    """Addresses are shortened before anything is written, and looked up shortened."""
    unsafe_revenue: bool = False
    """Revenue is believed without the client's secret, so that pages may tell it, and whoever says to be one."""

    @cached_property
    def compiled_filters(self) -> Filters:
        """The filters, ready to be asked."""
        return Filters(self.filters)


class ClientType(StrEnum):
    """What a client may do: write events; read its project; root: everything in its organisation."""

    WRITE = "write"
    READ = "read"
    ROOT = "root"


class ClientRecord(_Record):
    """An API key. Key ``client/<id>``. ``project_id`` is None for a root client."""

    record: Literal["client"] = "client"
    id: str
    organization_id: str
    project_id: str | None = None
    type: ClientType
    name: str = ""
    secret_hash: str | None = None
    """``sha256:`` and 64 hexadecimal digits. Secrets carry 160 random bits, so a fast hash is enough."""
    limit: RateLimit | None = None
    """In place of the project's limit for each client."""


class SaltRecord(_Record):
    """The salt of one UTC day (``YYYY-MM-DD``). Key ``salt/<day>``; deleted when the day after it is over."""

    record: Literal["salt"] = "salt"
    day: str
    salt: str
    """64 hexadecimal digits."""


class LogRecord(_Record):
    """A topic's identity. Key ``log/<topic>``. The epoch is greater whenever the topic was created anew; it is the
    Unix seconds of its registration (or one more than the last, should the clock stand behind it; UInt32): it
    grows by the clock, so that it grows even when everything that remembered it is gone.
    """

    record: Literal["log"] = "log"
    topic: str
    topic_id: str
    epoch: int
    partitions: int | None = None
    """How many it had when it was registered, which is for ever; None when that was not written down."""


class ErasureRecord(_Record):
    """A person whose data was erased. Key ``erasure/<project>/<profile>``. What was received before ``erased_at``
    (milliseconds) from this profile or one of its devices, or under another of its ids (``profile_ids``), never has an
    effect again.
    """

    record: Literal["erasure"] = "erasure"
    project_id: str
    profile_id: str
    profile_ids: tuple[str, ...] = ()
    device_ids: tuple[str, ...] = ()
    erased_at: int


class DatabaseRecord(_Record):
    """Whose data the topic holds: the control database with this id. Key ``database/owner``. No other database
    publishes to the topic.
    """

    record: Literal["database"] = "database"
    id: str


class UsageRecord(_Record):
    """Events of a project with a quota that one gateway took in a UTC month (``yyyymm``). Key
    ``usage/<gateway>/<project>/<month>``; gateways write it, and each adds up what all of them wrote.
    """

    record: Literal["usage"] = "usage"
    gateway: str
    project_id: str
    month: int
    events: Annotated[int, Field(ge=0, lt=2**63)]


class RuleRecord(_Record, Rule):
    """A rule of a project. Key ``rule/<project>/<id>``."""

    record: Literal["rule"] = "rule"
    id: str
    project_id: str


AnyRecord = (
    ProjectRecord | ClientRecord | SaltRecord | LogRecord | UsageRecord | RuleRecord | ErasureRecord | DatabaseRecord
)
ControlRecord = Annotated[AnyRecord, Field(discriminator="record")]


def control_key(record: AnyRecord) -> str:
    """The Kafka key of a record."""
    match record:
        case UsageRecord():
            return f"usage/{record.gateway}/{record.project_id}/{record.month}"
        case ErasureRecord():
            return f"erasure/{record.project_id}/{record.profile_id}"
        case SaltRecord():
            return f"salt/{record.day}"
        case DatabaseRecord():
            return DATABASE_KEY
        case LogRecord():
            return f"log/{record.topic}"
        case RuleRecord():
            return f"rule/{record.project_id}/{record.id}"
        case _:
            return f"{record.record}/{record.id}"
