"""The rows a batch gives rise to, packed into envelopes per topic, and counted for the ledger as they come."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import asdict

from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.envelope import Headers
from schemas.event_id import event_id_at
from schemas.event_time import clickhouse_time, month_of
from schemas.ledger import LedgerRow
from schemas.partition import partition_of, project_partition
from schemas.profile import ProfileOpKind
from schemas.raw_event import ErasePayload
from streams import metrics
from streams.columns import Columns, row_json
from streams.identity import NUMBERED, Link, next_link
from streams.payloads import Change
from streams.prepare import Place, Prepared
from streams.processor import Record
from streams.rejected import Rejected
from streams.sessions import Session, session_row

MAX_ENVELOPE_BYTES = 256 * 1024
MAX_ENVELOPE_OPERATIONS = 100
"""A message of operations holds no more: each may rewrite a profile of hundreds of kilobytes, a message's all in one
transaction."""
_NEWLINE = b"\n"
_BLANK_LEDGER: dict[str, Any] = dict.fromkeys(LedgerRow.model_fields, ())
_HEADERS: Headers = [(topics.HEADER_FORMAT, topics.FORMAT_VERSION.encode())]


class _Envelope(list[bytes]):
    """Lines on their way to one partition of one topic, and the bytes there is room for."""

    __slots__ = ("room",)

    def __init__(self) -> None:
        super().__init__()
        self.room = MAX_ENVELOPE_BYTES


class Tally(Struct, frozen=True):
    """What became of a raw message's lines; see ``schemas.ledger.LedgerRow``."""

    lines: int = 0
    stored: int = 0
    repeated: int = 0
    bots: int = 0
    filtered: int = 0
    dead: int = 0
    operations: int = 0


class Rows:
    """Rows of one batch of raw partition ``partition``. ``epochs``: of the output topics, by name; ``partitions``: how
    many the topics have; ``link``: the version of the newest link of an id.
    """

    def __init__(self, partition: int, partitions: int, epochs: dict[str, int], link: int = 0) -> None:
        self.link = link
        self.records: list[Record] = []
        self.rows = 0
        self._partition = partition
        self._partitions = partitions
        self._epochs = epochs
        self._open: dict[tuple[str, int], _Envelope] = {}
        self._to_events = (topics.EVENTS, partition)
        self._to_sessions = (topics.SESSIONS, partition)
        self._counts: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._events: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._dead: defaultdict[str, int] = defaultdict(int)
        self._message_offset = -1
        self._message = Columns({})
        self.watch: Callable[[Mapping[str, Any], tuple[Columns, ...]], None] | None = None

    def event(
        self, row: dict[str, Any], place: Place, month: int, shared: tuple[Columns, ...], session_month: int = 0
    ) -> None:
        """A row of ``weir.events`` that a message at ``place`` led to, most of whose columns are shared with others;
        ``watch`` sees all of it. ``session_month``: of the session whose events it counts among, 0 for none.
        """
        if place.offset != self._message_offset:
            self._message, self._message_offset = self._of_message(place), place.offset
        shared = (*shared, self._message)
        if self.watch is not None:
            self.watch(row, shared)
        self._put(self._to_events, row_json(row, shared))
        self._events[month, session_month] += 1

    def _of_message(self, place: Place) -> Columns:
        """The columns that all events of one message have alike."""
        return Columns(
            {
                "raw_epoch": place.epoch,
                "raw_partition": place.partition,
                "raw_offset": place.offset,
                "log_epoch": self._epochs[topics.EVENTS],
            }
        )

    def session(self, was: Session | None, now: Session, place: Place, *shared: Columns) -> None:
        """The pair that changes a session from what was last emitted to what it is; numbers ``now``'s version.
        ``shared``: the columns of its beginning.
        """
        coordinates = {
            "raw_epoch": place.epoch,
            "raw_partition": place.partition,
            "raw_offset": place.offset,
            "log_epoch": self._epochs[topics.SESSIONS],
        }
        if was is not None:
            self._put(self._to_sessions, row_json(session_row(was, -1, coordinates), shared))
        now["version"] = was["version"] + 1 if was is not None else 1
        self._put(self._to_sessions, row_json(session_row(now, 1, coordinates), shared))

    def identity(self, project_id: str, link: Link, time: int, place: Place) -> None:
        """A link to a profile, made or taken back."""
        if link.version == NUMBERED:
            self.link = next_link(self.link, place)
            link = link._replace(version=self.link)
        row = {"project_id": project_id, **link._asdict(), "created_at": clickhouse_time(time)}
        self._add(topics.IDENTITIES, row | _raw_line(place))
        self.count("identities", month_of(time))

    def operation(self, change: Change, profile_id: str, event: Prepared, place: Place) -> None:
        """An operation on the profile, or on the group that the change names."""
        of_group = bool(change.group_id)
        owner = change.group_id or profile_id
        operation = {
            "version": 1,
            "op": change.op.value,
            "project_id": event.raw.project_id,
            "group_id" if of_group else "profile_id": owner,
            "event_id": event.event_id,
            "time": event.time if change.time is None else change.time,
            "values": change.values,
            **_raw_line(place),
        }
        if change.groups:
            operation["groups"] = change.groups
        self._put_operation(event.raw.project_id, owner, operation)
        self.count("group_ops" if of_group else "profile_ops", month_of(event.time))

    def forget_profile(self, project_id: str, profile_id: str, said: ErasePayload, place: Place) -> None:
        """The operation that erases a profile, as far as this partition's operations made it."""
        operation = {
            "version": 1,
            "op": ProfileOpKind.ERASE.value,
            "project_id": project_id,
            "profile_id": profile_id,
            "event_id": event_id_at(place.epoch, place.partition, place.offset, place.line),
            "time": place.stamp,
            "values": {"erasure": said.erasure, "partitions": said.partitions},
            **_raw_line(place),
        }
        self._put_operation(project_id, profile_id, operation)
        self.count("profile_ops", month_of(place.stamp))

    def notification(self, row: dict[str, Any]) -> None:
        """A row of ``weir.notifications``: a project's are all in one partition."""
        row["log_epoch"] = self._epochs[topics.NOTIFICATIONS]
        target = project_partition(row["project_id"], self._partitions)
        self._put((topics.NOTIFICATIONS, target), orjson.dumps(row))

    def replay(self, row: dict[str, Any], place: Place) -> None:
        """A row of ``weir.replay``."""
        self._add(topics.REPLAY, row | _raw_line(place))
        self.count("replay_chunks", month_of(place.stamp))

    def dead(self, value: bytes, stage: str, rejected: Rejected, place: Place, topic: str = topics.RAW) -> None:
        """A line that could not be processed, with the reason why."""
        letter = DeadLetter(
            value=value,
            stage=stage,
            reason=rejected.reason,
            detail=rejected.detail,
            project_id=rejected.project_id,
            topic=topic,
            epoch=place.epoch,
            partition=place.partition,
            offset=place.offset,
            line=place.line,
            stamp_ms=place.stamp,
            log_epoch=self._epochs[topics.DEAD_LETTERS],
        )
        self.records.append(Record(topics.DEAD_LETTERS, self._partition, value, headers=letter.headers()))
        self.rows += 1
        self._dead[rejected.reason] += 1

    def count(self, table: str, month: int) -> None:
        """Note for the ledger one row (or other countable thing) of ``table`` in ``month``."""
        self._counts[table, month] += 1

    def ledger(self, kind: str, place: Place, to_offset: int, tally: Tally) -> None:
        """Close the account of one raw message, or of a range without any."""
        for (month, session_month), number in self._events.items():
            self._counts["events", month] += number
            if session_month:
                self._counts["session_events", session_month] += number
        self._events.clear()
        counts = sorted(self._counts.items())
        self._counts.clear()
        row = dict(_BLANK_LEDGER)
        row["kind"] = kind
        row["raw_epoch"] = place.epoch
        row["raw_partition"] = place.partition
        row["from_offset"] = place.offset
        row["to_offset"] = to_offset
        row["stamp"] = clickhouse_time(place.stamp)
        row.update(asdict(tally))
        if counts:
            row["row_tables"] = [table for (table, _), _ in counts]
            row["row_months"] = [month for (_, month), _ in counts]
            row["row_counts"] = [number for _, number in counts]
        self._add(topics.LEDGER, row)

    def finish(self) -> list[Record]:
        """Every record of the batch; envelopes still open are closed, and dead letters counted for whoever watches."""
        self.watch = None  # which may refer to these rows
        for reason, number in self._dead.items():
            metrics.DEAD_LETTERS.labels(reason).inc(number)
        for target, envelope in self._open.items():
            self._close(target, envelope)
        self._open = {}
        return self.records

    def _add(self, topic: str, row: dict[str, Any]) -> None:
        row["log_epoch"] = self._epochs[topic]
        self._put((topic, self._partition), orjson.dumps(row))

    def _put_operation(self, project_id: str, owner: str, operation: dict[str, Any]) -> None:
        target = (topics.PROFILE_OPS, partition_of(project_id, owner, self._partitions))
        envelope = self._open.get(target)
        if envelope is not None and len(envelope) >= MAX_ENVELOPE_OPERATIONS:
            self._close(target, envelope)
            self._open[target] = _Envelope()
        self._put(target, orjson.dumps(operation))

    def _put(self, target: tuple[str, int], line: bytes) -> None:
        """Append a line to what goes to this topic and partition."""
        envelope, size = self._open.get(target), len(line)
        if envelope is None:
            envelope = self._open[target] = _Envelope()
        elif size > envelope.room:
            self._close(target, envelope)
            envelope = self._open[target] = _Envelope()
        envelope.append(line)
        envelope.room -= size + 1
        self.rows += 1

    def _close(self, target: tuple[str, int], envelope: _Envelope) -> None:
        self.records.append(Record(*target, _NEWLINE.join(envelope), headers=_HEADERS))


def _raw_line(place: Place) -> dict[str, int]:
    return {
        "raw_epoch": place.epoch,
        "raw_partition": place.partition,
        "raw_offset": place.offset,
        "raw_line": place.line,
    }
