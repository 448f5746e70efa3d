"""The profiles' processor: operations of ``weir.profile-ops`` to the rows of ``weir.profiles``.

State key ``profile/<project>/<profile>``. Every operation comes exactly once, so counting is exact. Of two settings of
one property the one with the later event time stands, whichever came first.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import ValidationError

from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.envelope import split_lines
from schemas.event_time import clickhouse_time
from schemas.profile import ProfileOp, ProfileOpKind
from streams import metrics
from streams.chunk import Chunk, SourceMessage
from streams.prepare import Rejected
from streams.processor import Outcome, Record

MAX_PROPERTIES = 1_000
MAX_STATE_BYTES = 256 * 1024
MAX_OUTCOME_BYTES = 32 * 1024 * 1024
"""A batch stops between two messages once so much has to be written: nothing unbounded in one transaction."""
MAX_TIME_MS = 253_402_300_800_000
"""The year 10000, which no row can hold."""
_ENTRY_BYTES = 20
_PREFIX = "properties."
_TRAITS = frozenset({"first_name", "last_name", "email", "avatar"})


class Person:
    """A profile's state. ``values``: property path (or trait) to [value, event time it was set at in milliseconds];
    ``size``: about how many bytes they take.
    """

    __slots__ = ("created", "size", "updated", "values", "version")

    def __init__(self, state: bytes | None) -> None:
        data: dict[str, Any] = orjson.loads(state) if state is not None else {}
        self.values: dict[str, list[Any]] = data.get("values", {})
        self.created: int | None = data.get("created")
        self.updated: int = data.get("updated", 0)
        self.version: int = data.get("version", 0)
        self.size: int = data.get("size", 0)

    def encode(self) -> bytes:
        """The state to be stored."""
        return orjson.dumps({name: getattr(self, name) for name in self.__slots__})

    def put(self, name: str, value: Any, time: int) -> None:
        """Set a property, whatever it was before."""
        self.remove(name)
        self.values[name] = [value, time]
        self.size += _weight(name, value)

    def remove(self, name: str) -> None:
        """Take a property away, if it is there."""
        entry = self.values.pop(name, None)
        if entry is not None:
            self.size -= _weight(name, entry[0])


def apply_operation(person: Person, operation: ProfileOp) -> None:
    """Change a person as an operation says. Raises Rejected, and changes nothing, for what is not possible."""
    if operation.op is not ProfileOpKind.SET:
        raise Rejected("operation_not_supported", f"{operation.op.value} is not processed yet.", operation.project_id)
    if not 0 <= operation.time < MAX_TIME_MS:
        raise Rejected("not_an_operation", f"The time {operation.time} ms is not possible.", operation.project_id)
    changes = {
        name: value
        for name, value in operation.values.items()
        if (name in _TRAITS or name.startswith(_PREFIX)) and _may_set(person.values, name, operation.time)
    }
    if len(person.values) + sum(name not in person.values for name in changes) > MAX_PROPERTIES:
        raise Rejected("profile_too_large", f"A profile holds {MAX_PROPERTIES} properties.", operation.project_id)
    if person.size + _growth(person, changes, operation.project_id) > MAX_STATE_BYTES:
        raise Rejected("profile_too_large", f"A profile holds {MAX_STATE_BYTES} bytes.", operation.project_id)
    for name, value in changes.items():
        if name not in person.values:
            for other in _in_the_way(person.values, name):
                person.remove(other)
        person.put(name, value, operation.time)
    person.created = operation.time if person.created is None else min(person.created, operation.time)
    person.updated = max(person.updated, operation.time)
    person.version += 1


def _may_set(values: dict[str, list[Any]], name: str, time: int) -> bool:
    """Whether nothing set later stands in this property's place."""
    known = values.get(name)
    if known is not None:
        return bool(known[1] <= time)
    return all(values[other][1] <= time for other in _in_the_way(values, name))


def _in_the_way(values: dict[str, list[Any]], name: str) -> list[str]:
    """What can't stand beside ``name``: a path is either a value or an object, never both."""
    parts = name.split(".")
    above = [path for length in range(2, len(parts)) if (path := ".".join(parts[:length])) in values]
    below = f"{name}."
    return above + [other for other in values if other.startswith(below)]


def _growth(person: Person, changes: dict[str, Any], project_id: str) -> int:
    """By how many bytes a person grows. Raises Rejected for a value that can't be stored."""
    growth = 0
    for name, value in changes.items():
        try:
            growth += _weight(name, value)
        except (TypeError, ValueError) as error:
            raise Rejected("not_an_operation", f"{name}: {error}", project_id) from None
        known = person.values.get(name)
        if known is not None:
            growth -= _weight(name, known[0])
    return growth


def _weight(name: str, value: Any) -> int:
    return len(name) + len(orjson.dumps(value)) + _ENTRY_BYTES


def profile_row(project_id: str, profile_id: str, person: Person) -> dict[str, Any]:
    """The row of ``weir.profiles``, without the coordinates of the log."""
    values = person.values
    return {
        "project_id": project_id,
        "profile_id": profile_id,
        **{trait: str(values[trait][0]) if trait in values else "" for trait in sorted(_TRAITS)},
        "properties": {name[len(_PREFIX) :]: value for name, (value, _) in values.items() if name.startswith(_PREFIX)},
        "created_at": clickhouse_time(person.created or 0),
        "updated_at": clickhouse_time(person.updated),
        "is_deleted": 0,
        "version": person.version,
    }


class ProfilesProcessor:
    """See ``processor.Processor``; ``epochs`` are those of all topics, by name."""

    def __init__(self, partition: int, epochs: dict[str, int]) -> None:
        self._partition = partition
        self._epochs = epochs
        self._state: dict[bytes, bytes] = {}

    def restore(self, state: dict[bytes, bytes]) -> None:
        """Take up a loaded state."""
        self._state = state

    def process(self, chunks: Sequence[Chunk]) -> Outcome:
        """See ``processor.Processor``. One row per profile and batch: the log is compacted anyway."""
        people: dict[bytes, tuple[str, str, Person, int]] = {}
        dead: list[Record] = []
        lines = size = 0
        end = chunks[-1].end
        for message in (message for chunk in chunks for message in chunk.messages):
            if size > MAX_OUTCOME_BYTES:
                end = message.offset
                break
            for number, line in enumerate(split_lines(message.value or b"")):
                lines += 1
                try:
                    size += len(line) + self._apply(line, message.offset, people)
                except Rejected as rejected:
                    dead.append(self._dead_letter(line, rejected, message, number))
        records = [self._row(*entry) for entry in people.values()]
        changes: dict[bytes, bytes | None] = {key: entry[2].encode() for key, entry in people.items()}
        return Outcome(records + dead, changes, end, _nothing, lines)

    def _apply(self, line: bytes, offset: int, people: dict[bytes, tuple[str, str, Person, int]]) -> int:
        """Apply one operation; the bytes of state this brings into the batch. Raises Rejected."""
        try:
            operation = ProfileOp.model_validate_json(line)
        except ValidationError as error:
            raise Rejected("not_an_operation", str(error.errors(include_url=False)[0]["msg"])) from None
        key = f"profile/{operation.project_id}/{operation.profile_id}".encode()
        entry = people.get(key)
        person = entry[2] if entry is not None else Person(self._state.get(key))
        apply_operation(person, operation)
        people[key] = (operation.project_id, operation.profile_id, person, offset)
        return person.size if entry is None else 0

    def _row(self, project_id: str, profile_id: str, person: Person, offset: int) -> Record:
        row = profile_row(project_id, profile_id, person)
        row["log_epoch"] = self._epochs[topics.PROFILES]
        row["ops_epoch"] = self._epochs[topics.PROFILE_OPS]
        row["ops_partition"] = self._partition
        row["ops_offset"] = offset
        key = f"{project_id}:{profile_id}".encode()
        return Record(topics.PROFILES, self._partition, orjson.dumps(row), key=key)

    def _dead_letter(self, line: bytes, rejected: Rejected, message: SourceMessage, number: int) -> Record:
        letter = DeadLetter(
            value=line,
            stage="profile",
            reason=rejected.reason,
            detail=rejected.detail,
            project_id=rejected.project_id,
            topic=topics.PROFILE_OPS,
            epoch=self._epochs[topics.PROFILE_OPS],
            partition=self._partition,
            offset=message.offset,
            line=number,
            stamp_ms=message.timestamp,
            log_epoch=self._epochs[topics.DEAD_LETTERS],
        )
        metrics.DEAD_LETTERS.labels(rejected.reason).inc()
        return Record(topics.DEAD_LETTERS, self._partition, line, headers=letter.headers())


def _nothing() -> None:
    return None
