"""Pieces of recordings: what a raw event of the kind ``replay`` is as a row of ``weir.replay``."""

from typing import Any

from schemas.event_time import clickhouse_time
from schemas.raw_event import ReplayPayload
from schemas.raw_line import RawLine

MAX_TIME_MS = 4_102_444_799_999
"""The end of 2099: a sender's clock may say anything, and a row must be one that the store can read."""


def chunk_row(raw: RawLine, payload: ReplayPayload, stamp: int) -> dict[str, Any]:
    """The row, without coordinates. ``stamp`` is the broker's, in milliseconds."""
    return {
        "project_id": raw.project_id,
        "session_id": payload.session_id or raw.session_id,
        "device_id": raw.device_id,
        "chunk_index": payload.chunk_index,
        "events_count": payload.events_count,
        "is_full_snapshot": int(payload.is_full_snapshot),
        "started_at": _bounded(payload.started_at),
        "ended_at": _bounded(payload.ended_at),
        "payload": payload.payload,
        "stamp": clickhouse_time(stamp),
    }


def _bounded(time: int) -> str:
    return clickhouse_time(min(max(time, 0), MAX_TIME_MS))
