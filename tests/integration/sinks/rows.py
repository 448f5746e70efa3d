"""Rows as workers write them, made through the models themselves."""

import uuid
from datetime import UTC, datetime
from typing import Any

from schemas.event import Event
from schemas.group import Group
from schemas.identity import Identity
from schemas.ledger import LedgerRow
from schemas.profile import Profile
from schemas.replay import ReplayChunk
from schemas.session import Session

_RAW = {"log_epoch": 1, "raw_epoch": 1, "raw_partition": 0, "raw_offset": 0}
_SOURCE = dict.fromkeys(
    (
        *("referrer", "referrer_name", "referrer_type"),
        *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"),
    ),
    "",
)
_PLACE = {
    **dict.fromkeys(
        (
            *("country", "region", "city", "os", "os_version", "browser", "browser_version"),
            *("device", "brand", "model"),
        ),
        "",
    ),
    "longitude": None,
    "latitude": None,
}


def event(**values: Any) -> dict[str, Any]:
    """An event; the id is made of the raw coordinates, the line and the name unless it is given."""
    row = {
        **_RAW,
        **_SOURCE,
        **_PLACE,
        **dict.fromkeys(("profile_id", "origin", "title", "language", "screen", "sdk_name", "sdk_version"), ""),
        **dict.fromkeys(("ip", "bot", "currency"), ""),
        "project_id": "shop",
        "name": "screen_view",
        "device_id": "device-1",
        "session_id": "session-1",
        "created_at": "2026-03-01 10:00:00.000",
        "received_at": "2026-03-01 10:00:01.000",
        "path": "/",
        "duration_ms": 0,
        "revenue": 0,
        "groups": [],
        "properties": {},
        "synthesized": 0,
        "raw_line": 0,
        **values,
    }
    name = f"{row['raw_epoch']}/{row['raw_partition']}/{row['raw_offset']}/{row['raw_line']}/{row['name']}"
    row.setdefault("event_id", str(uuid.uuid5(uuid.NAMESPACE_OID, name)))
    return Event.model_validate(row).model_dump(mode="json")


def session(**values: Any) -> dict[str, Any]:
    """One row of a session."""
    row = {
        **_RAW,
        **_SOURCE,
        **_PLACE,
        "project_id": "shop",
        "session_id": "session-1",
        "session_month": 202603,
        "device_id": "device-1",
        "profile_id": "",
        "started_at": "2026-03-01 10:00:00.000",
        "ended_at": "2026-03-01 10:00:00.000",
        "duration_ms": 0,
        "event_count": 1,
        "screen_view_count": 1,
        "is_bounce": 1,
        "is_closed": 0,
        "revenue": 0,
        "currency": "",
        **dict.fromkeys(("entry_path", "entry_origin", "exit_path", "exit_origin"), ""),
        "sign": 1,
        "version": 1,
        **values,
    }
    return Session.model_validate(row).model_dump(mode="json")


def profile(**values: Any) -> dict[str, Any]:
    """A profile at a version."""
    row = {
        "log_epoch": 1,
        "project_id": "shop",
        "profile_id": "ann",
        **dict.fromkeys(("first_name", "last_name", "email", "avatar"), ""),
        "properties": {},
        "groups": [],
        "created_at": "2026-03-01 10:00:00.000",
        "updated_at": "2026-03-01 10:00:00.000",
        "is_deleted": 0,
        "version": 1,
        "ops_epoch": 1,
        "ops_partition": 0,
        "ops_offset": 0,
        **values,
    }
    return Profile.model_validate(row).model_dump(mode="json")


def group(**values: Any) -> dict[str, Any]:
    """A group at a version."""
    row = {name: value for name, value in profile().items() if name in Group.model_fields}
    row |= {"group_id": "acme", "type": "company", "name": "Acme", **values}
    return Group.model_validate(row).model_dump(mode="json")


def replay_chunk(**values: Any) -> dict[str, Any]:
    """A piece of a recording, of today: the store drops older ones."""
    row = {
        **_RAW,
        "project_id": "shop",
        "session_id": "session-1",
        "device_id": "device-1",
        "chunk_index": 0,
        "events_count": 1,
        "is_full_snapshot": 1,
        "started_at": "2026-03-01 10:00:00.000",
        "ended_at": "2026-03-01 10:00:05.000",
        "payload": "[{}]",
        "stamp": f"{datetime.now(UTC):%Y-%m-%d} 00:00:00.000",
        "raw_line": 0,
        **values,
    }
    return ReplayChunk.model_validate(row).model_dump(mode="json")


def identity(**values: Any) -> dict[str, Any]:
    """A link of a device to a profile."""
    row = {
        **_RAW,
        "project_id": "shop",
        "kind": "device",
        "source_id": "device-1",
        "profile_id": "ann",
        "created_at": "2026-03-01 10:00:00.000",
        "version": 1,
        "is_deleted": 0,
        "raw_line": 0,
        **values,
    }
    return Identity.model_validate(row).model_dump(mode="json")


def ledger(offset: int, **values: Any) -> dict[str, Any]:
    """The ledger's row of the raw message at ``offset``."""
    row = {
        "log_epoch": 1,
        "kind": "message",
        "raw_epoch": 1,
        "raw_partition": 0,
        "from_offset": offset,
        "to_offset": offset + 1,
        "stamp": "2026-03-01 10:00:01.000",
        **dict.fromkeys(("lines", "stored", "repeated", "bots", "filtered", "dead", "operations"), 0),
        "row_tables": [],
        "row_months": [],
        "row_counts": [],
        **values,
    }
    return LedgerRow.model_validate(row).model_dump(mode="json")
