"""Erased people: what was received from them before they were erased has no effect, whenever it is processed."""

from collections.abc import Iterable

from pydantic import ValidationError

from schemas.control import ErasureRecord
from schemas.raw_event import RawKind
from schemas.raw_line import RawLine
from schemas.topics import CONTROL
from streams.state import load_state


def read_erasures(bootstrap: str) -> list[ErasureRecord]:
    """Every erasure there was, from ``weir.control``. Blocks. Raises KafkaException."""
    found = []
    for key, value in load_state(bootstrap, CONTROL, 0).items():
        if key.startswith(b"erasure/"):
            try:
                found.append(ErasureRecord.model_validate_json(value))
            except ValidationError:
                continue  # of a newer Weir
    return found


class Erasures:
    """Who was erased when; asked of every line. One thread may add while another asks."""

    def __init__(self, records: Iterable[ErasureRecord] = ()) -> None:
        self._profiles: dict[tuple[str, str], int] = {}
        self._devices: dict[tuple[str, str], int] = {}
        for record in records:
            self.add(record)

    def add(self, record: ErasureRecord) -> None:
        """Obey this erasure too. An erasure is never taken back."""
        for profile_id in (record.profile_id, *record.profile_ids):
            _latest(self._profiles, (record.project_id, profile_id), record.erased_at)
        for device_id in record.device_ids:
            _latest(self._devices, (record.project_id, device_id), record.erased_at)

    def __bool__(self) -> bool:
        """Whether anybody was."""
        return bool(self._profiles)

    def covers(self, raw: RawLine, stamp: int) -> bool:
        """Whether the line was received before its sender was erased. ``stamp`` is the broker's, in milliseconds."""
        erased_at = max(
            self._profiles.get((raw.project_id, raw.profile_id), 0) if raw.profile_id else 0,
            self._devices.get((raw.project_id, raw.device_id), 0) if raw.device_id else 0,
        )
        if raw.kind in (RawKind.ALIAS, RawKind.UNLINK) and isinstance(alias := raw.payload.get("alias"), str):
            erased_at = max(erased_at, self._profiles.get((raw.project_id, alias), 0))
        # A line that lay in a gateway's spool, or was sent again, was received long before it came into the log.
        return (stamp if raw.received_at is None else min(raw.received_at, stamp)) < erased_at


def _latest(times: dict[tuple[str, str], int], key: tuple[str, str], time: int) -> None:
    times[key] = max(times.get(key, 0), time)
