"""The broker's clock is wrong, is put right, or stands: sessions end, an id is one session's, links have an order."""

from itertools import pairwise

from schemas import topics
from schemas.event_time import MAX_FUTURE_MS, MAX_SKEW_MS
from tests.unit.streams.raw_log import HOUR, MINUTE, NOON, SECOND, Partition, RawLog, operate, process, track

DAY = 24 * HOUR


def versions(partition: Partition) -> list[int]:
    return [row["version"] for row in partition.rows(topics.IDENTITIES)]


def ahead_and_back(days: int) -> RawLog:
    """One device before, between and after a time in which the broker's clock was days ahead."""
    log = RawLog().send(NOON + MINUTE, track(time=NOON + MINUTE, event_id="a"))
    log.ticks(NOON + days * DAY, NOON + days * DAY + 20 * MINUTE)
    return log.send(NOON + 21 * MINUTE, track(time=NOON + 21 * MINUTE, event_id="b"))


def test_after_a_clock_that_was_ahead_sessions_end_when_they_would() -> None:
    log = ahead_and_back(1)
    log.send(NOON + 22 * MINUTE, track("other", NOON + 22 * MINUTE)).ticks(NOON + 23 * MINUTE, NOON + 51 * MINUTE)
    assert [row["device_id"] for row in process(log).events("session_end")] == ["device-1"]
    log.ticks(NOON + 52 * MINUTE, NOON + 53 * MINUTE)
    assert [row["device_id"] for row in process(log).events("session_end")] == ["device-1", "other"]


def test_a_device_forgotten_by_a_clock_that_was_ahead_gets_no_id_twice() -> None:
    """Both sessions begin in one half hour: the first is forgotten in it, three days too early."""
    log = ahead_and_back(3)
    whole = process(log)
    started = whole.events("session_start")
    assert len(started) == 2
    assert len({row["session_id"] for row in started}) == 2
    assert {row["event_count"] for row in whole.sessions().values()} == {1}
    pieces = Partition()
    for start in range(log.end):
        pieces.take([log.chunk(start, start + 1)]).reload()
    assert pieces.events() == whole.events()


def test_what_an_hour_makes_no_difference_to_is_no_jump() -> None:
    """Brokers' clocks differ by seconds, and an event of a moment ago does not turn back time."""
    log = RawLog().send(NOON, track()).ticks(NOON, NOON + 30 * MINUTE).tick(NOON).tick(NOON + 31 * MINUTE)
    assert len(process(log).events("session_end")) == 1


def test_links_of_one_millisecond_have_the_order_of_the_log() -> None:
    """The broker gives all messages of a producer's batch one stamp, and there may be thousands in it."""
    log = RawLog()
    for number in range(200):
        kind, payload = ("unlink", {"alias": "old"}) if number % 2 else ("alias", {"alias": "old"})
        line = operate(kind, payload, "" if number % 2 else "ann", device="", event_id=f"e{number}")
        log.send(NOON, line)
    found = versions(process(log))
    assert len(found) == 200
    assert all(before < after for before, after in pairwise(found))
    pieces = Partition()
    for start in range(log.end):
        pieces.take([log.chunk(start, start + 1)]).reload()
    assert versions(pieces) == found


def test_links_keep_their_order_when_the_clock_goes_back() -> None:
    log = RawLog().send(NOON, operate("alias", {"alias": "old"}, "ann", device=""))
    log.send(NOON - 2 * HOUR, operate("unlink", {"alias": "old"}, device="", time=NOON - 2 * HOUR))
    first, second = versions(process(log))
    assert first < second


def test_a_session_erased_by_a_gateway_whose_clock_was_ahead_gives_its_id_to_nobody() -> None:
    """Begun as far ahead of the log as an event may be, its half hour lasts until 41 minutes after the erasure."""
    begun = NOON + 25 * MINUTE
    ahead = begun + MAX_SKEW_MS
    log = RawLog().send(begun, track(time=ahead + MAX_FUTURE_MS, received_at=ahead))
    erasure = {"erasure": 1, "partitions": 8, "profile_ids": ["ann"], "device_ids": ["device-1"]}
    log.send(begun + SECOND, operate("erase", erasure, device=""))
    log.send(begun + 33 * MINUTE, track(time=begun + 33 * MINUTE))
    ids = {row["session_id"] for row in process(log).events("session_start")}
    assert len(ids) == 2


def test_an_event_that_comes_again_after_it_was_forgotten_begins_another_session() -> None:
    """A phone that heard no answer sends again three days later what is forgotten with its device."""
    log = RawLog().send(NOON, track(time=NOON - 25 * HOUR, event_id="again"))
    log.ticks(NOON + 3 * DAY, NOON + 3 * DAY + 6 * MINUTE)
    log.send(NOON + 3 * DAY + 7 * MINUTE, track(time=NOON - 25 * HOUR, event_id="again"))
    assert [row["event_count"] for row in process(log).sessions().values()] == [1, 1]
