"""The verdict: what is committed is what one worker makes of the same raw log in one go, no more and no less."""

from collections.abc import Iterable
from typing import Any

from confluent_kafka import TopicPartition

from schemas import topics
from schemas.control import ProjectRecord
from streams.chunk import Chunk
from streams.devices import DevicesProcessor
from streams.enrich.geo import NOWHERE
from streams.positions import read_logs
from tests.integration.streams.lab import PARTITIONS, PROJECT, Lab, wait_until
from tests.unit.streams.raw_log import Message, Partition, standing_sessions

PROJECTS = {PROJECT: ProjectRecord(id=PROJECT, organization_id="organization-1", name="Test")}


def raw_chunks(lab: Lab) -> dict[int, Chunk]:
    """The whole raw log, committed messages only, by partition."""
    found: dict[int, list[Message]] = {partition: [] for partition in range(PARTITIONS)}
    for message in lab.messages(topics.RAW):
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        headers = tuple((pair[0], pair[1]) for pair in message.headers() or [] if isinstance(pair[1], bytes))
        found[partition].append(Message(offset, message.timestamp()[1], message.value(), headers))
    chunks = {}
    for partition, messages in found.items():
        messages.sort(key=lambda message: message.offset)
        chunks[partition] = Chunk(topics.RAW, partition, 0, list(messages), ends(lab, topics.RAW)[partition])
    return chunks


def ends(lab: Lab, topic: str) -> dict[int, int]:
    """A topic's end offsets."""
    reader = lab.reader()
    try:
        return {
            partition: reader.get_watermark_offsets(TopicPartition(topic, partition), 30)[1]
            for partition in range(PARTITIONS)
        }
    finally:
        reader.close()


def ledger_ends(lab: Lab) -> dict[int, int]:
    """Up to where the ledger goes, by raw partition."""
    found = dict.fromkeys(range(PARTITIONS), 0)
    for row in lab.rows(topics.LEDGER):
        found[row["raw_partition"]] = max(found[row["raw_partition"]], row["to_offset"])
    return found


def wait_for_the_end(lab: Lab, seconds: float = 90) -> None:
    """Until all that is in the raw log now is accounted for."""
    goal = ends(lab, topics.RAW)

    def reached() -> bool:
        found = ledger_ends(lab)
        return all(found[partition] >= end for partition, end in goal.items())

    wait_until(reached, f"the ledger to reach {goal}", seconds)


def assert_exact(lab: Lab) -> None:
    """Every raw message had its effect once: rows, ledger and sessions are a replay's. Stop the workers first."""
    chunks = raw_chunks(lab)
    ledger = lab.rows(topics.LEDGER)
    events = lab.rows(topics.EVENTS)
    standing_sessions(sorted(lab.rows(topics.SESSIONS), key=_session_order))
    for partition, chunk in chunks.items():
        mine = [row for row in ledger if row["raw_partition"] == partition]
        assert_chain(mine)
        upto = max((row["to_offset"] for row in mine), default=0)
        seen = chunk._replace(messages=[m for m in chunk.messages if m.offset < upto], end=max(upto, 1))
        replayed = Partition(_maker(lab, partition)).take([seen])
        committed, expected = _sorted(events, partition), _sorted(replayed.events(), partition)
        differing = next((pair for pair in zip(committed, expected, strict=False) if pair[0] != pair[1]), None)
        assert differing is None
        assert len(committed) == len(expected)
        for kind in ("message", "tick"):
            assert [row for row in mine if row["kind"] == kind] == [
                row for row in replayed.rows(topics.LEDGER) if row["kind"] == kind
            ]
        told = {
            row["session_id"]: _numbers(row) for row in lab.sessions().values() if row["raw_partition"] == partition
        }
        assert told == {name: _numbers(row) for name, row in replayed.sessions().items()}


def assert_chain(rows: list[dict[str, Any]]) -> None:
    """The ledger of one partition has neither a gap nor an overlap."""
    rows = sorted(rows, key=lambda row: int(row["from_offset"]))
    at = 0
    for row in rows:
        assert row["from_offset"] == at, f"the ledger goes on at {row['from_offset']} instead of {at}"
        at = row["to_offset"]


def _maker(lab: Lab, partition: int) -> Any:
    epochs = {name: record.epoch for name, record in read_logs(lab.broker.bootstrap).items()}
    return lambda: DevicesProcessor(partition, PARTITIONS, epochs, lambda: PROJECTS, lambda ip: NOWHERE)


def _sorted(rows: Iterable[dict[str, Any]], partition: int) -> list[dict[str, Any]]:
    mine = (row for row in rows if row["raw_partition"] == partition)
    return sorted(mine, key=lambda row: (row["raw_offset"], row["raw_line"], row["event_id"]))


def _session_order(row: dict[str, Any]) -> tuple[str, int, int]:
    """Version 1; then for each further version the taking back of the one before, and itself."""
    return (row["session_id"], row["version"] + (row["sign"] == -1), row["sign"])


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("version", "raw_offset", "sign")}
