"""Dead letters taken again. Their content goes where it would have gone: a line of the raw log to the raw log, an
operation to the operations, and the good lines of a message that the store could not read into its table.

Safe to repeat: a line that named no event gets the id of the place where it died, so that workers drop it when it
comes twice, and the store takes no message that it has rows of. Only operations are not told apart by an id: they are
noted as done before they are sent, so that a count never counts twice.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import orjson
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas import topics
from schemas.envelope import Headers, join_lines, portions, split_lines
from schemas.event_id import event_id_at
from schemas.shards import original
from sinks.dead_letters import OPEN, REPLAYED, DeadLettersError, Letter, LetterName, decide
from sinks.sql_text import identifier, literal
from sinks.tables import TABLES

_CUT = frozenset({"message_too_large", "too_many_lines", "empty_message"})
"""Whole messages of which the letter has a beginning only, or which hold nothing."""
_PORTION = 1_000
_AS_READ = {
    "date_time_input_format": "best_effort",
    "input_format_try_infer_dates": 0,
    "input_format_try_infer_datetimes": 0,
}
"""How the Kafka tables read rows (their settings in the migrations)."""
_FLUSH_SECONDS = 30.0
_TABLES = {topic: table for table, topic in TABLES.items()}


@dataclass(slots=True)
class Replay:
    """What became of letters: sent again, or why not."""

    replayed: int = 0
    lines_left: int = 0
    """Lines of messages of which only the rest could be taken."""
    refused: dict[LetterName, str] = field(default_factory=dict)


def replay(client: Client, bootstrap: str, letters: Iterable[Letter], tell: Callable[[int], None]) -> Replay:
    """Take letters again and note that it was done; ``tell`` hears after each portion how many were done. Broken off
    and begun anew, it repeats a portion at most, which does no harm.

    :raises DeadLettersError: Kafka does not take them.
    """
    done, producer, portion = Replay(), _producer(bootstrap), list[Letter]()
    for letter in letters:
        portion.append(letter)
        if len(portion) == _PORTION:
            _replay_portion(client, producer, portion, done)
            tell(done.replayed)
            portion = []
    _replay_portion(client, producer, portion, done)
    tell(done.replayed)
    return done


def _replay_portion(client: Client, producer: Producer, letters: list[Letter], done: Replay) -> None:
    lines, operations, stored = list[Letter](), list[Letter](), dict[LetterName, int]()
    for letter in letters:
        why = _why_not(letter)
        if why is not None:
            done.refused[letter.name] = why
        elif letter.stage != "store":
            (lines if letter.name.topic == topics.RAW else operations).append(letter)
        elif (left := insert_readable_lines(client, letter)) is not None:
            stored[letter.name] = left
        else:
            done.refused[letter.name] = "None of its lines can be read by the store."
    _send_lines(producer, lines)
    decide(client, {**stored, **_none_left(lines)}, REPLAYED)
    decide(client, _none_left(operations), REPLAYED)
    try:
        _send(producer, [(letter.name.topic, letter.name.partition, letter.value) for letter in operations])
    except DeadLettersError:
        decide(client, _none_left(operations), OPEN)
        raise
    done.replayed += len(lines) + len(operations) + len(stored)
    done.lines_left += sum(stored.values())


def _none_left(letters: list[Letter]) -> dict[LetterName, int]:
    return {letter.name: 0 for letter in letters}


def _send_lines(producer: Producer, letters: list[Letter]) -> None:
    """To the partitions where they died, because there their devices are known."""
    sent: dict[int, list[bytes]] = defaultdict(list)
    for letter in letters:
        sent[letter.name.partition] += lines_again(letter)
    _send(
        producer,
        [
            (topics.RAW, partition, join_lines(envelope))
            for partition, lines in sent.items()
            for envelope in portions(lines)
        ],
    )


def _why_not(letter: Letter) -> str | None:
    if letter.reason in _CUT:
        return "The letter has only the beginning of its message, or none: all that is left is weir dead-letters drop."
    if not letter.value:
        return "What it held is not kept any more."
    if letter.stage == "store":
        return None if original(letter.name.topic) in _TABLES else f"No table is filled from {letter.name.topic}."
    if letter.name.topic not in (topics.RAW, topics.PROFILE_OPS):
        return f"Nobody reads {letter.name.topic} but the store."
    return None


def lines_again(letter: Letter) -> list[bytes]:
    """The lines of a letter from the raw log as they are sent again, each with the id and the time of reception that it
    had where it died.
    """
    name, found = letter.name, []
    for number, line in enumerate(split_lines(letter.value)):
        place = number if name.line < 0 else name.line
        found.append(_named(line, name._replace(line=place), round(letter.stamp.timestamp() * 1000)))
    return found


def _named(line: bytes, place: LetterName, stamp_ms: int) -> bytes:
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line  # it will die again, and nothing else
    if not isinstance(data, dict):
        return line
    if not data.get("event_id"):
        data["event_id"] = event_id_at(place.epoch, place.partition, place.offset, place.line)
    if data.get("received_at") is None:
        data["received_at"] = stamp_ms
    return orjson.dumps(data)


def insert_readable_lines(client: Client, letter: Letter) -> int | None:
    """Put the lines of a message that the store could not read as a whole into their table, but those that it cannot
    read singly: how many these are, or None if it can read none.
    """
    name, table = letter.name, _TABLES[original(letter.name.topic)]
    values = {"topic": name.topic, "epoch": name.epoch, "partition": name.partition, "offset": name.offset}
    stored = client.query(
        f"""
        select count() from {identifier(table)} where log_topic = {{topic:String}} and log_epoch = {{epoch:UInt32}}
        and log_partition = {{partition:UInt16}} and log_offset = {{offset:UInt64}}
        """,
        values,
    ).result_rows[0][0]
    lines = split_lines(letter.value)
    structure = _structure(client, table)
    readable = [line for line in lines if _readable(client, structure, line)]
    if not readable:
        return None
    if not stored:
        place = {"log_topic": name.topic, "log_partition": name.partition, "log_offset": name.offset}
        block = b"\n".join(orjson.dumps({**orjson.loads(line), **place}) for line in readable)
        client.raw_insert(identifier(table), insert_block=block, fmt="JSONEachRow", settings=_AS_READ)
    return len(lines) - len(readable)


def _structure(client: Client, table: str) -> str:
    """Names and types of what comes for a table."""
    columns = client.query(
        "select name, type from system.columns where database = currentDatabase() and table = {table:String}"
        " order by position",
        {"table": f"{table}_arrivals"},
    ).result_rows
    return ", ".join(f"{identifier(name)} {kind}" for name, kind in columns)


def _readable(client: Client, structure: str, line: bytes) -> bool:
    try:
        # Twice the line's size and more, as it stands quoted in the query.
        settings = {**_AS_READ, "max_query_size": 4 * len(line) + 65_536}
        source = f"format(JSONEachRow, {literal(structure)}, {literal(line.decode())})"
        client.command(f"select * from {source} format Null", settings=settings)
    except (UnicodeDecodeError, DatabaseError):
        return False
    return isinstance(orjson.loads(line), dict)


def _send(producer: Producer, messages: list[tuple[str, int, bytes]]) -> None:
    failed: list[str] = []
    headers: Headers = [(topics.HEADER_FORMAT, topics.FORMAT_VERSION.encode())]

    def heard(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(str(error))

    try:
        for topic, partition, value in messages:
            producer.produce(topic, value, partition=partition, headers=headers, on_delivery=heard)
        left = producer.flush(_FLUSH_SECONDS)
    except (BufferError, KafkaException) as error:
        raise DeadLettersError(f"Kafka does not take the letters ({error}): is it up? Then run it again.") from error
    if left or failed:
        why = failed[0] if failed else "no answer"
        raise DeadLettersError(f"Kafka did not take all letters ({why}). Run it again: what comes twice counts once.")


def _producer(bootstrap: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 2,
            "enable.idempotence": True,
            "message.max.bytes": topics.MAX_MESSAGE_BYTES,
        }
    )
