"""A part of the archive: the committed messages of one raw partition, within one hour, as one Parquet file.

Its name says which offsets it covers, so a list of names is all that tells how far the archive has got. A part covers
[``start``, ``end``): each offset in it is a message of the file, or a hole (transaction markers, aborted messages).
"""

import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from schemas.topics import RAW

HOUR_MS = 3_600_000
_GROUP_BYTES = 8 * 1024 * 1024
_META = b"weir"
_NAME = re.compile(r"(\d+)/(\d+)/(\d{4}-\d\d-\d\dT\d\d)/(\d{20})-(\d{20})\.parquet")
_HEADER = pa.struct([pa.field("name", pa.string(), nullable=False), pa.field("value", pa.binary())])
SCHEMA = pa.schema(
    [
        pa.field("epoch", pa.uint32(), nullable=False),
        pa.field("partition", pa.uint16(), nullable=False),
        pa.field("offset", pa.uint64(), nullable=False),
        pa.field("stamp", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("headers", pa.list_(_HEADER), nullable=False),
        pa.field("value", pa.binary()),
    ]
)


class RawMessage(NamedTuple):
    """A committed message of the raw topic, as exactly as Kafka gives it. ``timestamp``: the broker's, milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None

    @property
    def size(self) -> int:
        """Bytes it takes in memory, about."""
        return len(self.value or b"") + len(self.key or b"") + 64 * len(self.headers) + 200


class Part(NamedTuple):
    """What a part's name says; ``hour`` counts from 1970. Parts sort as they follow each other."""

    epoch: int
    partition: int
    start: int
    end: int
    hour: int

    @property
    def name(self) -> str:
        """Its name below the archive's folder of the topic."""
        hour = datetime.fromtimestamp(self.hour * HOUR_MS / 1000, UTC)
        return f"{self.epoch}/{self.partition}/{hour:%Y-%m-%dT%H}/{self.start:020}-{self.end:020}.parquet"


class BadPart(Exception):
    """A part that does not hold what its name says."""


def read_name(name: str) -> Part | None:
    """The part of that name; None for a file that is none."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    epoch, partition, hour, start, end = match.groups()
    moment = datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC)
    return Part(int(epoch), int(partition), int(start), int(end), int(moment.timestamp() * 1000) // HOUR_MS)


def holes_of(part: Part, messages: Sequence[RawMessage]) -> list[tuple[int, int]]:
    """The ranges of the part's offsets that hold no message."""
    found, expected = [], part.start
    for message in messages:
        if message.offset > expected:
            found.append((expected, message.offset))
        expected = message.offset + 1
    return [*found, (expected, part.end)] if expected < part.end else found


def encode(part: Part, messages: Sequence[RawMessage]) -> bytes:
    """The file of a part. ``messages``: all of it, ascending."""
    meta = {
        "topic": RAW,
        "epoch": part.epoch,
        "partition": part.partition,
        "from": part.start,
        "to": part.end,
        "messages": len(messages),
        "holes": holes_of(part, messages),
    }
    sink = io.BytesIO()
    with pq.ParquetWriter(
        sink,
        SCHEMA.with_metadata({_META: orjson.dumps(meta)}),
        compression="zstd",
        use_dictionary=["headers.list.element.name"],
    ) as writer:
        for group in _groups(messages):
            writer.write_table(_table(part, group))
    return sink.getvalue()


def _groups(messages: Sequence[RawMessage]) -> Iterator[Sequence[RawMessage]]:
    """Row groups of bounded size, so that a reader needs little memory."""
    first = size = 0
    for number, message in enumerate(messages):
        size += message.size
        if size > _GROUP_BYTES and number > first:
            yield messages[first:number]
            first, size = number, message.size
    yield messages[first:]


def _table(part: Part, messages: Sequence[RawMessage]) -> Any:
    columns = {
        "epoch": [part.epoch] * len(messages),
        "partition": [part.partition] * len(messages),
        "offset": [message.offset for message in messages],
        "stamp": [message.timestamp for message in messages],
        "key": [message.key for message in messages],
        "headers": [[{"name": name, "value": value} for name, value in message.headers] for message in messages],
        "value": [message.value for message in messages],
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)


def decode(part: Part, file: Any) -> Iterator[list[RawMessage]]:
    """The messages of a part's file, group by group.

    :raises BadPart: the file is damaged, or does not hold what the part's name says.
    """
    try:
        reader = pq.ParquetFile(file)
        meta = orjson.loads((reader.schema_arrow.metadata or {}).get(_META, b"{}"))
        if (meta.get("epoch"), meta.get("partition"), meta.get("from"), meta.get("to")) != (
            part.epoch,
            part.partition,
            part.start,
            part.end,
        ):
            raise BadPart(f"{part.name} is the file of another part.")
        expected, count, holes = part.start, 0, [(start, end) for start, end in meta["holes"]]
        for number in range(reader.num_row_groups):
            messages = [_message(row) for row in reader.read_row_group(number).to_pylist()]
            for message in messages:
                if message.offset > expected:
                    if (expected, message.offset) not in holes:
                        raise BadPart(f"{part.name} lacks the offsets {expected} to {message.offset - 1}.")
                elif message.offset < expected:
                    raise BadPart(f"{part.name} has offset {message.offset} twice, or not in its place.")
                expected = message.offset + 1
            count += len(messages)
            yield messages
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise BadPart(f"{part.name} cannot be read: {error}.") from error
    if count != meta["messages"] or expected > part.end or (expected < part.end and (expected, part.end) not in holes):
        raise BadPart(f"{part.name} should hold {meta['messages']} messages up to {part.end}, it has {count}.")


def _message(row: dict[str, Any]) -> RawMessage:
    headers = tuple((header["name"], header["value"]) for header in row["headers"])
    return RawMessage(row["offset"], int(row["stamp"].timestamp() * 1000 + 0.5), row["key"], headers, row["value"])
