"""Single events, page by page, in an order that does not depend on the store."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from query_api.sql.builder import Query, Select, build
from query_api.sql.conditions import Conditions
from query_api.sql.people import OF_PERSON, PersonIds
from query_api.sql.tables import EVENTS
from query_api.sql.time import milliseconds
from schemas.conditions import Condition

_TEXTS = (
    "name",
    "device_id",
    "profile_id",
    "session_id",
    "country",
    "city",
    "region",
    "os",
    "os_version",
    "browser",
    "browser_version",
    "device",
    "brand",
    "model",
    "path",
    "origin",
    "title",
    "referrer",
    "referrer_name",
    "referrer_type",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "language",
    "screen",
    "sdk_name",
    "sdk_version",
    "currency",
)
_COLUMNS = {
    "id": "toString(event_id)",
    **{f"event_{name}": name for name in _TEXTS},
    "created_ms": "toUnixTimestamp64Milli(created_at)",
    "event_longitude": "longitude",
    "event_latitude": "latitude",
    "event_duration_ms": "duration_ms",
    "event_revenue": "revenue",
    "event_groups": "groups",
}
# The raw coordinates make the order total: no two rows share them.
_ORDER = "created_at desc, event_id, raw_epoch, raw_partition, raw_offset, raw_line"


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; None and empty mean all. ``end`` is exclusive."""

    names: tuple[str, ...] = ()
    person: PersonIds | None = None
    start: datetime | None = None
    end: datetime | None = None
    conditions: tuple[Condition, ...] = ()


def events(
    database: str, project_id: str, wanted: EventFilter, *, limit: int, offset: int, properties: bool
) -> tuple[Query, Query]:
    """A page of events, newest first, and the query for their number (``total``)."""
    where, parameters = _conditions(wanted)
    columns = {**_COLUMNS, "event_properties": "toJSONString(properties)"} if properties else _COLUMNS
    page = Select(
        columns=columns,
        source=EVENTS,
        where=where,
        order_by=_ORDER,
        limit="{limit:UInt32} offset {offset:UInt64}",
    )
    total = Select(columns={"total": "count()"}, source=EVENTS, where=where)
    return (
        build(database, project_id, page, **parameters, limit=limit, offset=offset),
        build(database, project_id, total, **parameters),
    )


def _conditions(wanted: EventFilter) -> tuple[tuple[str, ...], dict[str, Any]]:
    where: list[str] = []
    parameters: dict[str, Any] = {}
    if wanted.start is not None:
        where.append("created_at >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')")
        parameters["start"] = milliseconds(wanted.start.timestamp())
    if wanted.end is not None:
        where.append("created_at < fromUnixTimestamp64Milli({end:Int64}, 'UTC')")
        parameters["end"] = milliseconds(wanted.end.timestamp())
    if wanted.names:
        where.append("name in {names:Array(String)}")
        parameters["names"] = list(wanted.names)
    if wanted.person is not None:
        where.append(OF_PERSON)
        parameters |= wanted.person.parameters()
    asked = Conditions()
    where += asked.every(wanted.conditions)
    return tuple(where), parameters | asked.parameters
