"""A group's record (a company, a team), and the operation that changes it."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from schemas.profile import Operation
from schemas.row import Flag, Row, Time, UInt16, UInt32, UInt64


class GroupOpKind(StrEnum):
    """What a group operation does with ``values``. No name stands in ``ProfileOpKind`` too: they share a topic."""

    SET = "set_group"


class GroupOp(Operation):
    """A change of one group. Standard fields: ``type``, ``name``."""

    op: GroupOpKind
    group_id: str


class Group(Row):
    """One group, one message of ``weir.groups`` (key ``project:group``); the highest ``version`` stands."""

    project_id: str
    group_id: str
    type: str
    """What kind of group the sender calls it: ``company``, ``team`` …"""
    name: str
    properties: dict[str, Any] = Field(description="Flat, with dotted paths.")
    created_at: Time
    """Event time of the first operation."""
    updated_at: Time
    """Event time of the newest operation."""
    is_deleted: Flag
    version: UInt64
    ops_epoch: UInt32
    ops_partition: UInt16
    ops_offset: UInt64
    """Where on ``weir.profile-ops`` the newest operation lies."""
