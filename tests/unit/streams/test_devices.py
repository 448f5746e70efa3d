"""A raw partition's processor: stream time, ledger, dead letters, poison."""

from dataclasses import replace
from itertools import pairwise

import orjson
import pytest

from schemas import topics
from schemas.event_time import clickhouse_time
from streams.devices import (
    CLOCK_KEY,
    GRACE_MS,
    MAX_OUTCOME_ROWS,
    MAX_TAKEN_LINES,
    DevicesProcessor,
)
from streams.known_devices import FORGOTTEN_MS, MAX_ENDED_PER_MESSAGE, MAX_FORGOTTEN_PER_MESSAGE
from tests.unit.streams.raw_log import (
    CRAWLER,
    EPOCHS,
    HOUR,
    MINUTE,
    NOON,
    PARTITION,
    PARTITIONS,
    PROJECTS,
    SECOND,
    Partition,
    RawLog,
    devices_processor,
    identify,
    nowhere,
    process,
    track,
)

DAY = 24 * HOUR


def ended(partition: Partition) -> list[str]:
    """Devices whose session ended, in that order."""
    return [row["device_id"] for row in partition.events("session_end")]


# -- stream time


@pytest.mark.parametrize(
    ("last_tick", "over"),
    [(30 * MINUTE, False), (30 * MINUTE + 1, True)],
    ids=["30 minutes after its arrival", "a millisecond later"],
)
def test_a_session_ends_by_the_logs_own_time(last_tick: int, over: bool) -> None:
    log = RawLog().send(NOON, track()).ticks(NOON + 30 * SECOND, NOON + 30 * MINUTE - 1).tick(NOON + last_tick)
    assert ended(process(log)) == (["device-1"] if over else [])


def test_any_message_tells_the_time() -> None:
    """Also one of another device, an empty one, and one that is a dead letter."""
    for value in (track("device-2", NOON + 31 * MINUTE), b"", b"{"):
        log = RawLog().send(NOON, track()).ticks(NOON, NOON + 30 * MINUTE).send(NOON + 31 * MINUTE, value)
        assert ended(process(log)) == ["device-1"]


def test_history_is_not_over_because_it_is_old() -> None:
    """What counts is when the device was last heard of, not the time its events speak of."""
    log = RawLog().send(NOON, track(time=NOON - 30 * DAY)).tick(NOON + SECOND)
    assert ended(process(log)) == []


def test_a_stamp_that_goes_back_does_not_turn_the_clock_back() -> None:
    log = RawLog().send(NOON, track()).ticks(NOON + 30 * SECOND, NOON + 29 * MINUTE).tick(NOON)
    partition = process(log.tick(NOON + 29 * MINUTE + SECOND))
    assert ended(partition) == []
    assert orjson.loads(partition.state[CLOCK_KEY])[0] == NOON + 29 * MINUTE + SECOND


@pytest.mark.parametrize("reload", [False, True], ids=["the same worker", "another one goes on"])
def test_after_an_outage_sessions_get_time_to_go_on(reload: bool) -> None:
    back = NOON + 3 * HOUR
    log = RawLog().send(NOON, track("stays"), track("goes")).tick(back)
    partition = Partition().take([log.chunk()])
    if reload:
        partition.reload()
    start = log.end
    log.send(back + MINUTE, track("stays", NOON + 20 * MINUTE))
    log.ticks(back + 90 * SECOND, back + GRACE_MS - 1)
    partition.take([log.chunk(start)])
    assert ended(partition) == []
    start = log.end
    partition.take([log.tick(back + GRACE_MS).chunk(start)])
    assert ended(partition) == ["goes"]


def test_the_first_message_of_a_log_is_no_outage() -> None:
    partition = process(RawLog().send(NOON, track()).ticks(NOON + SECOND, NOON + 31 * MINUTE))
    assert ended(partition) == ["device-1"]


def test_so_many_sessions_end_at_once_and_no_more() -> None:
    """Without the bound an outage makes one transaction of everybody's sessions."""
    devices = MAX_ENDED_PER_MESSAGE + 100
    log = RawLog()
    for first in range(0, devices, 1_000):
        log.send(NOON + first, *[track(f"d{number:06}") for number in range(first, min(first + 1_000, devices))])
    log.ticks(NOON + 30 * SECOND, NOON + 30 * MINUTE)
    begun = Partition().take([log.chunk()])
    late = NOON + 30 * MINUTE + 20 * SECOND
    start = log.end
    begun.take([log.tick(late).chunk(start)])
    assert len(ended(begun)) == MAX_ENDED_PER_MESSAGE
    start = log.end
    begun.take([log.tick(late).chunk(start)])
    assert ended(begun) == [f"d{number:06}" for number in range(devices)]
    counts = [dict(zip(r["row_tables"], r["row_counts"], strict=True)) for r in begun.rows(topics.LEDGER)[-2:]]
    assert [count["events"] for count in counts] == [MAX_ENDED_PER_MESSAGE, 100]


def many_idle_devices() -> tuple[RawLog, int]:
    """Devices heard of in one order and again in another; all overdue at the ticks from the returned offset on."""
    log = RawLog()
    count = MAX_ENDED_PER_MESSAGE + 50
    log.send(NOON, *[track(f"d{number:05}") for number in range(count)])
    for number in range(0, count, 3):
        log.send(NOON + 1 + (count - number), track(f"d{number:05}", NOON + 1))
    log.ticks(NOON + 30 * SECOND, NOON + 30 * MINUTE)
    ticks = log.end
    log.tick(NOON + 31 * MINUTE).tick(NOON + 31 * MINUTE).tick(NOON + 31 * MINUTE)
    return log, ticks


def test_who_ends_first_does_not_depend_on_what_memory_remembers() -> None:
    """A worker that was there all along has stale entries in its index; one that loaded the state has none. Which
    sessions end at which message, and so the rows, must be the same.
    """
    log, ticks = many_idle_devices()
    stayed = Partition().take([log.chunk(0, ticks)]).take([log.chunk(ticks)])
    loaded = Partition().take([log.chunk(0, ticks)])
    for offset in range(ticks, log.end):
        loaded.reload()
        loaded.take([log.chunk(offset, offset + 1)])
    assert ended(stayed) == ended(loaded)
    assert stayed.rows(topics.EVENTS) == loaded.rows(topics.EVENTS)
    arrivals = [row["raw_offset"] for row in stayed.events("session_end")]
    assert arrivals == sorted(arrivals)


def test_a_batch_stops_before_it_grows_too_large() -> None:
    lines, messages = 9_999, 12
    log = RawLog()
    for message in range(messages):
        log.send(NOON, track(str(message)), *[b"x"] * (lines - 1))
    partition = process(log)
    assert [outcome.end for outcome in partition.outcomes] == [5, 10, 12]
    assert all(len(outcome.records) < MAX_OUTCOME_ROWS + MAX_TAKEN_LINES for outcome in partition.outcomes)
    assert [row["from_offset"] for row in partition.rows(topics.LEDGER)] == list(range(messages))
    assert [row["device_id"] for row in partition.events("screen_view")] == [
        str(message) for message in range(messages)
    ]


# -- the ledger


def test_every_offset_is_in_the_ledger() -> None:
    log = RawLog().hole(2).send(NOON, track()).hole().tick(NOON + 1).send(NOON + 2, b"{").hole(3)
    rows = process(log).rows(topics.LEDGER)
    assert [(row["kind"], row["from_offset"], row["to_offset"]) for row in rows] == [
        ("hole", 0, 2),
        ("message", 2, 3),
        ("hole", 3, 4),
        ("tick", 4, 5),
        ("message", 5, 6),
        ("hole", 6, 9),
    ]
    assert [row["stamp"] for row in rows] == [clickhouse_time(NOON + more) for more in (0, 0, 1, 1, 2, 2)]
    assert {(row["raw_partition"], row["log_epoch"] > 0) for row in rows} == {(PARTITION, True)}


def test_a_ledger_row_says_what_became_of_the_lines() -> None:
    event = track(event_id="once")
    log = RawLog().send(
        NOON,
        event,
        event,
        b"nonsense",
        identify("device-1", "ann", first_name="Ann"),
        track("", name="server"),
        track("bot", user_agent=CRAWLER),
        track(project_id="unknown"),
    )
    (row,) = process(log).rows(topics.LEDGER)
    said = {name: row[name] for name in ("lines", "stored", "repeated", "bots", "filtered", "dead", "operations")}
    assert said == {"lines": 7, "stored": 3, "repeated": 1, "bots": 0, "filtered": 0, "dead": 2, "operations": 1}
    tables = dict(zip(zip(row["row_tables"], row["row_months"], strict=True), row["row_counts"], strict=True))
    assert tables == {
        ("events", 202603): 4,
        ("identities", 202603): 1,
        ("sessions", 202603): 1,
        ("session_events", 202603): 1,
        ("profile_ops", 202603): 2,
    }


def test_rows_are_counted_in_the_month_they_are_stored_in() -> None:
    april = NOON + 40 * DAY
    log = RawLog().send(april, track(time=NOON), track(time=april))
    (row,) = process(log).rows(topics.LEDGER)
    tables = list(zip(row["row_tables"], row["row_months"], row["row_counts"], strict=True))
    assert tables == [
        ("events", 202603, 3),
        ("events", 202604, 2),
        ("session_events", 202603, 1),
        ("session_events", 202604, 1),
        ("sessions", 202603, 1),
        ("sessions", 202604, 1),
    ]


# -- what must not be


def test_revenue_stops_before_it_leaves_64_bits() -> None:
    """A sum over 64 bits could not be written: the worker would end on this message for ever."""
    sale = {"__revenue": 10**12}
    log = RawLog()
    for part in range(6):
        log.send(
            NOON + part,
            *[track(event_id=f"{part}-{n}", payload={"name": "revenue", "properties": sale}) for n in range(1_000)],
        )
    (session,) = process(log).sessions().values()
    assert session["revenue"] == 6_000 * 10**12


def test_lines_under_a_ticks_header_are_not_lost() -> None:
    headers = (("weir-kind", b"tick"),)
    log = RawLog().send(NOON, track())
    log.messages[-1] = replace(log.messages[-1], headers=headers)
    partition = process(log)
    assert [row["kind"] for row in partition.rows(topics.LEDGER)] == ["message"]
    assert len(partition.events("screen_view")) == 1


def test_a_device_in_two_partitions_has_sessions_of_its_own_in_each() -> None:
    """A foreign producer may put a device where its key does not belong; two sessions must not share an id."""
    ids = set()
    for number in range(PARTITIONS):
        processor = DevicesProcessor(number, PARTITIONS, EPOCHS, lambda: PROJECTS, nowhere)
        outcome = processor.process([RawLog().send(NOON, track()).chunk()])
        (record,) = (record for record in outcome.records if record.topic == topics.SESSIONS)
        ids.add(orjson.loads(record.value or b"")["session_id"])
    assert len(ids) == PARTITIONS


def test_what_is_live_is_never_part_of_a_transaction() -> None:
    """Rule 15: a dead owner's open transaction would keep every reader of ``weir.live`` waiting."""
    log = RawLog().send(
        NOON, track(), identify("device-1", "ann"), track(name="revenue", properties={"__revenue": 5}), b"nonsense"
    )
    log.ticks(NOON + SECOND, NOON + HOUR)
    processor = devices_processor()
    written = {record.topic for record in processor.process([log.chunk()]).records}
    assert {topics.EVENTS, topics.SESSIONS, topics.LEDGER, topics.PROFILE_OPS, topics.DEAD_LETTERS} <= written
    assert topics.LIVE not in written


# -- forgetting


def idle(log: RawLog, since: int, until: int) -> RawLog:
    """Ticks, often enough not to be an outage."""
    return log.ticks(since + 100 * SECOND, until, 100 * SECOND).tick(until)


def remembered(partition: Partition) -> set[bytes]:
    """The keys of devices and their rings."""
    return {key for key in partition.state if key.startswith((b"device/", b"events/", b"ring/"))}


@pytest.mark.parametrize("more", [0, 1], ids=["48 hours", "a millisecond more"])
def test_a_device_is_forgotten_with_its_ring_and_its_bucket(more: int) -> None:
    log = RawLog().send(NOON, *[track(name="click", event_id=f"{number}") for number in range(200)], track(device=""))
    partition = process(log)
    assert len(remembered(partition)) == 1 + 3 + 1
    start = log.end
    partition.take([idle(log, NOON, NOON + FORGOTTEN_MS + more).chunk(start)])
    assert (remembered(partition) == set()) == bool(more)
    start = log.end
    again = NOON + FORGOTTEN_MS + more
    partition.take([log.send(again, track(time=again, name="click", event_id="7")).chunk(start)])
    assert partition.rows(topics.LEDGER)[-1]["repeated"] == (0 if more else 1)


def test_an_old_event_of_a_forgotten_device_uses_no_id_twice() -> None:
    """Its half hour's id is that of a session that nobody remembers."""
    log = RawLog().send(NOON, track())
    back = NOON + FORGOTTEN_MS + MINUTE
    idle(log, NOON, back).send(back, track(time=NOON + MINUTE)).send(back, track(time=back))
    sessions = process(log).sessions().values()
    assert [(row["event_count"], row["started_at"]) for row in sessions] == [
        (1, clickhouse_time(NOON)),
        (1, clickhouse_time(NOON + MINUTE)),
        (1, clickhouse_time(back)),
    ]


def test_so_many_devices_are_forgotten_at_once_and_no_more() -> None:
    devices = MAX_FORGOTTEN_PER_MESSAGE + 10
    log = RawLog().send(NOON, *[track(f"d{number:05}") for number in range(devices)])
    first = idle(log, NOON, NOON + FORGOTTEN_MS).end
    late = NOON + FORGOTTEN_MS + SECOND
    partition = Partition().take([log.chunk()])
    partition.take([log.tick(late).chunk(first)])
    assert sorted(remembered(partition)) == [f"device/project-1/d{n:05}".encode() for n in range(devices - 10, devices)]
    partition.reload()
    partition.take([log.tick(late).chunk(first + 1)])
    assert remembered(partition) == set()


def test_whoever_comes_back_is_not_forgotten_whatever_the_batches() -> None:
    """One visits again before the time is up, one after it, one never; in one batch, in many, by many workers."""
    hours = [0, 20, 47, 50, 60, 99, 120]
    log = RawLog().send(NOON, *[track(name) for name in ("often", "rare", "once")])
    cuts = [0]
    for before, after in pairwise(hours):
        idle(log, NOON + before * HOUR, NOON + after * HOUR)
        cuts.append(log.end)
        names = ["often"] * (after in (20, 47, 60)) + ["rare"] * (after == 60)
        if names:
            log.send(NOON + after * HOUR + SECOND, *[track(name, NOON + after * HOUR) for name in names])
            cuts.append(log.end)
    whole, pieces = process(log), Partition()
    for start, end in pairwise([*cuts, log.end]):
        if start < end:
            pieces.take([log.chunk(start, end)])
            pieces.reload()
    assert pieces.events() == whole.events()
    assert remembered(pieces) == remembered(whole)
    assert {key: pieces.state[key] for key in remembered(pieces)} == {
        key: whole.state[key] for key in remembered(whole)
    }
    assert set(pieces.sessions()) == set(whole.sessions())
    assert len(whole.sessions()) == 3 + 3 + 1
