"""What operations change: a profile or a group. Its state, and what each operation does to it.

Of two settings of one property the one with the later event time stands, whichever came first. Counting adds to what
stands there, whenever it happened, and a setting from before the last count doesn't undo it; so does appending to a
list. Setting once never replaces a value, and any setting replaces it. Taking away is remembered, so that an older
setting that comes late stays away too. Touches stand apart (``touch``).
"""

import math
import re
from typing import Any

import orjson

from schemas.group import GroupOp, GroupOpKind
from schemas.profile import ProfileOp, ProfileOpKind
from streams.entries import Entries
from streams.lists import NotAListError, appended
from streams.rejected import Rejected
from streams.touch import FIRST, LAST, Touch, first_of, is_reserved, last_of, touch_properties

MAX_PROPERTIES = 1_000
MAX_STATE_BYTES = 256 * 1024
MAX_ASSIGNED_GROUPS = 1_000
MAX_TIME_MS = 253_402_300_800_000
"""The year 10000, which no row can hold."""
PREFIX = "properties."
_ENTRY_BYTES = 20
_EVER = -1
"""The time of what was set once: before that of any setting."""
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1

Operation = ProfileOp | GroupOp


class Subject:
    """State of a profile or a group. ``values``: property path (or trait) to [value, event time it was set at in
    milliseconds], the value None for what was taken away; ``size``: about how many bytes it takes, without touches.
    """

    __slots__ = (
        *("created", "cut", "erasure", "first", "groups", "is_deleted", "last", "size", "updated", "values"),
        "version",
    )

    def __init__(self, state: bytes | None) -> None:
        data: dict[str, Any] = orjson.loads(state) if state is not None else {}
        self.values = Entries(data.get("values"))
        self.groups: list[str] = data.get("groups", [])
        self.first: Touch | None = data.get("first")
        self.last: Touch | None = data.get("last")
        self.created: int | None = data.get("created")
        self.updated: int = data.get("updated", 0)
        self.version: int = data.get("version", 0)
        self.size: int = data.get("size", 0)
        self.is_deleted: int = data.get("is_deleted", 0)
        self.erasure: int = data.get("erasure", 0)
        self.cut: list[int] | None = data.get("cut")

    def encode(self) -> bytes:
        """The state to be stored."""
        data = {name: getattr(self, name) for name in self.__slots__}
        for name in ("first", "groups", "last", "cut", "erasure", "is_deleted"):
            if not data[name]:
                del data[name]
        return orjson.dumps(data)

    def erase(self, operation: Operation) -> None:
        """Forget everything that came before an erasure. Each raw partition says so once, at its place in the log: the
        first makes a clean table, and until all have said so, what comes by the others is of before.
        """
        number, partitions = operation.values.get("erasure"), operation.values.get("partitions")
        if not isinstance(number, int) or not isinstance(partitions, int):
            raise Rejected("not_an_operation", "An erasure has a number.", operation.project_id)
        if number > self.erasure:
            self.values, self.groups, self.first, self.last = Entries(), [], None, None
            self.created, self.updated, self.size = None, operation.time, 0
            self.erasure, self.cut, self.is_deleted = number, [], 1
        if number == self.erasure and self.cut is not None:
            self.cut = sorted({*self.cut, operation.raw_partition})
            if len(self.cut) >= partitions:
                self.cut = None
        self.version += 1

    def is_of_before(self, operation: Operation) -> bool:
        """Whether an operation belongs to what is being erased."""
        return self.cut is not None and operation.raw_partition not in self.cut

    def put(self, name: str, value: Any, time: int) -> None:
        """Set a property, whatever it was before."""
        self.remove(name)
        self.values.put(name, [value, time])
        self.size += _weight(name, value)

    def remove(self, name: str) -> None:
        """Take a property away, if it is there."""
        entry = self.values.remove(name)
        if entry is not None:
            self.size -= _weight(name, entry[0])

    def text(self, trait: str) -> str:
        """A trait as text, empty if it is not known."""
        value = self.value(trait)
        return "" if value is None else str(value)

    def value(self, name: str) -> Any:
        """What stands under a name, or None."""
        entry = self.values.get(name)
        return None if entry is None else entry[0]

    def properties(self) -> dict[str, Any]:
        """All that stands below ``properties.``, by its path there, and the touches."""
        own = {
            name[len(PREFIX) :]: value
            for name, (value, _) in self.values.items()
            # What was set under a touch's name before it was reserved could not stand beside the touch.
            if value is not None and name.startswith(PREFIX) and not is_reserved(name)
        }
        return own | touch_properties(FIRST, self.first) | touch_properties(LAST, self.last)


def apply_operation(subject: Subject, operation: Operation, traits: frozenset[str]) -> None:
    """Change a subject as an operation says. Raises Rejected, and changes nothing, for what is not possible."""
    project_id, time = operation.project_id, operation.time
    if operation.op is ProfileOpKind.ERASE:
        subject.erase(operation)
        return
    if subject.is_of_before(operation):
        subject.version += 1
        return
    if not 0 <= time < MAX_TIME_MS:
        raise Rejected("not_an_operation", f"The time {time} ms is not possible.", project_id)
    values = {name: v for name, v in operation.values.items() if name in traits or _is_open(name)}
    changes = _changes(subject.values, values, operation)
    groups = _new_groups(subject, operation)
    _check_bounds(subject, changes, groups, project_id)
    for name, (value, at) in changes.items():
        _change(subject, name, value, at)
    if operation.op is ProfileOpKind.TOUCH:
        touch = [time, operation.values]
        subject.first, subject.last = first_of(subject.first, touch), last_of(subject.last, touch)
    subject.groups = subject.groups + groups
    subject.size += sum(len(group) + _ENTRY_BYTES for group in groups)
    subject.created = time if subject.created is None else min(subject.created, time)
    subject.updated = max(subject.updated, time)
    subject.is_deleted = 0
    subject.version += 1


def _changes(entries: Entries, values: dict[str, Any], operation: Operation) -> dict[str, list[Any]]:
    """The entries as the operation makes them. Raises Rejected."""
    time = operation.time
    match operation.op:
        case ProfileOpKind.SET | GroupOpKind.SET:
            return {name: [v, time] for name, v in values.items() if _may_set(entries, name, time)}
        case ProfileOpKind.SET_ONCE:
            times = {name: _once_at(entries, name, time) for name in values}
            return {name: [v, at] for name, v in values.items() if (at := times[name]) is not None}
        case ProfileOpKind.INCREMENT:
            return {name: _counted(entries, name, v, operation) for name, v in values.items()}
        case ProfileOpKind.APPEND | ProfileOpKind.UNION:
            return {name: _lengthened(entries, name, v, operation) for name, v in values.items()}
        case ProfileOpKind.UNSET:
            return {name: [None, time] for name in values if entries.get(name, (None, 0))[1] <= time}
    return {}


def _new_groups(subject: Subject, operation: Operation) -> list[str]:
    """The groups an operation assigns that the subject does not belong to yet."""
    if operation.op is not ProfileOpKind.ASSIGN_GROUPS or not isinstance(operation, ProfileOp):
        return []
    known = set(subject.groups)
    return [group for group in dict.fromkeys(operation.groups) if group not in known]


def _change(subject: Subject, name: str, value: Any, time: int) -> None:
    if value is None:
        gone = [other for other in subject.values.below(name) if subject.values[other][1] <= time]
    else:
        gone = subject.values.in_the_way(name) if subject.value(name) is None else []
    for other in gone:
        subject.remove(other)
    subject.put(name, value, time)


def _is_open(name: str) -> bool:
    """Whether senders may set a property of that name."""
    return name.startswith(PREFIX) and not is_reserved(name)


def _may_set(values: Entries, name: str, time: int) -> bool:
    """Whether nothing set later stands in this property's place."""
    known = values.get(name)
    if known is not None and known[0] is not None:
        return bool(known[1] <= time)
    return _newest(values, name) <= time


def _once_at(values: Entries, name: str, time: int) -> int | None:
    """The time to note when a property is set once; None if something stands there or was taken away later."""
    if _stands(values, name):
        return None
    taken_away = _newest(values, name)
    return taken_away if taken_away <= time else None


def _stands(values: Entries, name: str) -> bool:
    """Whether there is a value under this name, or one that can't stand beside it."""
    return any(values[other][0] is not None for other in (name, *values.in_the_way(name)) if other in values)


def _newest(values: Entries, name: str) -> int:
    """The time of what was set or taken away last under this name and in its way."""
    return max((values[other][1] for other in (name, *values.in_the_way(name)) if other in values), default=_EVER)


def _counted(values: Entries, name: str, amount: Any, operation: Operation) -> list[Any]:
    """The entry of a property after adding to it. Raises Rejected where it is no number or becomes too large."""
    known = values.get(name)
    stands = known[0] if known is not None else None
    if stands is None and _stands(values, name):
        stands = {}
    old, more = _number(0 if stands is None else stands), _number(amount)
    label = name.removeprefix(PREFIX)
    if old is None or more is None:
        raise Rejected("not_a_number", f"{label} is not a number: nothing can be added.", operation.project_id)
    total = old + more
    if not (_MIN_INT <= total <= _MAX_INT if isinstance(total, int) else math.isfinite(total)):
        raise Rejected("number_too_large", f"{label} would become too large.", operation.project_id)
    return [total, max(operation.time, _newest(values, name))]


def _lengthened(values: Entries, name: str, items: Any, operation: Operation) -> list[Any]:
    """The entry of a property after appending to it. Raises Rejected where it is no list or becomes too long."""
    known = values.get(name)
    stands = known[0] if known is not None else None
    if stands is None and _stands(values, name):
        stands = {}
    try:
        whole = appended(stands, items, once=operation.op is ProfileOpKind.UNION)
    except NotAListError as error:
        message = f"{name.removeprefix(PREFIX)}: {error}"
        raise Rejected(error.reason, message, operation.project_id) from None
    return [whole, max(operation.time, _newest(values, name))]


def _number(value: Any) -> int | float | None:
    """The number a value is, also one written as a text; None if it is none."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _check_bounds(subject: Subject, changes: dict[str, list[Any]], groups: list[str], project_id: str) -> None:
    """Raises Rejected for what would make a subject too large, and for a value that can't be stored."""
    if len(subject.values) + sum(name not in subject.values for name in changes) > MAX_PROPERTIES:
        raise Rejected("profile_too_large", f"A profile or group holds {MAX_PROPERTIES} properties.", project_id)
    if len(subject.groups) + len(groups) > MAX_ASSIGNED_GROUPS:
        raise Rejected("profile_too_large", f"A profile belongs to {MAX_ASSIGNED_GROUPS} groups.", project_id)
    growth = sum(len(group) + _ENTRY_BYTES for group in groups)
    for name, (value, _) in changes.items():
        try:
            growth += _weight(name, value)
        except (TypeError, ValueError) as error:
            raise Rejected("not_an_operation", f"{name}: {error}", project_id) from None
        known = subject.values.get(name)
        if known is not None:
            growth -= _weight(name, known[0])
    if subject.size + growth > MAX_STATE_BYTES:
        raise Rejected("profile_too_large", f"A profile or group holds {MAX_STATE_BYTES} bytes.", project_id)


def _weight(name: str, value: Any) -> int:
    return len(name) + len(orjson.dumps(value)) + _ENTRY_BYTES
