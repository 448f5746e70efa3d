"""The devices of a partition as one batch sees them: loaded when needed, changed, ended and forgotten by stream time.

State keys: ``device/<project>/<device>``, or ``events/<project>/<bucket>`` for events that have no device, and below
``ring/`` one of these and a slot for the full segments of its ring.
"""

from collections.abc import Callable, Mapping
from functools import partial

from schemas.partition import partition_of
from schemas.session_id import SESSION_TIMEOUT_MS
from streams.device import Device, end_current
from streams.device_state import heard_of
from streams.live import Seen
from streams.prepare import Place
from streams.reminders import Reminders
from streams.rows import Rows

MAX_ENDED_PER_MESSAGE = 5_000
FORGOTTEN_MS = 48 * 3_600_000
"""A device that was not heard of for so long is forgotten. ``device.REMEMBERED_MS`` rests on it."""
MAX_FORGOTTEN_PER_MESSAGE = 1_000
_RING_BUCKETS = 256
_KEPT = (b"device/", b"events/")


class DeviceIndex:
    """Whose sessions are open, and who is remembered at all, both by arrival: derived from the state."""

    def __init__(self, state: Mapping[bytes, bytes]) -> None:
        overdue, idle = [], []
        for key, value in state.items():
            if key.startswith(_KEPT):
                is_open, arrival = heard_of(value)
                idle.append((arrival, key))
                if is_open:
                    overdue.append((arrival, key))
        self.overdue, self.idle = Reminders(overdue), Reminders(idle)

    def begin(self) -> None:
        """A batch begins."""
        self.overdue.begin()
        self.idle.begin()

    def undo(self) -> None:
        """What the batch did to the index is undone."""
        self.overdue.undo()
        self.idle.undo()


class KnownDevices:
    """Of raw partition ``partition`` of so many. ``forget`` is told of a device (project and id) that is forgotten."""

    def __init__(
        self,
        state: Mapping[bytes, bytes],
        index: DeviceIndex,
        partition: int,
        partitions: int,
        forget: Callable[[str, str], None],
    ) -> None:
        self._state = state
        self._index = index
        self._partition = partition
        self._partitions = partitions
        self._forget = forget
        self.forgotten_until = 0
        """Devices that are new may have been forgotten, if they were last heard of up to then: known where the log's
        clock was ahead. Otherwise nobody who was forgotten was heard of in the last day."""
        self._devices: dict[bytes, Device] = {}
        self._named: dict[tuple[str, str], Device] = {}
        self._gone: dict[bytes, None] = {}

    def of(self, project_id: str, device_id: str, event_id: str) -> Device:
        """The device; where there is none, that which stands for all events with ids of the same bucket."""
        if not device_id:
            return self._get(f"events/{project_id}/{int(event_id[-2:], 16) % _RING_BUCKETS}".encode())
        name = (project_id, device_id)
        device = self._named.get(name)
        if device is None:
            key = f"device/{project_id}/{device_id}".encode("utf-8", "surrogatepass")
            device = self._named[name] = self._get(key)
        return device

    def kept(self, project_id: str, device_id: str) -> Device | None:
        """The device, if anything is known of it. Asking leaves nothing behind."""
        key = f"device/{project_id}/{device_id}".encode("utf-8", "surrogatepass")
        is_kept = key in self._devices or (key in self._state and key not in self._gone)
        return self.of(project_id, device_id, "") if is_kept else None

    def erase(self, device: Device, place: Place, rows: Rows) -> Device:
        """The device as it is when nothing is known of it, but that its past sessions' ids are not to be used."""
        self._drop(device.key, place, rows)
        blank = self.of(device.project_id, device.device_id, "")
        blank.arrival, blank.link_version, blank.is_known = device.arrival, device.link_version, device.is_known
        blank.forget_sessions(None, place.stamp)
        return blank

    def remind(self, device: Device, was_known: bool, was_open: bool) -> None:
        """An event of the device was taken."""
        if not was_known:
            self._index.idle.add(device.arrival, device.key)
        if device.is_open and not was_open:
            self._index.overdue.add(device.arrival, device.key)

    def end_overdue(self, now: int, place: Place, rows: Rows) -> None:
        """End the sessions whose device has been silent for 30 minutes of stream time, oldest first, so many at most.

        An entry whose device was heard of since goes back with its true arrival, so the order is by (arrival, key)
        whatever entries were stale, and a reloaded state gives the same.
        """
        overdue, ended = self._index.overdue, 0
        while ended < MAX_ENDED_PER_MESSAGE and (entry := overdue.take(now - SESSION_TIMEOUT_MS)) is not None:
            arrival, key = entry
            is_open, heard = self._heard_of(key)
            if is_open and heard > arrival:
                overdue.add(heard, key)
            elif is_open:
                end_current(self._get(key), place, rows)
                ended += 1

    def forget_idle(self, now: int, place: Place, rows: Rows) -> None:
        """Forget the devices that have been silent for 48 hours of stream time, oldest first, so many at most. None is
        forgotten with an open session: those end first.
        """
        idle, forgotten = self._index.idle, 0
        while forgotten < MAX_FORGOTTEN_PER_MESSAGE and (entry := idle.take(now - FORGOTTEN_MS)) is not None:
            arrival, key = entry
            is_open, heard = self._heard_of(key)
            if heard > arrival:
                idle.add(heard, key)
            elif is_open:
                idle.add(arrival, key)
                return
            else:
                self._drop(key, place, rows)
                forgotten += 1

    def changes(self, rows: Rows, last: Place) -> dict[bytes, bytes | None]:
        """The changes of state; every session that changed is said."""
        changes: dict[bytes, bytes | None] = dict(self._gone)
        for key, device in self._devices.items():
            if not device.is_known:
                continue
            _say_sessions(device, last, rows)
            changes[key] = device.encode()
            for slot, segment in device.ring.full.items():
                changes[_ring_key(key, slot)] = segment
        return changes

    def seen(self) -> Seen:
        """The newest event row of each device that sent one in this batch."""
        return {
            (device.project_id, device.device_id): device.newest
            for device in self._devices.values()
            if device.newest is not None
        }

    def _get(self, key: bytes) -> Device:
        device = self._devices.get(key)
        if device is None:
            device = self._devices[key] = self._load(key, None if key in self._gone else self._state.get(key))
        return device

    def _load(self, key: bytes, state: bytes | None) -> Device:
        kind, project_id, device_id = key.decode("utf-8", "surrogatepass").split("/", 2)
        if kind != "device":
            device_id = ""
        # Of the state, not of this object: a device that refers to what holds it would stay until a garbage collection.
        load = partial(_segment, self._state, key) if state is not None else _no_segment
        device = Device(project_id, device_id, state, load)
        device.key = key
        if state is None:
            device.forgotten_at = self.forgotten_until
        if device_id and abs(device.placed) != self._partitions:
            is_here = partition_of(project_id, device_id, self._partitions) == self._partition
            device.placed = self._partitions if is_here else -self._partitions
        if device.placed < 0:
            # A foreign producer put it here; its sessions must not bear the ids of those in its own partition.
            device.session_owner = f"{device_id}:partition:{self._partition}"
        return device

    def _heard_of(self, key: bytes) -> tuple[bool, int]:
        device = self._devices.get(key)
        return heard_of(self._state[key]) if device is None else (device.is_open, device.arrival)

    def _drop(self, key: bytes, place: Place, rows: Rows) -> None:
        device = self._get(key)
        _say_sessions(device, place, rows)
        for gone in (key, *(_ring_key(key, slot) for slot in device.ring.slots())):
            if gone in self._state:
                self._gone[gone] = None
        del self._devices[key]
        self._named.pop((device.project_id, device.device_id), None)
        self._forget(device.project_id, device.device_id)


def _say_sessions(device: Device, place: Place, rows: Rows) -> None:
    for was, now in device.touched_sessions():
        if was != now:
            rows.session(was, now, place, *device.beginning(now))


def _segment(state: Mapping[bytes, bytes], key: bytes, slot: int) -> bytes | None:
    return state.get(_ring_key(key, slot))


def _no_segment(slot: int) -> None:
    return None


def _ring_key(device_key: bytes, slot: int) -> bytes:
    return b"ring/%b/%d" % (device_key, slot)
