"""Rule 2, the worker's end: an envelope that comes again is dropped whole, however messages come grouped."""

from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.topics import HEADER_GATEWAY, HEADER_SEQUENCE
from streams.sequences import FORGOTTEN_MS, PREFIX, Sequences
from tests.unit.streams.raw_log import NOON, SECOND, Partition, RawLog, process, track

ONE, OTHER = str(UUID(int=1)), str(UUID(int=2))


def sent(gateway: str, number: int) -> list[tuple[str, bytes]]:
    return [(HEADER_GATEWAY, gateway.encode()), (HEADER_SEQUENCE, str(number).encode())]


@st.composite
def gateways_logs(draw: st.DrawFn) -> tuple[RawLog, int]:
    """What two gateways may leave: each sends 1, 2, 3 …, and now and then again from any earlier number. Every envelope
    has a good line and one that is none. With it, how many different envelopes there are.
    """
    log, stamp, sent, first = RawLog(), NOON, {ONE: 0, OTHER: 0}, {ONE: 0, OTHER: 0}
    for gateway, back in draw(st.lists(st.tuples(st.sampled_from([ONE, OTHER]), st.integers(-3, 6)), max_size=40)):
        stamp += SECOND
        number = max(1, first[gateway] - back) if back > 0 else first[gateway] + 1
        first[gateway] = number
        sent[gateway] = max(sent[gateway], number)
        event = track("device", NOON, "click", event_id=f"{gateway}/{number}")
        log.envelope(stamp, gateway, number, event, b"nonsense %d" % number)
    return log, sum(sent.values())


@settings(max_examples=100, deadline=None)
@given(gateways_logs(), st.data())
def test_an_envelope_counts_once_however_it_comes(logged: tuple[RawLog, int], data: st.DataObject) -> None:
    log, different = logged
    if not log.messages:
        return
    whole = process(log)
    assert len(whole.events("click")) == different
    assert len(whole.dead()) == different
    ledger = whole.rows(topics.LEDGER)
    assert all(row["lines"] == row["stored"] + row["repeated"] + row["dead"] == 2 for row in ledger)
    assert sum(row["repeated"] for row in ledger) == 2 * (len(log.messages) - different)
    bounds = [0, *sorted(data.draw(st.sets(st.integers(1, log.end), max_size=6)) - {log.end}), log.end]
    pieces = Partition()
    for start, end in pairwise(bounds):
        pieces.take([log.chunk(start, end)])
        if data.draw(st.booleans(), "another worker goes on"):
            pieces.reload()
    assert pieces.rows(topics.LEDGER) == ledger
    assert pieces.rows(topics.EVENTS) == whole.rows(topics.EVENTS)
    assert numbers(pieces) == numbers(whole)


def numbers(partition: Partition) -> dict[bytes, bytes]:
    return {key: value for key, value in partition.state.items() if key.startswith(PREFIX)}


def test_after_eight_days_of_silence_a_gateway_is_forgotten() -> None:
    """And what is forgotten leaves the state, when the next new gateway comes."""
    later = NOON + FORGOTTEN_MS
    log = RawLog().envelope(NOON, ONE, 7, track(event_id="a"))
    log.envelope(later, ONE, 7, track(event_id="b"))
    assert [row["repeated"] for row in process(log).rows(topics.LEDGER)] == [0, 1]
    log = RawLog().envelope(NOON, ONE, 7, track(event_id="a"))
    log.envelope(later + 1, OTHER, 1, track(event_id="b"))
    partition = process(log)
    assert list(numbers(partition)) == [PREFIX + OTHER.encode()]
    log.envelope(later + 2, ONE, 7, track(event_id="c"))
    assert [row["repeated"] for row in process(log).rows(topics.LEDGER)] == [0, 0, 0]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        sent(ONE, 1)[:1],
        sent(ONE, 1)[1:],
        sent("shop", 1),
        sent(ONE.replace("-", ""), 1),
        [(HEADER_GATEWAY, ONE.encode()), (HEADER_SEQUENCE, b"-1")],
        [(HEADER_GATEWAY, ONE.encode()), (HEADER_SEQUENCE, b"9" * 40)],
        [(HEADER_GATEWAY, b"\xff" * 36), (HEADER_SEQUENCE, b"1")],
    ],
)
def test_messages_of_other_producers_are_not_looked_at(headers: list[tuple[str, bytes]]) -> None:
    batch = Sequences({}).batch()
    assert not batch.is_repeated(headers, NOON)
    assert not batch.is_repeated(headers, NOON)
    assert batch.changes() == {}


def test_nothing_holds_before_the_batch_is_in_the_log() -> None:
    sequences = Sequences({})
    batch = sequences.batch()
    assert not batch.is_repeated(sent(ONE, 1), NOON)
    assert not sequences.batch().is_repeated(sent(ONE, 1), NOON)
    sequences.commit(batch)
    assert sequences.batch().is_repeated(sent(ONE, 1), NOON)


def test_of_many_gateways_those_are_forgotten_that_were_silent() -> None:
    """Whichever came first: what counts is when they were heard of last, also over a reload."""
    day = FORGOTTEN_MS // 8
    names = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(6)]
    log = RawLog()
    for number, name in enumerate(names[:5]):
        log.envelope(NOON + number * day, name, 1, track(f"d{number}", time=NOON + number * day))
    log.envelope(NOON + 5 * day, names[0], 2, track("d0", time=NOON + 5 * day))
    log.envelope(NOON + 10 * day + 1, names[5], 1, track("d5", time=NOON + 10 * day))
    left = [PREFIX + name.encode() for name in (names[3], names[4], names[0], names[5])]
    assert list(numbers(process(log))) == left
    pieces = Partition()
    for start in range(log.end):
        pieces.take([log.chunk(start, start + 1)]).reload()
    assert set(numbers(pieces)) == set(left)
