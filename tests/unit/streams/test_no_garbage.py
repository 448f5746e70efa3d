"""What a batch leaves behind: nothing that only the garbage collector could free.

Cycles would keep each batch's devices, sessions and rows until the next collection, megabytes that nothing needs, and
every batch would work in memory that is in no cache.
"""

import gc

import orjson

from schemas import topics
from schemas.control import RuleRecord
from streams.chunk import Chunk
from streams.devices import DevicesProcessor
from streams.profiles import ProfilesProcessor
from streams.rules import ProjectRules
from streams.state import apply_changes
from tests.unit.streams.raw_log import (
    EPOCHS,
    HOUR,
    MINUTE,
    NOON,
    PARTITION,
    PARTITIONS,
    PROJECT,
    PROJECTS,
    Message,
    RawLog,
    identify,
    nowhere,
    track,
)


def batches() -> list[Chunk]:
    """Known and new devices, ended sessions, full rings, people, repeats and lines that are no events."""
    log = RawLog()
    for step in range(100):
        log.send(NOON + step * MINUTE, track("device-1", NOON + step * MINUTE), track(f"new-{step}", NOON))
    log.send(
        NOON + 2 * HOUR, b"no event", track("device-1"), identify("device-2", "person-1", NOON, properties={"a": 1})
    )
    log.tick(NOON + 3 * HOUR)
    return [log.chunk(first, min(first + 17, log.end)) for first in range(0, log.end, 17)]


def garbage_of(processor: DevicesProcessor | ProfilesProcessor, chunks: list[Chunk]) -> int:
    """How many objects only a collection could free of all batches."""
    state: dict[bytes, bytes] = {}
    processor.restore(state)
    gc.collect()
    gc.freeze()  # only what comes from here on is looked through
    gc.disable()
    try:
        for chunk in chunks:
            outcome = processor.process([chunk])
            apply_changes(state, outcome.changes)
            outcome.applied()
            del outcome
        return gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()


def test_a_batch_of_events_leaves_no_cycles() -> None:
    rule = {
        "id": "r",
        "project_id": PROJECT,
        "name": "r",
        "steps": [{"events": ["screen_view"]}],
        "once_per": "session",
    }
    rules = {PROJECT: ProjectRules([RuleRecord.model_validate(rule)])}
    processor = DevicesProcessor(PARTITION, PARTITIONS, EPOCHS, lambda: PROJECTS, nowhere, lambda: rules)
    garbage_of(processor, batches())  # the first use of the lists of agents makes some, once
    again = DevicesProcessor(PARTITION, PARTITIONS, EPOCHS, lambda: PROJECTS, nowhere, lambda: rules)
    assert garbage_of(again, batches()) == 0


def test_a_batch_of_operations_leaves_no_cycles() -> None:
    lines = [
        orjson.dumps(
            {
                "version": 1,
                "op": "set",
                "project_id": PROJECT,
                "profile_id": f"person-{number % 3}",
                "event_id": str(number),
                "time": NOON + number,
                "values": {"first_name": str(number)},
                "raw_epoch": 1,
                "raw_partition": 0,
                "raw_offset": number,
                "raw_line": 0,
            }
        )
        for number in range(30)
    ]
    chunks = [
        Chunk(topics.PROFILE_OPS, PARTITION, at, [Message(at, NOON, line)], at + 1)
        for at, line in enumerate([*lines, b"no operation"])
    ]
    assert garbage_of(ProfilesProcessor(PARTITION, EPOCHS), chunks) == 0
