"""Following ``weir.control``: what gateways know of projects, clients and salts, kept up to date."""

import logging

from pydantic import TypeAdapter, ValidationError

from ingest.access import Access
from ingest.follower import Follower, Record
from ingest.quotas import Quotas
from schemas.control import ClientRecord, ControlRecord, LogRecord, ProjectRecord, SaltRecord, UsageRecord
from schemas.topics import CONTROL, RAW

log = logging.getLogger(__name__)

_RECORD: TypeAdapter[ControlRecord] = TypeAdapter(ControlRecord)


class ControlReader(Follower):
    """Reads ``weir.control`` from its beginning and stays at its end. A change is in force as soon as it is read;
    while Kafka is away the last state stays in force.
    """

    def __init__(self, bootstrap: str, access: Access, quotas: Quotas) -> None:
        super().__init__(CONTROL, bootstrap)
        self._access = access
        self._quotas = quotas
        self._raw: LogRecord | None = None

    def raw_partitions(self) -> int | None:
        """How many partitions the raw topic was registered with, 0 while that is not read; None when nobody wrote it
        down.
        """
        if not self.caught_up.is_set():
            return 0
        return self._raw.partitions if self._raw is not None else None

    def take(self, record: Record) -> None:
        """Apply one record; one that can't be read is logged and changes nothing."""
        if record.key is None:
            return
        key = record.key.decode("utf-8", "replace")
        kind, _, name = key.partition("/")
        parsed = None
        if record.value is not None:
            try:
                parsed = _RECORD.validate_json(record.value)
            except ValidationError as error:
                log.warning("control record %s cannot be read: %s", key, error.errors(include_input=False)[:1])
                return
        if kind == "project" and isinstance(parsed, ProjectRecord | None):
            self._access.apply_project(name, parsed)
        elif kind == "client" and isinstance(parsed, ClientRecord | None):
            self._access.apply_client(name, parsed)
        elif kind == "salt" and isinstance(parsed, SaltRecord | None):
            self._access.apply_salt(name, parsed)
        elif kind == "log" and name == RAW and isinstance(parsed, LogRecord | None):
            self._raw = parsed
        elif kind == "usage" and isinstance(parsed, UsageRecord | None):
            self._quotas.apply(name, parsed)
