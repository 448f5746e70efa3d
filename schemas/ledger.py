"""The ledger: one row per raw message saying what became of its lines. The audit rests on it."""

from typing import Literal

from schemas.row import Int64, Row, Time, UInt16, UInt32, UInt64


class LedgerRow(Row):
    """What became of the raw messages in [``from_offset``, ``to_offset``): one message (``to`` = ``from`` + 1), or a
    range without any (kind ``hole``: transaction markers, aborted messages, what retention took).

    ``lines`` = ``stored`` + ``repeated`` + ``bots`` + ``filtered`` + ``dead`` + ``operations``.
    ``row_tables``, ``row_months``, ``row_counts`` are parallel: how many rows the message caused in which table and
    month (``yyyymm``); ``sessions`` counts sessions begun, ``session_events`` events counted in sessions of a month,
    ``profile_ops`` and ``group_ops`` operations that went on to profiles and groups.
    An erasure carries negative counts.
    """

    kind: Literal["message", "tick", "hole", "erasure"]
    raw_epoch: UInt32
    raw_partition: UInt16
    from_offset: UInt64
    to_offset: UInt64
    stamp: Time
    """The broker's stamp of the message; of the next message for a hole."""
    lines: UInt32
    stored: UInt32
    """Lines that became an event row (bots that are only flagged included)."""
    repeated: UInt32
    """Lines whose event id the device had sent before."""
    bots: UInt32
    """Lines dropped because a bot sent them."""
    filtered: UInt32
    """Lines dropped by a rule of the project."""
    dead: UInt32
    """Lines that became dead letters (a message that holds no line at all counts as one)."""
    operations: UInt32
    """Lines that became operations on profiles, identities or groups, or a piece of a recording, and no event."""
    row_tables: tuple[str, ...]
    row_months: tuple[UInt32, ...]
    row_counts: tuple[Int64, ...]
