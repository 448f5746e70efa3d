"""A piece of a session's recording; rows of ``weir.replay``."""

from schemas.row import DerivedRow, Flag, Time, UInt16, UInt32


class ReplayChunk(DerivedRow):
    """One chunk. A recorder counts ``chunk_index`` from 0 with each page load, so ``started_at`` goes before it."""

    project_id: str
    session_id: str
    device_id: str
    chunk_index: UInt16
    events_count: UInt32
    is_full_snapshot: Flag
    started_at: Time
    ended_at: Time
    """Both by the sender's clock."""
    payload: str
    """The recorder's events as the JSON text of an array, as it came."""
    stamp: Time
    """The broker's stamp of the raw message: a chunk is kept for 30 days from it."""
    raw_line: UInt32
