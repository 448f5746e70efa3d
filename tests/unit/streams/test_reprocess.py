"""The raw log once more: what the messages of a range give is what they gave."""

from typing import Any

import pytest

from schemas import topics
from schemas.control import ErasureRecord
from streams.archive.part import RawMessage
from streams.chunk import Chunk
from streams.reprocess import Erased, Made, OffsetRange, Today, reprocess
from tests.unit.streams.raw_log import (
    EPOCHS,
    MINUTE,
    NOON,
    PARTITION,
    PARTITIONS,
    PROJECT,
    PROJECTS,
    RawLog,
    nowhere,
    process,
    track,
)


def today(**more: Any) -> Today:
    return Today(PROJECTS, EPOCHS, PARTITIONS, nowhere, **more)


def log() -> RawLog:
    """Visits of two devices, with a gap that ends sessions, a dead letter and a hole."""
    made = RawLog()
    for visit in range(4):
        start = NOON + visit * 50 * MINUTE
        for page in range(3):
            moment = start + page * MINUTE
            made.send(moment, track("device-1", moment), track("device-2", moment + 1))
        made.send(start + 4 * MINUTE, b"no event").hole(2)
        made.ticks(start + 5 * MINUTE, start + 49 * MINUTE)
    return made


def again(found: OffsetRange, source: RawLog, size: int = 1_000) -> list[Made]:
    chunks = [source.chunk(at, min(at + size, found.cool)) for at in range(found.warm, found.cool, size)]
    return list(reprocess(found, chunks, today()))


@pytest.mark.parametrize("size", [1_000, 7], ids=["whole", "pieces"])
@pytest.mark.parametrize("borders", [(0, 1_000), (3, 101), (97, 98), (90, 300)], ids=["all", "cut", "one", "late"])
def test_a_range_gives_what_it_gave(borders: tuple[int, int], size: int) -> None:
    source = log()
    start, end = borders[0], min(borders[1], source.end)
    made = again(OffsetRange(PARTITION, 0, start, end, source.end, source.end), source, size)
    whole = process(source)
    events = [row for row in whole.events() if row["synthesized"] or start <= row["raw_offset"] < end]
    assert [row for batch in made for row in batch.events] == events
    told = [row for batch in made for row in batch.ledger]
    assert [row for row in told if row["kind"] != "hole"] == [
        row for row in whole.rows(topics.LEDGER) if row["kind"] != "hole" and start <= row["from_offset"] < end
    ]
    assert [told[0]["from_offset"], *(row["to_offset"] for row in told)] == [
        *(row["from_offset"] for row in told),
        end,
    ]
    newest = {row["session_id"]: row for batch in made for row in batch.sessions}
    for session_id, row in whole.sessions().items():
        assert {**newest[session_id], "version": 0, "raw_offset": 0} == {**row, "version": 0, "raw_offset": 0}
    assert made[-1].next == source.end


def test_dead_letters_keep_their_bytes() -> None:
    source = RawLog().send(NOON, b"\xff\xfe")
    (made,) = again(OffsetRange(PARTITION, 0, 0, 1, 1, 1), source)
    (letter,) = made.dead_letters
    assert bytes.fromhex(letter["value"]) == b"\xff\xfe"
    assert (letter["topic"], letter["offset"], letter["line"]) == (topics.RAW, 0, 0)


def test_erased_people_leave_nothing() -> None:
    source = log()
    erasure = ErasureRecord(project_id=PROJECT, profile_id="ann", device_ids=("device-1",), erased_at=NOON + 2**40)
    found = OffsetRange(PARTITION, 0, 0, source.end, source.end, source.end)
    made = list(reprocess(found, [source.chunk()], today(erasures=(Erased(erasure),))))
    assert {row["device_id"] for batch in made for row in batch.events} == {"device-2"}
    for row in (row for batch in made for row in batch.ledger):
        parts = ("stored", "repeated", "bots", "filtered", "dead", "operations")
        assert row["lines"] == sum(row[part] for part in parts)


@pytest.mark.parametrize("size", [1_000, 7], ids=["whole", "pieces"])
def test_an_erasure_holds_from_its_line_on(size: int) -> None:
    source = log()
    end = source.end // 2
    cut = next(message.timestamp for message in source.messages if message.offset >= end)
    erasure = ErasureRecord(project_id=PROJECT, profile_id="ann", device_ids=("device-1",), erased_at=cut)
    source.send(source.messages[-1].timestamp, track("device-1", cut - MINUTE, received_at=cut - MINUTE))
    found = OffsetRange(PARTITION, 0, 0, source.end, source.end, source.end)
    chunks = [source.chunk(at, min(at + size, source.end)) for at in range(0, source.end, size)]
    ends = tuple(end if partition == PARTITION else 0 for partition in range(PARTITIONS))
    made = list(reprocess(found, chunks, today(erasures=(Erased(erasure, ends),))))
    whole = process(source).events()
    late = [row for row in whole if row["raw_offset"] == source.end - 1]
    assert late
    assert [row for batch in made for row in batch.events] == [row for row in whole if row not in late]


def test_messages_of_the_archive_are_taken_as_they_are() -> None:
    source = log()
    archived = [RawMessage(m.offset, m.timestamp, None, m.headers, m.value) for m in source.messages]
    found = OffsetRange(PARTITION, 0, 0, source.end, source.end, source.end)
    chunk = Chunk(topics.RAW, PARTITION, 0, list[Any](archived), source.end)
    made = list(reprocess(found, [chunk], today()))
    assert [row for batch in made for row in batch.events] == process(source).events()
