"""A raw event as a worker reads it: ``schemas.raw_event.RawEvent`` in a form that costs a quarter.

``RawEvent`` is the published definition, and whoever is told why a line is refused is told in its words. What is
decoded here is what it takes without changing anything; all else (a number written as a text, NaN) is for it to judge.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.json import Decoder

from schemas.raw_event import RawEvent, RawKind

_Name32 = Annotated[str, Meta(max_length=32)]
_Name64 = Annotated[str, Meta(max_length=64)]
_Id = Annotated[str, Meta(max_length=128)]
_LongId = Annotated[str, Meta(max_length=256)]
_Milliseconds = Annotated[int, Meta(ge=-(2**53), le=2**53)]


class RawLine(Struct, frozen=True, kw_only=True):
    """The fields of ``RawEvent``, under the same names and within the same bounds."""

    version: Literal[1] = 1
    kind: RawKind
    event_id: _LongId = ""
    project_id: Annotated[str, Meta(min_length=1, max_length=64)]
    device_id: _Id = ""
    session_id: _Name64 = ""
    profile_id: _LongId = ""
    time: _Milliseconds | None = None
    received_at: _Milliseconds | None = None
    sent_at: _Milliseconds | None = None
    ip: _Name64 = ""
    user_agent: Annotated[str, Meta(max_length=2048)] = ""
    hints: dict[str, str] = {}
    protocol: _Name32 = "kafka"
    client_id: _Name64 = ""
    sdk_name: _Name64 = ""
    sdk_version: _Name64 = ""
    payload: dict[str, Any]


_DECODER = Decoder(RawLine)


def decode_line(line: bytes) -> RawLine | None:
    """The raw event of a line, or None where ``RawEvent`` has to be asked whether it is one. Never raises."""
    try:
        if not line.isascii():
            # The decoder passes over what nobody reads without looking whether it is UTF-8.
            line.decode()
        return _DECODER.decode(line)
    except (ValueError, RecursionError):  # all of msgspec's errors are ValueErrors, and so are those of UTF-8
        return None


def raw_line(event: RawEvent) -> RawLine:
    """The same event, taken over from the model."""
    return RawLine(**event.__dict__)
