"""The rows a batch gives rise to, packed into envelopes per topic, and counted for the ledger as they come."""

from typing import Any, NamedTuple

import orjson

from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.envelope import Headers
from schemas.event_time import clickhouse_time, month_of
from schemas.partition import partition_of
from schemas.profile import ProfileOpKind
from schemas.raw_event import IdentifyPayload
from streams import metrics
from streams.prepare import Place, Prepared, Rejected
from streams.processor import Record
from streams.sessions import Session, session_row

MAX_ENVELOPE_BYTES = 256 * 1024
_TRAITS = ("first_name", "last_name", "email", "avatar")
_NEWLINE = b"\n"
_HEADERS: Headers = [(topics.HEADER_FORMAT, topics.FORMAT_VERSION.encode())]


class _Envelope:
    """Lines on their way to one partition of one topic."""

    __slots__ = ("lines", "size")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.size = 0


class Tally(NamedTuple):
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
    many the topics have.
    """

    def __init__(self, partition: int, partitions: int, epochs: dict[str, int]) -> None:
        self.records: list[Record] = []
        self.rows = 0
        self._partition = partition
        self._partitions = partitions
        self._epochs = epochs
        self._open: dict[tuple[str, int], _Envelope] = {}
        self._counts: dict[tuple[str, int], int] = {}

    def event(self, row: dict[str, Any], month: int) -> None:
        """A row of ``weir.events``."""
        self._add(topics.EVENTS, row)
        self.count("events", month)

    def session(self, was: Session | None, now: Session, place: Place) -> None:
        """The pair that changes a session from what was last emitted to what it is; numbers ``now``'s version."""
        coordinates = {"raw_epoch": place.epoch, "raw_partition": place.partition, "raw_offset": place.offset}
        if was is not None:
            self._add(topics.SESSIONS, session_row(was, -1, coordinates))
        now["version"] = was["version"] + 1 if was is not None else 1
        self._add(topics.SESSIONS, session_row(now, 1, coordinates))

    def identity(self, project_id: str, device_id: str, profile_id: str, version: int, time: int, place: Place) -> None:
        """The link of a device to a profile; of a device's links the one with the highest version stands."""
        row = {
            "project_id": project_id,
            "kind": "device",
            "source_id": device_id,
            "profile_id": profile_id,
            "created_at": clickhouse_time(time),
            "version": version,
            "is_deleted": 0,
            "raw_epoch": place.epoch,
            "raw_partition": place.partition,
            "raw_offset": place.offset,
            "raw_line": place.line,
        }
        self._add(topics.IDENTITIES, row)
        self.count("identities", month_of(time))

    def profile_set(self, event: Prepared, place: Place) -> None:
        """The operation of an ``identify``: what it says of the person, and the device and place it came from."""
        raw = event.raw
        payload = IdentifyPayload.model_validate(raw.payload)
        values = {name: value for name in _TRAITS if (value := getattr(payload, name))}
        values |= {f"properties.{name}": value for name, value in event.properties.items()}
        if event.surroundings["device"] != "server":
            values |= {f"properties.{name}": value for name, value in event.surroundings.items() if value}
        operation = {
            "version": 1,
            "op": ProfileOpKind.SET.value,
            "project_id": raw.project_id,
            "profile_id": raw.profile_id,
            "event_id": event.event_id,
            "time": event.time,
            "values": values,
            "raw_epoch": place.epoch,
            "raw_partition": place.partition,
            "raw_offset": place.offset,
            "raw_line": place.line,
        }
        target = partition_of(raw.project_id, raw.profile_id, self._partitions)
        self._put(topics.PROFILE_OPS, target, orjson.dumps(operation))

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
        metrics.DEAD_LETTERS.labels(rejected.reason).inc()

    def count(self, table: str, month: int) -> None:
        """Note for the ledger one row (or other countable thing) of ``table`` in ``month``."""
        key = (table, month)
        self._counts[key] = self._counts.get(key, 0) + 1

    def ledger(self, kind: str, place: Place, to_offset: int, tally: Tally) -> None:
        """Close the account of one raw message, or of a range without any."""
        counts = sorted(self._counts.items())
        self._counts = {}
        row = {
            "kind": kind,
            "raw_epoch": place.epoch,
            "raw_partition": place.partition,
            "from_offset": place.offset,
            "to_offset": to_offset,
            "stamp": clickhouse_time(place.stamp),
            **tally._asdict(),
            "row_tables": [table for (table, _), _ in counts],
            "row_months": [month for (_, month), _ in counts],
            "row_counts": [number for _, number in counts],
        }
        self._add(topics.LEDGER, row)

    def finish(self) -> list[Record]:
        """Every record of the batch; envelopes still open are closed."""
        for (topic, partition), envelope in self._open.items():
            self._close(topic, partition, envelope)
        self._open = {}
        return self.records

    def _add(self, topic: str, row: dict[str, Any]) -> None:
        row["log_epoch"] = self._epochs[topic]
        self._put(topic, self._partition, orjson.dumps(row))

    def _put(self, topic: str, partition: int, line: bytes) -> None:
        envelope = self._open.get((topic, partition))
        if envelope is None:
            envelope = self._open[topic, partition] = _Envelope()
        elif envelope.size + len(line) > MAX_ENVELOPE_BYTES:
            self._close(topic, partition, envelope)
            envelope = self._open[topic, partition] = _Envelope()
        envelope.lines.append(line)
        envelope.size += len(line) + 1
        self.rows += 1

    def _close(self, topic: str, partition: int, envelope: _Envelope) -> None:
        self.records.append(Record(topic, partition, _NEWLINE.join(envelope.lines), headers=_HEADERS))
