"""A link between a device (or another profile) and the profile it belongs to; rows of ``weir.identities``."""

from typing import Literal

from schemas.row import DerivedRow, Flag, Time, UInt32, UInt64


class Identity(DerivedRow):
    """One link, one level deep; of the rows with the same project, kind and source the highest ``version`` stands.

    A wrong link is undone by a row with ``is_deleted`` 1 and a higher version, which names no profile.
    """

    project_id: str
    kind: Literal["device", "profile"]
    source_id: str
    """The device id, or the profile id that is an alias."""
    profile_id: str
    created_at: Time
    """Event time of what made the link, or took it back."""
    version: UInt64
    is_deleted: Flag
    raw_line: UInt32
