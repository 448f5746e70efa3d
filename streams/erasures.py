"""Erased people in a raw log that is read again: what they sent before they were erased has no effect."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson
from pydantic import ValidationError

from schemas.control import ErasureRecord, ProjectRecord
from schemas.filters import FilterKind, FilterRecord
from schemas.raw_event import RawEvent, RawKind
from schemas.topics import CONTROL
from streams.chunk import SourceMessage
from streams.state import load_state

ERASED = "weir:erased:5f0c1d52-6c8f-4b1e-9d43-0a7f6b1c2e90"
"""The profile that lines of erased people are given, and that every project filters: they are counted as filtered,
and keep their number in the message."""


def read_erasures(bootstrap: str) -> list[ErasureRecord]:
    """Every erasure there was, from ``weir.control``. Blocks. Raises KafkaException."""
    found = []
    for key, value in load_state(bootstrap, CONTROL, 0).items():
        if key.startswith(b"erasure/"):
            found.append(ErasureRecord.model_validate_json(value))
    return found


class _Replaced(NamedTuple):
    offset: int
    timestamp: int
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Erasures:
    """Who was erased when; asked of every message."""

    def __init__(self, records: Iterable[ErasureRecord]) -> None:
        self._profiles: dict[tuple[str, str], int] = {}
        self._devices: dict[tuple[str, str], int] = {}
        for record in records:
            _latest(self._profiles, (record.project_id, record.profile_id), record.erased_at)
            for device_id in record.device_ids:
                _latest(self._devices, (record.project_id, device_id), record.erased_at)
        self._last = max([*self._profiles.values(), *self._devices.values()], default=0)

    def __bool__(self) -> bool:
        """Whether anybody was."""
        return bool(self._last)

    def applied(self, message: SourceMessage) -> SourceMessage:
        """The message, in which the lines of who was erased after it came say nothing any more."""
        if message.timestamp >= self._last or not message.value:
            return message
        lines = message.value.split(b"\n")
        kept = [self._line(line, message.timestamp) for line in lines]
        if kept == lines:
            return message
        return _Replaced(message.offset, message.timestamp, b"\n".join(kept), message.headers)

    def _line(self, line: bytes, stamp: int) -> bytes:
        try:
            raw = orjson.loads(line)
        except orjson.JSONDecodeError:
            return line
        if not isinstance(raw, dict) or not self._is_erased(raw, stamp):
            return line
        try:
            return _nobody(raw["project_id"]).model_dump_json().encode()
        except ValidationError:
            return line  # it becomes a dead letter whoever sent it

    def _is_erased(self, raw: Mapping[str, object], stamp: int) -> bool:
        project, profile, device = raw.get("project_id"), raw.get("profile_id"), raw.get("device_id")
        if not isinstance(project, str):
            return False
        erased_at = max(
            self._profiles.get((project, profile), 0) if isinstance(profile, str) else 0,
            self._devices.get((project, device), 0) if isinstance(device, str) else 0,
        )
        return stamp < erased_at


def with_erasures(projects: Mapping[str, ProjectRecord], erasures: Erasures) -> dict[str, ProjectRecord]:
    """The projects, each with the filter that takes away what erasures replaced."""
    if not erasures:
        return dict(projects)
    nobody = FilterRecord(kind=FilterKind.PROFILE_ID, value=ERASED)
    return {
        name: ProjectRecord.model_validate({**record.model_dump(), "filters": (*record.filters, nobody)})
        for name, record in projects.items()
    }


def _nobody(project_id: str) -> RawEvent:
    payload = {"name": "erased", "properties": {}}
    return RawEvent(kind=RawKind.TRACK, project_id=project_id, profile_id=ERASED, payload=payload)


def _latest(times: dict[tuple[str, str], int], key: tuple[str, str], time: int) -> None:
    times[key] = max(times.get(key, 0), time)
