"""Links: which device is whose, which other id is whose, and that one of these was a mistake.

A link is a row with a version; of the rows of one source the highest stands, and a deleted one is none. Links are kept
as they were said and followed when a question is asked (``docs/identity.md``): so taking one back takes back nothing
else.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from schemas.raw_event import AliasPayload, RawKind, UnlinkPayload
from streams.prepare import Place, Prepared

_CLOCK_BITS, _PARTITION_BITS = 20, 6
NUMBERED = 0
"""The version of a link that gets its own when it is written (``next_link``)."""


class Link(NamedTuple):
    """What belongs to a profile: a ``device``, or another ``profile`` id. A deleted one belongs to nobody."""

    kind: str
    source_id: str
    profile_id: str
    version: int
    is_deleted: int = 0


class LinkedDevice(Protocol):
    """What of a device's state is about its link: to whom (or nobody), and the version of what was said last."""

    device_id: str
    profile_id: str
    link_version: int


def links_of(device: LinkedDevice, event: Prepared, place: Place) -> Iterator[Link]:
    """The links that an event makes or takes back; the device's own are noted in its state."""
    payload, named = event.payload, event.raw.profile_id
    if isinstance(payload, UnlinkPayload):
        if payload.alias:
            yield Link("profile", payload.alias, "", NUMBERED, is_deleted=1)
        else:
            # Said also of a device without a link known here: another partition may have linked a misplaced one.
            yield _of_device(device, "", place)
        return
    if named and device.device_id and named != device.profile_id and not event.bot:
        yield _of_device(device, named, place)
    if event.raw.kind is RawKind.ALIAS and isinstance(payload, AliasPayload) and payload.alias != named:
        yield Link("profile", payload.alias, named, NUMBERED)


def device_unlinked(device: LinkedDevice, place: Place) -> Link:
    """The device is nobody's any more; noted in its state."""
    return _of_device(device, "", place)


def id_unlinked(kind: str, source_id: str, place: Place) -> Link:
    """An id of which there is no state means nobody else any more. Whatever is said after this goes before it."""
    version = NUMBERED if kind == "profile" else (place.stamp << _CLOCK_BITS) - 1
    return Link(kind, source_id, "", version, is_deleted=1)


def _of_device(device: LinkedDevice, profile_id: str, place: Place) -> Link:
    device.profile_id = profile_id
    # By the log's clock, so that it grows even over a lost state; counted on where that clock stands or goes back.
    device.link_version = max(device.link_version + 1, place.stamp << _CLOCK_BITS)
    return Link("device", device.device_id, profile_id, device.link_version, is_deleted=int(not profile_id))


def next_link(newest: int, place: Place) -> int:
    """The version of what is said next of an id that is no device, ``newest`` being that said last in the partition.

    Anybody may speak of an id, so no state of its own numbers what is said: the partition does. By the log's clock, as
    several partitions may speak of the same id, and counted on within its millisecond, which thousands of messages may
    share, and where that clock goes back. No two partitions (of the first 64) say the same.
    """
    clock = place.stamp << _CLOCK_BITS - _PARTITION_BITS
    return max((newest >> _PARTITION_BITS) + 1, clock) << _PARTITION_BITS | place.partition % (1 << _PARTITION_BITS)
