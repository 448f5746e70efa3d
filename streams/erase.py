"""The line that makes a partition forget a person: state goes, links are taken back, profiles are told.

It has its effect at its place in the log, so the same log gives the same whenever it is processed. What came before it
may have made rows; those are deleted from the tables (``docs/privacy.md``).
"""

from collections.abc import Callable

from pydantic import ValidationError

from schemas.partition import partition_of
from schemas.raw_event import ErasePayload
from schemas.raw_line import RawLine
from streams.identity import device_unlinked, id_unlinked
from streams.known_devices import KnownDevices
from streams.prepare import Place
from streams.rejected import Rejected
from streams.rows import Rows


def erase(
    raw: RawLine,
    place: Place,
    partitions: int,
    devices: KnownDevices,
    forget: Callable[[str, str], None],
    rows: Rows,
) -> None:
    """Forget a person in this partition; ``forget`` is told of each device. Raises Rejected."""
    said, project_id = _said(raw), raw.project_id
    for device_id in said.device_ids:
        known = devices.kept(project_id, device_id)
        if known is not None:
            blank = devices.erase(known, place, rows)
            rows.identity(project_id, device_unlinked(blank, place), place.stamp, place)
        elif partition_of(project_id, device_id, partitions) == place.partition:
            rows.identity(project_id, id_unlinked("device", device_id, place), place.stamp, place)
    for device_id, session_ids in said.visits.items():
        known = devices.kept(project_id, device_id)
        if known is not None:
            known.flush(place, rows)
            known.forget_sessions(session_ids, place.stamp)
            forget(project_id, device_id)
    for profile_id in said.profile_ids:
        # One partition says that an id means nobody else, not all of them.
        if partition_of(project_id, profile_id, partitions) == place.partition:
            rows.identity(project_id, id_unlinked("profile", profile_id, place), place.stamp, place)
        rows.forget_profile(project_id, profile_id, said, place)


def _said(raw: RawLine) -> ErasePayload:
    try:
        return ErasePayload.model_validate(raw.payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Rejected("bad_payload", f"payload.{field}: {first['msg']}", raw.project_id) from None
