"""Rule 2, the gateway's end: whatever Kafka does, every envelope that was said to be durable is taken once.

Hypothesis plays Kafka: it takes some, keeps quiet about some it took, fails, and brings late what a producer that was
given up had still under way. The spool is the real one, on a real disk. Workers take what is beyond the last number.
"""

import asyncio
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.delivery import Delivery
from ingest.envelopes import Report
from ingest.metrics import Metrics
from ingest.spool.spool import Spool
from schemas.envelope import Headers, envelope_headers
from schemas.topics import HEADER_SEQUENCE

PARTITIONS = 2


@dataclass
class Sent:
    """An envelope a producer was given. ``landed``: it is in the log, whether or not anybody heard of it."""

    partition: int
    number: int
    report: Report
    landed: bool = False


class Kafka:
    """The log, and the producer in front of it, as `raw_producer.RawProducer` promises to be."""

    def __init__(self) -> None:
        self.log: dict[int, list[int]] = defaultdict(list)
        self.under_way: list[Sent] = []
        self.given_up: list[list[Sent]] = []

    def send(self, partition: int, value: bytes, headers: Headers, report: Report, *, patient: bool = False) -> None:
        self.under_way.append(Sent(partition, int(dict(headers)[HEADER_SEQUENCE] or 0), report))

    async def is_asked(self) -> None:
        """Give the spool time to write and to send something more, if it has anything."""
        before = len(self.under_way)
        for _ in range(15):
            if len(self.under_way) != before:
                return
            await asyncio.sleep(0.001)

    def take(self, count: int) -> None:
        """The log gets the next ones, nobody hears of it yet."""
        for sent in [sent for sent in self.under_way if not sent.landed][:count]:
            self._land(sent)

    def confirm(self, count: int) -> None:
        self.take(count)
        confirmed, self.under_way = self.under_way[:count], self.under_way[count:]
        for sent in confirmed:
            if not sent.landed:
                self._land(sent)
            sent.report(None)

    def give_up(self, why: str) -> None:
        failed, self.under_way = self.under_way, []
        self.given_up.append([sent for sent in failed if not sent.landed])
        for sent in failed:
            sent.report("kafka_unavailable")

    def fail(self, _: int) -> None:
        self.give_up("it failed")

    def close(self) -> None:
        self.give_up("closed")

    def come_late(self, count: int) -> None:
        """What producers given up have sent arrives; of each a beginning, and never more."""
        for sent in self.given_up:
            arrived, sent[:] = sent[:count], sent[count:]
            for one in arrived:
                self._land(one)

    def _land(self, sent: Sent) -> None:
        sent.landed = True
        self.log[sent.partition].append(sent.number)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, PARTITIONS - 1)),
        st.tuples(st.just("send"), st.integers(0, PARTITIONS - 1)),
        st.tuples(st.just("confirm"), st.integers(1, 5)),
        st.tuples(st.just("take"), st.integers(1, 5)),
        st.tuples(st.just("fail"), st.just(0)),
        st.tuples(st.just("late"), st.integers(1, 3)),
        st.tuples(st.just("spin"), st.integers(1, 8)),
        st.tuples(st.just("settle"), st.just(0)),
    ),
    max_size=60,
)


SEND = ("send", 0)
AWAY: list[tuple[str, int]] = [SEND, SEND, SEND, ("fail", 0), ("settle", 0), ("confirm", 1)]
"""Three are in the spool, Kafka is back and has the first."""
HANDED_OVER = [*AWAY, ("settle", 0)]
"""The producer has the other two as well: new ones may follow."""


@settings(max_examples=150, deadline=None)
@given(STEPS)
@example([*HANDED_OVER, ("fail", 0), SEND])
@example([*HANDED_OVER, SEND, ("confirm", 2), ("fail", 0), SEND])
@example([*HANDED_OVER, SEND, ("take", 3), ("fail", 0), SEND, ("late", 3), SEND])
@example([*AWAY, ("spin", 2), SEND, ("spin", 1), SEND, ("fail", 0), SEND])
@example([*AWAY, ("spin", 3), SEND, ("spin", 1), SEND])
@example([*AWAY, ("fail", 0), SEND, ("settle", 0), ("fail", 0), SEND])
def test_what_is_said_to_be_durable_is_taken_once(steps: list[tuple[str, int]]) -> None:
    kafka = Kafka()
    with tempfile.TemporaryDirectory() as root:
        outcomes = asyncio.run(play(Path(root), kafka, steps))
        assert list(Path(root).iterdir()) == []
    kafka.come_late(1_000)
    assert [outcome for numbers in outcomes.values() for outcome in numbers.values() if outcome is not None] == []
    for partition, numbers in outcomes.items():
        taken: list[int] = []
        for number in kafka.log[partition]:
            if number > (taken[-1] if taken else 0):
                taken.append(number)
        assert taken == sorted(numbers)


async def play(root: Path, kafka: Kafka, steps: list[tuple[str, int]]) -> dict[int, dict[int, str | None]]:
    """Per partition and number what was said of an envelope; all are settled and the spool is empty at the end."""
    spool = Spool(root, uuid4(), Metrics(None), max_bytes=1 << 30)
    delivery = Delivery(kafka, spool, retry_seconds=0)
    spool.start(delivery.adopt)
    while not spool.takes:
        await asyncio.sleep(0)
    outcomes: dict[int, dict[int, str | None]] = {partition: {} for partition in range(PARTITIONS)}
    sent = dict.fromkeys(range(PARTITIONS), 0)

    def send(partition: int) -> None:
        number = sent[partition] = sent[partition] + 1
        headers = envelope_headers("id", number)

        def report(failure: str | None) -> None:
            assert number not in outcomes[partition]
            outcomes[partition][number] = failure

        delivery.send(partition, b"{}", headers, report)

    for step, much in steps:
        if step == "send":
            send(much)
        elif step == "spin":
            for _ in range(much):
                await asyncio.sleep(0)
        elif step == "settle":
            await kafka.is_asked()
        else:
            {"confirm": kafka.confirm, "take": kafka.take, "fail": kafka.fail, "late": kafka.come_late}[step](much)
    async with asyncio.timeout(60):
        while spool.own.envelopes or any(len(outcomes[partition]) < sent[partition] for partition in sent):
            kafka.confirm(1_000)
            await asyncio.sleep(0.001)
    await delivery.close()
    return outcomes
