"""What workers tell of who is on a site now."""

import pytest

from schemas import topics
from schemas.event_time import clickhouse_time
from schemas.live import LIVE_MS, MAX_OTHERS, MAX_VISITORS, MESSAGES_PER_SECOND, LiveMessage, visitor_hash
from streams.devices import DevicesProcessor
from streams.live import EventRow, LiveVisitors, interval_seconds
from tests.unit.streams.raw_log import (
    CRAWLER,
    EPOCHS,
    NOON,
    PARTITION,
    PARTITIONS,
    PROJECT,
    PROJECTS,
    SECOND,
    Partition,
    RawLog,
    nowhere,
    track,
)


def told(log: RawLog, now: int = NOON) -> LiveMessage:
    """What a worker tells of a log that it has processed."""
    live = LiveVisitors()
    partition = Partition(
        lambda: DevicesProcessor(
            PARTITION, PARTITIONS, EPOCHS, lambda: PROJECTS, nowhere, dict, lambda seen: live.take(seen, now)
        )
    )
    partition.take([log.chunk()])
    message = live.messages().get(PROJECT)
    assert live.messages() == {}
    return LiveMessage(project_id=PROJECT) if message is None else LiveMessage.model_validate_json(message)


def test_each_device_is_told_with_its_newest_event_and_crawlers_servers_and_the_past_are_not() -> None:
    log = RawLog().send(
        NOON,
        track("a", NOON, properties={"__path": "https://shop.example/now"}, profile_id="ann"),
        track("a", NOON - SECOND, properties={"__path": "https://shop.example/before"}),
        track("b", NOON - LIVE_MS + SECOND),
        track("c", NOON - LIVE_MS),
        track("d", NOON, user_agent=CRAWLER),
        track("", NOON, user_agent="server/1.0"),
    )
    message = told(log)
    assert [visitor.visitor for visitor in message.visitors] == [visitor_hash(PROJECT, device) for device in "ab"]
    first = message.visitors[0]
    assert (first.path, first.seen, first.profile_id, first.browser) == ("/now", NOON, "ann", "Chrome")
    assert first.session_id
    assert first.visitor != "a"


def test_a_session_that_ends_makes_nobody_live() -> None:
    log = RawLog().send(NOON, track("a", NOON)).ticks(NOON, NOON + 40 * 60 * SECOND)
    assert told(log, NOON + 31 * 60 * SECOND).visitors == ()


def test_no_transaction_writes_the_topic() -> None:
    """A dead owner's open transaction would hold up everybody who reads it."""
    log = RawLog().send(NOON, track("a", NOON))
    partition = Partition(lambda: DevicesProcessor(PARTITION, PARTITIONS, EPOCHS, lambda: PROJECTS, nowhere))
    written = {record.topic for record in partition.take([log.chunk()]).records}
    assert topics.EVENTS in written
    assert topics.LIVE not in written


def row(number: int) -> EventRow:
    columns = ("session_id", "profile_id", "name", "path", "origin", "country", "city", "device", "browser")
    time = clickhouse_time(NOON + number)
    more = {"longitude": None, "latitude": None, "referrer_name": "", "bot": "", "synthesized": 0, "created_at": time}
    return {**dict.fromkeys(columns, ""), **more, "project_id": PROJECT, "device_id": f"device-{number}"}


def test_a_message_is_bounded() -> None:
    live = LiveVisitors()
    count = MAX_VISITORS + MAX_OTHERS + 7
    live.take({(PROJECT, str(number)): (row(number), ()) for number in range(count)}, NOON)
    value = live.messages()[PROJECT]
    message = LiveMessage.model_validate_json(value)
    assert [len(message.visitors), len(message.others), message.more] == [MAX_VISITORS, MAX_OTHERS, 7]
    assert message.visitors[0].visitor == visitor_hash(PROJECT, f"device-{count - 1}")
    assert len(value) < 512 * 1024


@pytest.mark.parametrize("partitions", [1, 8, 32])
def test_all_workers_together_keep_to_the_rate(partitions: int) -> None:
    for own in range(1, partitions + 1):
        workers, rest = divmod(partitions, own)
        rates = [1 / interval_seconds(own, partitions)] * workers
        rates += [1 / interval_seconds(rest, partitions)] if rest else []
        assert sum(rates) <= MESSAGES_PER_SECOND + 1e-9
