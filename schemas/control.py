"""Control records: what gateways and workers must know of projects, clients and topics. Compacted topic
``weir.control``, one JSON record a message; a null value deletes the key.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1


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
    retention_days: Annotated[int, Field(ge=1, le=400)] = 400
    currency: str = "USD"


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


ControlRecord = Annotated[ProjectRecord | ClientRecord | SaltRecord | LogRecord, Field(discriminator="record")]


def control_key(record: ProjectRecord | ClientRecord | SaltRecord | LogRecord) -> str:
    """The Kafka key of a record."""
    match record:
        case SaltRecord():
            return f"salt/{record.day}"
        case LogRecord():
            return f"log/{record.topic}"
        case _:
            return f"{record.record}/{record.id}"
