"""When envelopes are closed, and when the futures of their events are done."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest

from ingest.answers import Refusal
from ingest.envelopes import Envelopes, Report
from ingest.metrics import Metrics
from schemas.envelope import MAX_BYTES, MAX_LINES, Headers
from schemas.topics import HEADER_GATEWAY, HEADER_KIND, HEADER_SEQUENCE, MAX_RAW_MESSAGE_BYTES

GATEWAY = UUID("1a9868a4-bf40-484f-8808-0aed55486fe3")


class Outbox:
    """Takes closed envelopes in place of Kafka; the test says what becomes of them."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes, dict[str, str | bytes | None]]] = []
        self.reports: list[Report] = []

    def __call__(self, partition: int, value: bytes, headers: Headers, report: Report) -> None:
        self.sent.append((partition, value, dict(headers)))
        self.reports.append(report)

    @property
    def lines(self) -> list[int]:
        return [value.count(b"\n") + 1 for _, value, _ in self.sent]


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def make(outbox: Outbox) -> Callable[..., Envelopes]:
    def build(linger_ms: float = 60_000, in_flight_bytes: int = 4 * MAX_BYTES) -> Envelopes:
        return Envelopes(outbox, GATEWAY, Metrics(None), linger_ms=linger_ms, in_flight_bytes=in_flight_bytes)

    return build


async def test_an_envelope_is_closed_by_its_age(make: Callable[..., Envelopes], outbox: Outbox) -> None:
    envelopes = make(linger_ms=1)
    future = envelopes.add(3, [b"a"])
    envelopes.add(3, [b"b", b"c"])
    assert not outbox.sent
    while not outbox.sent:
        await asyncio.sleep(0)
    ((partition, value, headers),) = outbox.sent
    assert (partition, value) == (3, b"a\nb\nc")
    assert headers[HEADER_KIND] == b"envelope"
    assert headers[HEADER_GATEWAY] == str(GATEWAY).encode()
    assert not future.done()
    outbox.reports[0](None)
    await future


async def test_an_envelope_is_closed_by_its_lines(make: Callable[..., Envelopes], outbox: Outbox) -> None:
    envelopes = make()
    for _ in range(MAX_LINES - 1):
        envelopes.add(0, [b"a"])
    assert not outbox.sent
    envelopes.add(0, [b"a"])
    assert outbox.lines == [MAX_LINES]


async def test_many_events_at_once_do_not_wait_for_others(make: Callable[..., Envelopes], outbox: Outbox) -> None:
    envelopes = make()
    envelopes.add(0, [b"a"])
    envelopes.add(1, [b"a"])
    envelopes.add(0, [b"b"] * 50)
    assert [(partition, value.count(b"b")) for partition, value, _ in outbox.sent] == [(0, 50)]
    assert outbox.lines == [51]


async def test_events_of_one_request_stay_together(make: Callable[..., Envelopes], outbox: Outbox) -> None:
    envelopes = make()
    for _ in range(MAX_LINES - 1):
        envelopes.add(0, [b"a"])
    envelopes.add(0, [b"b", b"c"])
    assert outbox.lines == [MAX_LINES - 1]


async def test_an_envelope_is_closed_by_its_bytes(make: Callable[..., Envelopes], outbox: Outbox) -> None:
    envelopes = make()
    half = b"x" * (MAX_BYTES // 2 + 1)
    envelopes.add(0, [half])
    assert not outbox.sent
    envelopes.add(0, [half])
    assert [len(value) for _, value, _ in outbox.sent] == [len(half)]
    envelopes.add(1, [b"x" * (3 * MAX_BYTES // 2)])
    assert [partition for partition, _, _ in outbox.sent] == [0, 1]


async def test_numbers_ascend_per_partition(make: Callable[..., Envelopes], outbox: Outbox) -> None:
    envelopes = make()
    for partition in (0, 1, 0, 0, 1):
        envelopes.add(partition, [b"x" * MAX_BYTES])
        outbox.reports[-1](None)
    numbers = [(partition, int(headers[HEADER_SEQUENCE] or 0)) for partition, _, headers in outbox.sent]
    assert numbers == [(0, 1), (1, 1), (0, 2), (0, 3), (1, 2)]


async def test_only_kafkas_word_settles_an_event(make: Callable[..., Envelopes], outbox: Outbox) -> None:
    """Rule 1: an answer waits for the delivery report, and a failed one is not a success."""
    envelopes = make()
    good, bad = (envelopes.add(partition, [b"x" * MAX_BYTES]) for partition in (0, 1))
    await asyncio.sleep(0)
    assert not good.done()
    assert not bad.done()
    outbox.reports[0](None)
    outbox.reports[1]("kafka_unavailable")
    await good
    with pytest.raises(Refusal) as refused:
        await bad
    assert (refused.value.status, refused.value.reason) == (503, "kafka_unavailable")
    assert envelopes.in_flight_bytes == 0


async def test_what_is_too_large_for_one_message_goes_in_several(
    make: Callable[..., Envelopes], outbox: Outbox
) -> None:
    envelopes = make(in_flight_bytes=16 * MAX_BYTES)
    future = envelopes.add(0, [b"x" * MAX_BYTES for _ in range(5)])
    assert max(len(value) for _, value, _ in outbox.sent) <= MAX_RAW_MESSAGE_BYTES
    assert sum(outbox.lines) == 5
    for report in outbox.reports[:-1]:
        report(None)
    await asyncio.sleep(0)
    assert not future.done()
    outbox.reports[-1](None)
    await future


async def test_too_much_in_flight_is_refused_at_once(make: Callable[..., Envelopes], outbox: Outbox) -> None:
    envelopes = make(in_flight_bytes=2 * MAX_BYTES)
    waiting = envelopes.add(0, [b"x" * (2 * MAX_BYTES - 1)])
    with pytest.raises(Refusal) as refused:
        envelopes.add(1, [b"x"])
    assert (refused.value.status, refused.value.reason) == (503, "overloaded")
    outbox.reports[0](None)
    await waiting
    envelopes.add(1, [b"x"])


async def test_one_who_went_away_does_not_spoil_the_others(make: Callable[..., Envelopes], outbox: Outbox) -> None:
    envelopes = make()
    gone = envelopes.add(0, [b"a"])
    stays = envelopes.add(0, [b"b"])
    gone.cancel()
    drained = asyncio.create_task(envelopes.drain(60))
    await asyncio.sleep(0)
    for report in outbox.reports:
        report(None)
    assert await drained
    assert stays.result() is None


async def test_draining_sends_what_is_open_and_takes_nothing_more(
    make: Callable[..., Envelopes], outbox: Outbox
) -> None:
    envelopes = make()
    future = envelopes.add(0, [b"a"])
    drained = asyncio.create_task(envelopes.drain(60))
    await asyncio.sleep(0)
    assert outbox.lines == [1]
    assert not drained.done()
    with pytest.raises(Refusal) as refused:
        envelopes.add(0, [b"b"])
    assert refused.value.reason == "stopping"
    outbox.reports[0](None)
    assert await drained
    await future
