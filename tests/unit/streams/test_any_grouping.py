"""Rule 12: what is committed depends on the log, never on how its messages came grouped, nor on who processed them.

Hypothesis writes a log (events of a few devices at colliding times, operations of every kind, repeats, late ones,
nonsense, poison, ticks, holes, outages), cuts it anywhere, and lets another worker go on from the committed state at
any cut. The rows must be those of one worker and one batch, and the sessions those of ``offline_sessions``, which
knows no streams at all.
"""

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from schemas import topics
from schemas.event import Event
from schemas.event_time import clickhouse_time, month_of
from schemas.group import GroupOp
from schemas.identity import Identity
from schemas.ledger import LedgerRow
from schemas.profile import ProfileOp
from schemas.raw_event import RawKind
from schemas.replay import ReplayChunk
from schemas.session import Session
from streams.device_state import decode_device
from tests.unit.streams.offline_sessions import OfflineSessions
from tests.unit.streams.raw_log import (
    CRAWLER,
    MINUTE,
    NOON,
    SECOND,
    Partition,
    PoisonedGeo,
    RawLog,
    devices_processor,
    identify,
    operate,
    track,
)

POISON = "6.6.6.6"
MODELS: dict[str, type[BaseModel]] = {
    topics.EVENTS: Event,
    topics.SESSIONS: Session,
    topics.IDENTITIES: Identity,
    topics.LEDGER: LedgerRow,
    topics.REPLAY: ReplayChunk,
}

TIMES = st.integers(-90, 180).map(lambda minutes: NOON + minutes * MINUTE)
IDS = st.integers(0, 60).map(lambda number: f"event-{number}")
DEVICES = st.sampled_from(["a", "b", "c", ""])
VIEWS = st.builds(
    lambda device, time, event_id, name, path, more: track(
        device, time, name, event_id=event_id, properties={"__path": f"https://shop.example/{path}"}, **more
    ),
    DEVICES,
    TIMES,
    IDS,
    st.sampled_from(["screen_view", "click"]),
    st.sampled_from("xyz"),
    st.sampled_from([{}, {}, {}, {"profile_id": "ann"}, {"user_agent": CRAWLER}, {"ip": POISON}]),
)
PURCHASES = st.builds(
    lambda device, time, event_id, amount: track(
        device, time, "revenue", event_id=event_id, properties={"__revenue": amount}
    ),
    DEVICES,
    TIMES,
    IDS,
    st.integers(0, 1_000),
)
PEOPLE = st.builds(identify, st.sampled_from("abc"), st.sampled_from(["ann", "bob"]), TIMES)
PAYLOADS: dict[RawKind, dict[str, Any]] = {
    RawKind.IDENTIFY: {"first_name": "A", "set_once": {"via": "x"}, "unset": ["plan"]},
    RawKind.INCREMENT: {"property": "seats.used", "value": 3},
    RawKind.DECREMENT: {"property": "seats.used"},
    RawKind.ALIAS: {"alias": "old"},
    RawKind.GROUP: {"id": "acme", "name": "Acme", "properties": {"plan": "pro"}},
    RawKind.ASSIGN_GROUP: {"group_ids": ["acme", "team"]},
    RawKind.REPLAY: {
        "session_id": "told",
        "chunk_index": 0,
        "events_count": 1,
        "is_full_snapshot": True,
        "started_at": NOON,
        "ended_at": NOON + SECOND,
        "payload": "[{}]",
    },
}
OPERATIONS = st.builds(
    lambda kind, profile, time, device: operate(kind.value, PAYLOADS[kind], profile, time, device),
    st.sampled_from(list(PAYLOADS)),
    st.sampled_from(["ann", "bob", ""]),
    TIMES,
    DEVICES,
)
LINES: st.SearchStrategy[Any] = st.one_of(VIEWS, VIEWS, VIEWS, PURCHASES, PEOPLE, OPERATIONS, st.just(b"nonsense"))
STEPS: st.SearchStrategy[tuple[str, Any]] = st.one_of(
    st.tuples(st.just("send"), st.lists(LINES, min_size=1, max_size=6)),
    st.tuples(st.just("send"), st.lists(LINES, min_size=1, max_size=6)),
    st.tuples(st.just("ticks"), st.integers(1, 40)),
    st.tuples(st.just("wait"), st.integers(1, 60)),
    st.tuples(st.just("hole"), st.integers(1, 3)),
)


@st.composite
def raw_logs(draw: st.DrawFn) -> RawLog:
    log, stamp = RawLog(), NOON + 180 * MINUTE
    for what, much in draw(st.lists(STEPS, min_size=1, max_size=14)):
        if what == "send":
            stamp += SECOND
            log.send(stamp, *much)
        elif what == "ticks":  # minutes that pass while the log is alive
            log.ticks(stamp + 30 * SECOND, stamp + much * MINUTE)
            stamp += much * MINUTE
        elif what == "wait":  # minutes in which it is not: over two are an outage
            stamp += much * MINUTE
            log.tick(stamp)
        else:
            log.hole(much)
    return log


def new_partition() -> Partition:
    return Partition(lambda: devices_processor(PoisonedGeo(POISON)))


def offline_sessions(log: RawLog) -> OfflineSessions:
    """What the words of the documentation make of a log."""
    offline = OfflineSessions(
        dies=lambda event: event.get("ip") == POISON, is_bot=lambda event: event["user_agent"] == CRAWLER
    )
    for message in log.messages:
        offline.take(message)
    return offline


@settings(max_examples=150, deadline=None)
@given(raw_logs(), st.data())
def test_rows_do_not_depend_on_batches_or_workers(log: RawLog, data: st.DataObject) -> None:
    whole = new_partition().take([log.chunk()])
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, log.end - 1)), max_size=8), "ends of chunks"))
    bounds = [0, *[one for one in cuts if one < log.end], log.end]
    chunks = [log.chunk(start, end) for start, end in pairwise(bounds)]
    pieces = new_partition()
    while chunks:
        size = data.draw(st.integers(1, len(chunks)), "chunks in a batch")
        pieces.take(chunks[:size])
        chunks = chunks[size:]
        if data.draw(st.booleans(), "another worker goes on"):
            pieces.reload()
    for topic in (topics.EVENTS, topics.IDENTITIES, topics.REPLAY):
        assert pieces.rows(topic) == whole.rows(topic)
    # Operations go to the partitions of their profiles and groups, and each of those is in order.
    assert by_owner(pieces) == by_owner(whole)
    assert pieces.dead() == whole.dead()
    for kind in ("message", "tick"):
        assert [row for row in pieces.rows(topics.LEDGER) if row["kind"] == kind] == [
            row for row in whole.rows(topics.LEDGER) if row["kind"] == kind
        ]
    assert {name: without_pairing(row) for name, row in pieces.sessions().items()} == {
        name: without_pairing(row) for name, row in whole.sessions().items()
    }
    assert rings(pieces) == rings(whole)


def rings(partition: Partition) -> dict[bytes, Any]:
    """What is remembered of event ids."""
    found: dict[bytes, Any] = {key: value for key, value in partition.state.items() if key.startswith(b"ring/")}
    for key, value in partition.state.items():
        if key.startswith((b"device/", b"events/")):
            kept = decode_device(value)
            found[key] = (kept.filling, kept.segment)
    return found


def by_owner(partition: Partition) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The operations of each profile and group, in order."""
    operations: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in partition.rows(topics.PROFILE_OPS):
        operations[row.get("profile_id", ""), row.get("group_id", "")].append(row)
    return operations


def without_pairing(row: dict[str, Any]) -> dict[str, Any]:
    """A session row without what tells how often and by which message it was said."""
    return {name: value for name, value in row.items() if name not in ("version", "raw_offset")}


@settings(max_examples=150, deadline=None)
@given(raw_logs())
def test_sessions_are_those_of_the_page(log: RawLog) -> None:
    rows = new_partition().take([log.chunk()]).sessions().values()
    fields = ("device_id", "started_at", "ended_at", "event_count", "screen_view_count", "revenue")
    found = Counter(tuple(row[field] for field in fields) for row in rows)
    assert found == offline_sessions(log).spans(clickhouse_time)


@settings(max_examples=100, deadline=None)
@given(raw_logs())
def test_the_ledger_agrees_with_the_rows(log: RawLog) -> None:
    """Per message: every line is accounted for, and so is every row, in the month it is stored in."""
    partition = new_partition().take([log.chunk()])
    rows = partition.rows(topics.LEDGER)
    assert [row["from_offset"] for row in rows] == [0, *[row["to_offset"] for row in rows][:-1]]
    assert rows[-1]["to_offset"] == log.end
    caused: dict[tuple[int, str, int], int] = defaultdict(int)
    dead: dict[int, int] = defaultdict(int)
    for table, topic in (("events", topics.EVENTS), ("identities", topics.IDENTITIES)):
        for row in partition.rows(topic):
            caused[row["raw_offset"], table, month_in(row["created_at"])] += 1
    for row in partition.rows(topics.REPLAY):
        caused[row["raw_offset"], "replay_chunks", month_in(row["stamp"])] += 1
    for row in partition.rows(topics.PROFILE_OPS):
        caused[row["raw_offset"], "group_ops" if "group_id" in row else "profile_ops", month_of(row["time"])] += 1
    for letter in partition.dead():
        dead[int(letter["weir-offset"])] += 1
    told: dict[tuple[int, str, int], int] = {}
    totals: dict[tuple[str, int], int] = defaultdict(int)
    for row in rows:
        parts = ("stored", "repeated", "bots", "filtered", "dead", "operations")
        assert row["lines"] == sum(row[part] for part in parts)
        assert row["dead"] == dead[row["from_offset"]]
        for table, month, count in zip(row["row_tables"], row["row_months"], row["row_counts"], strict=True):
            totals[table, month] += count
            if not table.startswith("session"):
                told[row["from_offset"], table, month] = count
    assert told == caused
    sessions: dict[tuple[str, int], int] = defaultdict(int)
    for session in partition.sessions().values():
        sessions["sessions", session["session_month"]] += 1
        sessions["session_events", session["session_month"]] += session["event_count"]
    assert {key: count for key, count in totals.items() if key[0].startswith("session")} == sessions


def month_in(time: str) -> int:
    """``yyyymm`` of a row's time."""
    return int(time[:4] + time[5:7])


@settings(max_examples=100, deadline=None)
@given(raw_logs())
def test_every_row_is_what_its_model_says(log: RawLog) -> None:
    partition = new_partition().take([log.chunk()])
    for topic, model in MODELS.items():
        for row in partition.rows(topic):
            model.model_validate(row)
    for row in partition.rows(topics.PROFILE_OPS):
        (GroupOp if "group_id" in row else ProfileOp).model_validate(row)
