"""What every row that ends in ClickHouse has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Text = str
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$")]
"""UTC, ``YYYY-MM-DD hh:mm:ss.mmm`` (DateTime64(3))."""
UInt8 = Annotated[int, Field(ge=0, le=255)]
Int8 = Annotated[int, Field(ge=-128, le=127)]
UInt16 = Annotated[int, Field(ge=0, le=2**16 - 1)]
UInt32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
UInt64 = Annotated[int, Field(ge=0, le=2**64 - 1)]
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Float32 = float
Flag = Annotated[int, Field(ge=0, le=1)]


class Row(BaseModel):
    """A row of an output topic. ``log_epoch`` is the epoch of the topic that carries it (a recreated topic starts
    at offset 0 again); the store adds the topic, partition and offset, and so knows what it has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_epoch: UInt32


class DerivedRow(Row):
    """A row that one raw message caused: raw coordinates say which."""

    raw_epoch: UInt32
    raw_partition: UInt16
    raw_offset: UInt64
