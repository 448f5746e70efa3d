"""The processor of ``weir.profile-ops``: operations to the rows of ``weir.profiles`` and ``weir.groups``.

State keys ``profile/<project>/<profile>`` and ``group/<project>/<group>``. Every operation comes exactly once, so
counting is exact; what it does is in ``subject``.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.envelope import split_lines
from schemas.event_time import clickhouse_time
from schemas.group import GroupOp
from schemas.profile import ProfileOp
from streams import metrics
from streams.chunk import Chunk, SourceMessage
from streams.groups import GROUP_TRAITS, group_row
from streams.processor import Outcome, Record
from streams.rejected import Rejected
from streams.subject import Operation, Subject, apply_operation

MAX_OUTCOME_BYTES = 32 * 1024 * 1024
"""A batch stops between two messages once so much has to be written: nothing unbounded in one transaction."""
PROFILE_TRAITS = frozenset({"first_name", "last_name", "email", "avatar"})
_OPERATION: TypeAdapter[Operation] = TypeAdapter(
    Annotated[ProfileOp | GroupOp, Field(union_mode="left_to_right")]  # nearly all are the first
)

Changed = dict[bytes, tuple[Operation, Subject, int]]
"""By state key: the newest operation of a batch, what it made, and its offset."""


def profile_row(project_id: str, profile_id: str, person: Subject) -> dict[str, Any]:
    """The row of ``weir.profiles``, without the coordinates of the log."""
    return {
        "project_id": project_id,
        "profile_id": profile_id,
        **{trait: person.text(trait) for trait in sorted(PROFILE_TRAITS)},
        "properties": person.properties(),
        "groups": person.groups,
        "created_at": clickhouse_time(person.created or 0),
        "updated_at": clickhouse_time(person.updated),
        "is_deleted": person.is_deleted,
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
        """See ``processor.Processor``. One row per profile or group and batch: the logs are compacted anyway."""
        changed: Changed = {}
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
                    size += len(line) + self._apply(line, message.offset, changed)
                except Rejected as rejected:
                    dead.append(self._dead_letter(line, rejected, message, number))
        records = [self._row(*entry) for entry in changed.values()]
        changes: dict[bytes, bytes | None] = {key: entry[1].encode() for key, entry in changed.items()}
        return Outcome(records + dead, changes, end, _nothing, lines)

    def _apply(self, line: bytes, offset: int, changed: Changed) -> int:
        """Apply one operation; the bytes of state this brings into the batch. Raises Rejected."""
        try:
            operation = _OPERATION.validate_json(line)
        except ValidationError as error:
            raise Rejected("not_an_operation", str(error.errors(include_url=False)[0]["msg"])) from None
        key = _state_key(operation)
        entry = changed.get(key)
        subject = entry[1] if entry is not None else Subject(self._state.get(key))
        apply_operation(subject, operation, GROUP_TRAITS if isinstance(operation, GroupOp) else PROFILE_TRAITS)
        changed[key] = (operation, subject, offset)
        return subject.size if entry is None else 0

    def _row(self, operation: Operation, subject: Subject, offset: int) -> Record:
        project_id = operation.project_id
        if isinstance(operation, GroupOp):
            topic, name = topics.GROUPS, operation.group_id
            row = group_row(project_id, name, subject)
        else:
            topic, name = topics.PROFILES, operation.profile_id
            row = profile_row(project_id, name, subject)
        row["log_epoch"] = self._epochs[topic]
        row["ops_epoch"] = self._epochs[topics.PROFILE_OPS]
        row["ops_partition"] = self._partition
        row["ops_offset"] = offset
        return Record(topic, self._partition, orjson.dumps(row), key=f"{project_id}:{name}".encode())

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


def _state_key(operation: Operation) -> bytes:
    if isinstance(operation, GroupOp):
        return f"group/{operation.project_id}/{operation.group_id}".encode()
    return f"profile/{operation.project_id}/{operation.profile_id}".encode()


def _nothing() -> None:
    return None
