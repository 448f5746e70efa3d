"""What a partition knows of a person ends at the line that erases it, however messages come grouped."""

from typing import Any

import pytest

from schemas import topics
from schemas.control import ErasureRecord
from streams.chunk import Chunk
from streams.devices import DevicesProcessor
from streams.erasures import Erasures
from streams.profiles import ProfilesProcessor
from tests.unit.streams.raw_log import (
    EPOCHS,
    HOUR,
    MINUTE,
    NOON,
    PARTITION,
    PARTITIONS,
    PROJECT,
    PROJECTS,
    SECOND,
    Message,
    Partition,
    RawLog,
    identify,
    nowhere,
    operate,
    standing_sessions,
    track,
)

ERASED_AT = NOON + 10 * MINUTE


def erase_line(**more: Any) -> dict[str, Any]:
    """Forget Ada, who has one device and visited another's."""
    payload = {"erasure": 7, "partitions": PARTITIONS, "profile_ids": ["ada"], "device_ids": ["device-1"], **more}
    return operate("erase", payload, device="", time=ERASED_AT)


def history() -> RawLog:
    """Ada is there, is erased, and is there again; Bob's device goes on."""
    log = RawLog()
    log.send(NOON, track("device-1"), track("device-2"), identify("device-1", "ada", first_name="Ada"))
    log.send(NOON + MINUTE, track("device-1", NOON + MINUTE), track("device-2", NOON + MINUTE))
    # More ids than a segment of the ring holds.
    log.send(NOON + MINUTE, *(track("device-1", NOON + MINUTE + n) for n in range(1, 80)))
    log.send(ERASED_AT, erase_line())
    again = ERASED_AT + SECOND
    log.send(again, track("device-1", again), track("device-2", again), identify("device-1", "ada", again))
    return log.ticks(again, again + HOUR)


def device_keys(state: dict[bytes, bytes]) -> set[bytes]:
    return {key for key in state if b"/device-1" in key}


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_state_ends_at_the_line_however_messages_are_grouped(size: int) -> None:
    log = history()
    partition = Partition()
    for start in range(0, log.end, size):
        partition.take([log.chunk(start, min(start + size, log.end))])
        if size == 1:
            partition.reload()
    cut = next(m.offset for m in log.messages if m.timestamp == ERASED_AT)
    rows = partition.rows(topics.SESSIONS)
    before = standing_sessions(row for row in rows if row["raw_offset"] <= cut)
    after = [row for row in rows if row["raw_offset"] > cut and row["device_id"] == "device-1"]
    mine = [session for session in before.values() if session["device_id"] == "device-1"]
    assert [session["event_count"] for session in mine] == [81]
    # What comes after takes back nothing of before, and bears another id though the half hour is the same.
    assert standing_sessions(after).keys().isdisjoint(before)
    assert [session["event_count"] for session in standing_sessions(after).values()] == [1]
    others = {row["session_id"] for row in rows if row["device_id"] == "device-2"}
    assert len(others) == 1
    links = [row for row in partition.rows(topics.IDENTITIES) if row["source_id"] == "device-1"]
    assert [(row["profile_id"], row["is_deleted"]) for row in links] == [("ada", 0), ("", 1), ("ada", 0)]
    assert [row["version"] for row in links] == sorted({row["version"] for row in links})
    ledger = [row for row in partition.rows(topics.LEDGER) if row["from_offset"] == cut]
    assert [(row["lines"], row["operations"]) for row in ledger] == [(1, 1)]


def test_nothing_is_kept_but_when_it_was() -> None:
    log = history()
    partition = Partition().take([log.chunk(0, 3)])
    assert len(device_keys(partition.state)) == 2
    partition.take([log.chunk(3, 4)])
    [key] = device_keys(partition.state)
    assert b"ada" not in partition.state[key]
    assert len(partition.state[key]) < 60


def test_a_device_that_is_not_known_is_not_made_known() -> None:
    said = erase_line(device_ids=["device-7"], visits={"device-8": ["session"]})
    log = RawLog().send(NOON, track("device-2")).send(ERASED_AT, said, said)
    apart, together = Partition().take([log.chunk(0, 1)]).take([log.chunk(1, 2)]), Partition().take([log.chunk()])
    assert apart.state == together.state
    assert [key for key in together.state if b"device-" in key] == [f"device/{PROJECT}/device-2".encode()]


def test_a_visit_on_anothers_device_is_forgotten_and_its_ring_is_not() -> None:
    log = RawLog().send(NOON, track("device-2"), track("device-2", NOON, "paid", profile_id="ada"))
    [session_id] = Partition().take([log.chunk()]).sessions()
    log.send(ERASED_AT, erase_line(visits={"device-2": [session_id]}))
    log.send(ERASED_AT + SECOND, track("device-2"), track("device-2", ERASED_AT + SECOND))
    partition = Partition().take([log.chunk()])
    last = partition.rows(topics.LEDGER)[-1]
    assert (last["stored"], last["repeated"]) == (1, 1)
    assert len(partition.sessions()) == 2


def test_what_was_received_before_is_filtered_whenever_it_comes() -> None:
    record = ErasureRecord(
        project_id=PROJECT, profile_id="ada", profile_ids=("a-d-a",), device_ids=("device-1",), erased_at=ERASED_AT
    )
    late = ERASED_AT + HOUR
    log = RawLog().send(
        late,
        track("device-1", NOON, received_at=NOON),
        track("device-9", NOON, received_at=NOON, profile_id="a-d-a"),
        operate("alias", {"alias": "ada"}, "bob", device="device-2", received_at=NOON),
        track("device-1", late, received_at=late),
        track("device-9", NOON, received_at=NOON),
    )

    def make() -> DevicesProcessor:
        return DevicesProcessor(PARTITION, PARTITIONS, EPOCHS, lambda: PROJECTS, nowhere, erasures=Erasures([record]))

    [row] = Partition(make).take([log.chunk()]).rows(topics.LEDGER)
    assert (row["lines"], row["filtered"], row["stored"], row["operations"]) == (5, 3, 2, 0)


def test_a_profile_begins_anew_for_each_partition_where_it_was_erased() -> None:
    def op(kind: str, partition: int, **values: Any) -> dict[str, Any]:
        return {
            "op": kind,
            "project_id": PROJECT,
            "profile_id": "ada",
            "event_id": "e",
            "time": NOON,
            "values": values,
            "raw_epoch": 1,
            "raw_partition": partition,
            "raw_offset": 1,
            "raw_line": 0,
        }

    def erased(partition: int, erasure: int = 7) -> dict[str, Any]:
        return op("erase", partition, erasure=erasure, partitions=2)

    visit = {"properties.visits": 1}
    # By the second partition two operations of before come after the first one was told, and one of after.
    operations = [
        op("set", 0, email="ada@example.com"),
        op("increment", 0, **visit),
        erased(0),
        op("increment", 1, **visit),
        op("increment", 0, **visit),
        op("set", 1, first_name="Ada"),
        erased(1),
        erased(1, erasure=6),
        op("increment", 1, **visit),
    ]
    log = RawLog()
    partition = Partition(lambda: ProfilesProcessor(5, EPOCHS))
    for operation in operations:
        log.send(NOON, operation)
        message: Message = log.messages[-1]
        partition.take([Chunk(topics.PROFILE_OPS, 5, message.offset, [message], message.offset + 1)])
    rows = partition.rows(topics.PROFILES)
    assert [row["version"] for row in rows] == list(range(1, len(operations) + 1))
    assert [row["is_deleted"] for row in rows] == [0, 0, 1, 1, 0, 0, 0, 0, 0]
    assert (rows[-1]["email"], rows[-1]["first_name"], rows[-1]["properties"]) == ("", "", {"visits": 2})
