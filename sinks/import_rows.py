"""Importing rows: through the raw log, like everything that comes in, so that all that follows from events holds.

Twice is once: an event that is stored already is passed over. Before an import begins, all that is in the log has to
have come into the tables, so that "stored" is whatever was sent before.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import BinaryIO

import orjson
from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from pydantic import BaseModel

from schemas import topics
from schemas.envelope import Headers, join_lines, portions
from schemas.event_time import reception, time_refusal
from schemas.partition import partition_of
from schemas.raw_event import RawEvent, RawKind
from sinks.errors import SinkError
from sinks.import_files import FileRow
from sinks.import_map import RowMapping, RowPassedOver, RowRefused, owner_of
from sinks.sql_text import literal

BATCH_ROWS = 2_000
_FLUSH_SECONDS = 60.0
_HEADERS: Headers = [(topics.HEADER_FORMAT, topics.FORMAT_VERSION.encode())]


class ImportRowsError(SinkError):
    """Rows could not be sent; run again, it goes on."""


class Progress(BaseModel):
    """How far an import is: ``rows`` of the file are done. ``rejects``: bytes of the file of those refused."""

    rows: int = 0
    sent: int = 0
    stored_before: int = 0
    passed_over: int = 0
    refused: int = 0
    rejects: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go. ``project_id`` empty: where each says. ``retention_days``: by project, of all that there are."""

    bootstrap: str
    partitions: int
    project_id: str
    retention_days: dict[str, int]


def import_rows(
    client: Client,
    target: Target,
    rows: Iterable[FileRow],
    mapping: RowMapping,
    progress: Progress,
    rejects: BinaryIO,
    done: Callable[[Progress], None],
) -> None:
    """Send the rows behind those that are done; ``done`` is told when a batch is in the log, and has to remember it.

    :raises ImportRowsError: Kafka does not take them.
    :raises ClickHouseError: ClickHouse refuses.
    """
    producer = _producer(target.bootstrap)
    waiting = (row for row in rows if row.number > progress.rows)
    while batch := list(islice(waiting, BATCH_ROWS)):
        _import_batch(client, target, batch, mapping, progress, producer, rejects)
        progress.rows = batch[-1].number
        done(progress)


def _import_batch(
    client: Client,
    target: Target,
    rows: Sequence[FileRow],
    mapping: RowMapping,
    progress: Progress,
    producer: Producer,
    rejects: BinaryIO,
) -> None:
    now = round(datetime.now(UTC).timestamp() * 1000)
    taken: list[RawEvent] = []
    written = 0
    for row in rows:
        try:
            taken += _read(row, mapping, target, now)
        except RowPassedOver:
            progress.passed_over += 1
        except RowRefused as error:
            progress.refused += 1
            line = {"row": row.number, "reason": error.reason, "detail": str(error), "line": row.text}
            written += rejects.write(orjson.dumps(line) + b"\n")
    known = _stored(client, taken)
    lines: defaultdict[int, list[bytes]] = defaultdict(list)
    for raw in taken:
        if (raw.project_id, raw.event_id) in known:
            progress.stored_before += 1
            continue
        partition = partition_of(raw.project_id, owner_of(raw), target.partitions)
        lines[partition].append(orjson.dumps(raw.model_dump(mode="json", exclude_defaults=True)))
        progress.sent += 1
    rejects.flush()
    progress.rejects += written
    _send(producer, [(part, join_lines(some)) for part, every in lines.items() for some in portions(every)])


def _read(row: FileRow, mapping: RowMapping, target: Target, now: int) -> Sequence[RawEvent]:
    if row.values is None:
        raise RowRefused("not_a_row", row.problem)
    given = row.values.get("project_id")
    project_id = target.project_id or (given if isinstance(given, str) else "")
    if project_id not in target.retention_days:
        raise RowRefused("unknown_project", f"There is no project {project_id}: create it, or say --project.")
    found = mapping(row.values, project_id)
    for raw in found:
        if raw.time is None:
            continue
        kept = target.retention_days[project_id] * 24 * 3_600_000
        if (reason := time_refusal(raw.time, reception(raw.received_at, now), kept)) is not None:
            raise RowRefused(reason, "Its time lies outside of what the project keeps.")
        try:
            size = len(orjson.dumps(raw.model_dump(mode="json")))
        except (TypeError, ValueError) as error:
            raise RowRefused("not_a_row", f"It cannot be written as JSON: {error}.") from error
        if size > topics.MAX_RAW_MESSAGE_BYTES:
            raise RowRefused("row_too_large", f"It has more than {topics.MAX_RAW_MESSAGE_BYTES} bytes.")
    return found


def _stored(client: Client, taken: Sequence[RawEvent]) -> set[tuple[str, str]]:
    """Which of the events are stored."""
    events = [raw for raw in taken if raw.kind is RawKind.TRACK and raw.time is not None]
    if not events:
        return set()
    times = [raw.time for raw in events if raw.time is not None]
    ids = ", ".join(literal(raw.event_id) for raw in events)
    rows = client.query(
        f"""
        select project_id, toString(event_id) from events
        where project_id in {{projects:Array(String)}}
            and created_at between fromUnixTimestamp64Milli({{first:Int64}}, 'UTC') - interval 1 day
                and fromUnixTimestamp64Milli({{last:Int64}}, 'UTC') + interval 1 day
            and event_id in ({ids})
        """,
        {
            "projects": sorted({raw.project_id for raw in events}),
            "first": min(times),
            "last": max(times),
        },
        settings={"max_query_size": 64 * 1024 * 1024},
    ).result_rows
    return {(str(project), str(each)) for project, each in rows}


def _send(producer: Producer, messages: Sequence[tuple[int, bytes]]) -> None:
    failed: list[str] = []

    def heard(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(str(error))

    try:
        for partition, value in messages:
            producer.produce(topics.RAW, value, partition=partition, headers=_HEADERS, on_delivery=heard)
            producer.poll(0)
        left = producer.flush(_FLUSH_SECONDS)
    except (BufferError, KafkaException) as error:
        raise ImportRowsError(
            f"Kafka does not take the rows ({error}): is it up? Run it again, and it goes on."
        ) from error
    if left or failed:
        why = failed[0] if failed else "no answer"
        raise ImportRowsError(f"Kafka did not take all rows ({why}). Run it again: what comes twice counts once.")


def _producer(bootstrap: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 2,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "message.max.bytes": topics.MAX_MESSAGE_BYTES,
        }
    )
