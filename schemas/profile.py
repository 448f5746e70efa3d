"""A known person's record, and the operations that change it."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.row import Flag, Row, Time, UInt16, UInt32, UInt64


class ProfileOpKind(StrEnum):
    """What a profile operation does with ``values`` or ``groups``."""

    SET = "set"
    SET_ONCE = "set_once"
    """Set what stands nowhere yet."""
    INCREMENT = "increment"
    """Add the values, which may be negative."""
    UNSET = "unset"
    """Take away what has these names, and all below them; the values mean nothing."""
    APPEND = "append"
    """Put the values, or arrays of them, at the end of the lists that stand there."""
    UNION = "union"
    """As ``append``, without what a list has already."""
    TOUCH = "touch"
    """A visit began at the operation's time; the values say where it came from (``streams.touch``)."""
    ASSIGN_GROUPS = "assign_groups"
    """Belong to ``groups`` too."""
    ERASE = "erase"
    """Forget everything that came by this operation's raw partition before it (``streams.subject.Subject.erase``)."""


class Operation(BaseModel):
    """One line of ``weir.profile-ops``: a change of one profile or group, made from one raw event.

    ``values``: dotted property path to value; beside the standard fields everything stands below ``properties.``,
    but of a touch.
    ``time``: event time in milliseconds, which decides between two settings of one property.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    project_id: str
    event_id: str
    time: int
    values: dict[str, Any]
    raw_epoch: int
    raw_partition: int
    raw_offset: int
    raw_line: int


class ProfileOp(Operation):
    """A change of one profile. Standard fields: ``first_name``, ``last_name``, ``email``, ``avatar``."""

    op: ProfileOpKind
    profile_id: str
    groups: tuple[str, ...] = ()


class Profile(Row):
    """One profile, one message of ``weir.profiles`` (key ``project:profile``); the highest ``version`` stands."""

    project_id: str
    profile_id: str
    first_name: str
    last_name: str
    email: str
    avatar: str
    properties: dict[str, Any] = Field(
        description="Flat, with dotted paths. Below `__first` and `__last`: its first and last touch."
    )
    groups: tuple[str, ...]
    """Ids of the groups it belongs to, in the order in which it came to them."""
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
