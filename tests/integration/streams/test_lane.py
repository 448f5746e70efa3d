"""One lane on a real broker, in this process: what it commits, what it refuses, and what it does when Kafka objects.

The processor here keeps words: ``+word`` adds one, ``-word`` removes it. The chunks are handed over by the tests, as
the transport would.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas import topics
from streams.chunk import Chunk
from streams.position import POSITION_KEY, Position
from streams.processor import Outcome, Record
from streams.state import load_state
from streams.transaction import Lane, Source, fencing_producer, transactional_id
from tests.broker import Broker
from tests.unit.streams.raw_log import Message

pytestmark = pytest.mark.integration

DEADLINE_SECONDS = 30


class Words:
    """A processor whose state is words, and whose rows are the messages it took."""

    def __init__(self, output: str) -> None:
        self.state: dict[bytes, bytes] = {}
        self.applied = 0
        self._output = output

    def restore(self, state: dict[bytes, bytes]) -> None:
        self.state = state

    def process(self, chunks: Sequence[Chunk]) -> Outcome:
        messages = [message for chunk in chunks for message in chunk.messages]
        changes: dict[bytes, bytes | None] = {}
        for message in messages:
            word = message.value or b""
            changes[word[1:]] = b"there" if word[:1] == b"+" else None
        records = [Record(self._output, 0, message.value) for message in messages]
        return Outcome(records, changes, chunks[-1].end, self._apply, len(messages))

    def _apply(self) -> None:
        self.applied += 1


@dataclass
class Hands:
    """A Flow that remembers where the lane wanted to start."""

    started: list[tuple[int, int]] = field(default_factory=list)
    throttled: list[bool] = field(default_factory=list)

    async def start_partition(self, topic: str, partition: int, run: int, position: int) -> bool:
        self.started.append((run, position))
        return True

    def throttle(self, topic: str, partition: int, paused: bool) -> None:
        self.throttled.append(paused)


@dataclass
class Bench:
    """Topics of their own for one source partition, and the lanes that own it one after the other."""

    broker: Broker
    source: str
    changelog: str
    output: str
    failures: list[str] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)

    def make(self, partition: int) -> Words:
        self.words.append(Words(self.output))
        return self.words[-1]

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[tuple[Lane, Hands]]:
        """A lane that has loaded its state, closed at the end."""
        source = Source(self.source, "id-1", 1, self.changelog, "lane-test", self.broker.bootstrap, self.make)
        hands = Hands()
        reader = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "lane-test"})
        with ThreadPoolExecutor(2) as executor:
            lane = Lane(source, 0, hands, reader, executor, self.failures.append)
            await self.until(lambda: bool(hands.started) or bool(self.failures))
            try:
                yield lane, hands
            finally:
                lane.close()
                await lane.closed()
        reader.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Poll, with a deadline."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():
                await asyncio.sleep(0.02)

    def send(self, *values: bytes) -> None:
        """Put words into the source's log, so that its end is where the tests say."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap})
        for value in values:
            producer.produce(self.source, value, partition=0)
        producer.flush(30)

    def committed(self) -> list[bytes]:
        """The committed rows."""
        reader = Consumer(
            {
                "bootstrap.servers": self.broker.bootstrap,
                "group.id": "lane-test-reader",
                "isolation.level": "read_committed",
            }
        )
        high = reader.get_watermark_offsets(TopicPartition(self.output, 0), 30)[1]
        found: list[bytes] = []
        reader.assign([TopicPartition(self.output, 0, 0)])
        while reader.position([TopicPartition(self.output, 0)])[0].offset < high - 1 and len(found) < high:
            messages = reader.consume(1_000, 0.5)
            if not messages:
                break
            found += [message.value() or b"" for message in messages if message.error() is None]
        reader.close()
        return found


@pytest.fixture
def bench(broker: Broker) -> Bench:
    return Bench(
        broker,
        broker.create_topic("source"),
        broker.create_topic("changelog", config={"cleanup.policy": "compact"}),
        broker.create_topic("output"),
    )


def chunk(bench: Bench, start: int, *words: bytes, end: int | None = None) -> Chunk:
    messages = [Message(start + number, 0, word) for number, word in enumerate(words)]
    return Chunk(bench.source, 0, start, list(messages), start + len(words) if end is None else end)


def test_two_agents_on_one_partition_have_ids_of_their_own() -> None:
    """Rule 4. With one id for both, each initialisation would fence the other agent's producer, for ever."""
    assert transactional_id("g", topics.RAW, 3) != transactional_id("g", topics.PROFILE_OPS, 3)
    assert transactional_id("g", topics.RAW, 3) != transactional_id("g", topics.RAW, 4)


async def test_rows_state_and_position_are_one_transaction(bench: Bench) -> None:
    """Rule 4. Written apart, a crash between them leaves rows that will be written again."""
    bench.send(b"+a", b"+b", b"-a")
    async with bench.lane() as (lane, hands):
        lane.deliver(hands.started[-1][0], chunk(bench, 0, b"+a", b"+b", b"-a"))
        await bench.until(lambda: bench.words[0].applied == 1)
    state = load_state(bench.broker.bootstrap, bench.changelog, 0)
    assert Position.decode(state.pop(POSITION_KEY)) == Position("id-1", 1, 3)
    assert state == {b"b": b"there"}
    assert bench.committed() == [b"+a", b"+b", b"-a"]
    assert bench.failures == []


async def test_what_cannot_be_kept_is_not_said(bench: Bench) -> None:
    """Rules 4 and 5. Rows of a batch whose state the log refuses are never seen; the process ends."""
    bench.changelog = bench.broker.create_topic("changelog", config={"max.message.bytes": "2000"})
    bench.send(*[b"x"] * 2)
    async with bench.lane() as (lane, hands):
        # Random, or it would be compressed to less.
        lane.deliver(hands.started[-1][0], chunk(bench, 0, b"+a", b"+" + os.urandom(5_000)))
        await bench.until(lambda: bool(bench.failures))
        assert bench.words[0].state == {}
    assert bench.committed() == []
    assert load_state(bench.broker.bootstrap, bench.changelog, 0) == {}


async def test_a_removed_key_is_gone_from_memory_and_from_the_changelog(bench: Bench) -> None:
    """Rule 13. Kept in memory only, it would come back with the next owner; kept in the log only, for this one."""
    bench.send(*[b"x"] * 4)
    async with bench.lane() as (lane, hands):
        run = hands.started[-1][0]
        lane.deliver(run, chunk(bench, 0, b"+a", b"+b"))
        await bench.until(lambda: bench.words[0].applied == 1)
        assert set(bench.words[0].state) == {b"a", b"b"}
        lane.deliver(run, chunk(bench, 2, b"-a"))
        await bench.until(lambda: bench.words[0].applied == 2)
        assert set(bench.words[0].state) == {b"b"}
    async with bench.lane():
        assert set(bench.words[1].state) == {b"b"}


async def test_the_next_owner_starts_after_what_is_committed(bench: Bench) -> None:
    """Rule 6, and 7: a range may hold no message at all, as markers of transactions do."""
    bench.send(*[b"x"] * 9)
    async with bench.lane() as (lane, hands):
        assert hands.started == [(1, 0)]
        lane.deliver(1, chunk(bench, 0, b"+a", end=5))
        lane.deliver(1, chunk(bench, 5, end=8))
        await bench.until(lambda: bench.words[0].applied > 0 and lane.stuck_since is None)
    async with bench.lane() as (_, hands):
        assert hands.started == [(1, 8)]


def tell_group(bench: Bench, offset: int) -> None:
    """Commit an offset of the group, as a worker does once a second."""
    teller = Consumer({"bootstrap.servers": bench.broker.bootstrap, "group.id": "lane-test"})
    teller.commit(offsets=[TopicPartition(bench.source, 0, offset)], asynchronous=False)
    teller.close()


async def test_nobody_moves_the_group(bench: Bench) -> None:
    """Rule 6. The group's offset may be lost or wrong: it is never read."""
    bench.send(*[b"x"] * 9)
    async with bench.lane() as (lane, hands):
        lane.deliver(1, chunk(bench, 0, b"+a"))
        await bench.until(lambda: bench.words[0].applied == 1)
    tell_group(bench, 7)
    async with bench.lane() as (_, hands):
        assert hands.started == [(1, 1)]


async def test_a_hole_in_the_chain_ends_the_process(bench: Bench) -> None:
    """Rule 7. Taken as it comes, what lies between is lost and nobody knows."""
    async with bench.lane() as (lane, hands):
        lane.deliver(hands.started[-1][0], chunk(bench, 2, b"+a"))
        await bench.until(lambda: bool(bench.failures))
    assert "expected 0, got 2" in bench.failures[0]
    assert bench.committed() == []


async def test_what_was_delivered_twice_is_taken_once(bench: Bench) -> None:
    """Rule 7: ranges may overlap, never skip."""
    bench.send(*[b"x"] * 4)
    async with bench.lane() as (lane, hands):
        run = hands.started[-1][0]
        lane.deliver(run, chunk(bench, 0, b"+a", b"+b"))
        lane.deliver(run, chunk(bench, 0, b"+a", b"+b", b"+c"))
        lane.deliver(run - 1, chunk(bench, 3, b"+from a start before"))
        await bench.until(lambda: lane.stuck_since is None and b"c" in bench.words[0].state)
    assert bench.committed() == [b"+a", b"+b", b"+c"]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_a_fenced_lane_ends_and_memory_stays_as_committed(bench: Bench, when: str) -> None:
    """Rule 5. With "abort and go on", or with memory changed before the commit, rows of state that never was follow."""
    bench.send(*[b"x"] * 4)
    async with bench.lane() as (lane, hands):
        lane.deliver(hands.started[-1][0], chunk(bench, 0, b"+a"))
        await bench.until(lambda: bench.words[0].applied == 1)
        fence = asyncio.to_thread(fencing_producer, bench.broker.bootstrap, "lane-test", bench.source, 0)
        if when == "before":
            await fence
            lane.deliver(hands.started[-1][0], chunk(bench, 1, b"+b"))
        else:
            lane.deliver(hands.started[-1][0], chunk(bench, 1, b"+b"))
            await fence
            lane.deliver(hands.started[-1][0], chunk(bench, 2, b"+c"))
        await bench.until(lambda: bool(bench.failures))
        remembered = set(bench.words[0].state)
    state = load_state(bench.broker.bootstrap, bench.changelog, 0)
    del state[POSITION_KEY]
    assert remembered == set(state)
    assert bench.committed() == [b"+" + word for word in sorted(state)]


async def test_what_an_owner_began_before_it_vanished_is_settled_before_state_is_read(bench: Bench) -> None:
    """Rule 4: initialise, then read. An old owner that does not know yet commits batch after batch until it is fenced;
    read first, the last of them would be missing from the state, and be done again.
    """
    words = [b"+%d" % number for number in range(20_000)]
    bench.send(*words)
    old = await asyncio.to_thread(fencing_producer, bench.broker.bootstrap, "lane-test", bench.source, 0)

    done = 0

    def work() -> int:
        nonlocal done
        for offset, word in enumerate(words):
            try:
                old.begin_transaction()
                old.produce(bench.output, word, partition=0)
                old.produce(bench.changelog, b"there", key=word[1:], partition=0)
                position = Position("id-1", 1, offset + 1)
                old.produce(bench.changelog, position.encode(), key=POSITION_KEY, partition=0)
                old.commit_transaction(10)
                done = offset + 1
            except Exception:  # noqa: BLE001  # whatever Kafka calls it: this is the moment it was fenced
                return offset
        return len(words)

    task = asyncio.create_task(asyncio.to_thread(work))
    await bench.until(lambda: done > 20)
    async with bench.lane() as (lane, hands):
        begun = await task
        assert begun < len(words), "the old owner was never fenced"
        (_, start), *_ = hands.started
        lane.deliver(hands.started[-1][0], chunk(bench, start, *words[start : start + 10]))
        await bench.until(lambda: bench.words[0].applied == 1)
    assert bench.failures == []
    assert bench.committed() == words[: start + 10]


async def test_a_transaction_left_open_is_settled(bench: Bench) -> None:
    """Its records are never read, and do not hold up the next owner."""
    old = await asyncio.to_thread(fencing_producer, bench.broker.bootstrap, "lane-test", bench.source, 0)
    old.begin_transaction()
    old.produce(bench.changelog, b"there", key=b"ghost", partition=0)
    old.produce(bench.changelog, Position("id-1", 1, 7).encode(), key=POSITION_KEY, partition=0)
    old.flush(30)
    async with bench.lane() as (_, hands):
        assert hands.started == [(1, 0)]
        assert bench.words[0].state == {}


async def test_state_without_its_position_is_refused(bench: Bench) -> None:
    """Rule 6. Begun anew at the log's start, everything is doubled; at its end, lost: a person decides."""
    producer = Producer({"bootstrap.servers": bench.broker.bootstrap})
    producer.produce(bench.changelog, b"there", key=b"a", partition=0)
    producer.flush(30)
    async with bench.lane():
        pass
    assert "has lost its position" in bench.failures[0]
    assert f"weir positions reset {bench.source}/0" in bench.failures[0]


async def test_a_deleted_changelog_is_refused(bench: Bench) -> None:
    """Rule 6. State and position are gone together; only the group still tells that the log was processed before."""
    bench.send(b"+a")
    async with bench.lane() as (lane, hands):
        lane.deliver(hands.started[-1][0], chunk(bench, 0, b"+a"))
        await bench.until(lambda: bench.words[0].applied == 1)
    tell_group(bench, 1)
    bench.changelog = bench.broker.create_topic("changelog")
    async with bench.lane():
        pass
    assert "has lost its position" in bench.failures[0]


async def test_a_full_lane_stops_fetching_and_goes_on_when_there_is_room(bench: Bench) -> None:
    big = b"+" + b"x" * 1_000_000
    bench.send(*[b"x"] * 12)
    async with bench.lane() as (lane, hands):
        for offset in range(12):
            lane.deliver(hands.started[-1][0], chunk(bench, offset, big))
        await bench.until(lambda: hands.throttled == [True, False] and lane.stuck_since is None)
    assert bench.failures == []
