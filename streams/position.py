"""Where a worker is in its source partition: a record of the changelog, written with every batch."""

from typing import NamedTuple

import orjson

POSITION_KEY = b"\0next"


class Position(NamedTuple):
    """The next offset to process, in the topic with that Kafka id and epoch."""

    topic_id: str
    epoch: int
    offset: int

    def encode(self) -> bytes:
        """The changelog record's value."""
        return orjson.dumps({"topic_id": self.topic_id, "epoch": self.epoch, "next": self.offset})

    @classmethod
    def decode(cls, value: bytes) -> "Position":
        """The inverse of ``encode``."""
        data = orjson.loads(value)
        return cls(data["topic_id"], data["epoch"], data["next"])


class PositionRefused(Exception):
    """The position can't be trusted; the message names the command to go on. The process must end."""


def settle_position(
    where: str, stored: Position | None, was_read: bool, current: Position, low: int, high: int
) -> Position:
    """The position to start at.

    ``stored`` is the changelog's record, ``was_read`` whether anything else tells that messages were processed: other
    state, or an offset of the group. ``current`` carries the source topic's id and epoch of today, ``low`` and
    ``high`` are the log's first and end offsets. A log never read starts at ``low``; a topic made anew (another id)
    starts at its ``low`` in its new epoch. Raises PositionRefused when the position is lost, or lies outside the log:
    messages are gone that were never processed, or all would be processed again, and a person should know.
    """
    remedy = f"'weir positions reset {where}' accepts that and goes on with what there is."
    if stored is None:
        if was_read:
            raise PositionRefused(f"The state of {where} has lost its position. {remedy}")
        return current._replace(offset=low)
    if stored.topic_id != current.topic_id:
        return current._replace(offset=low)
    if not low <= stored.offset <= high:
        raise PositionRefused(
            f"{where} was processed up to offset {stored.offset}, but the log holds {low} to {high}. {remedy}"
        )
    return Position(current.topic_id, current.epoch, stored.offset)
