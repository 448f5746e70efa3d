"""One device: what its events make of sessions, links and rows. ``docs/sessions.md`` is run by its own test."""

from typing import Any

import pytest

from schemas import topics
from schemas.event_time import clickhouse_time
from schemas.partition import partition_of
from schemas.session_id import session_bucket, session_id
from tests.unit.streams.raw_log import (
    CRAWLER,
    HOUR,
    MINUTE,
    NOON,
    PARTITION,
    PARTITIONS,
    PROJECT,
    SECOND,
    Partition,
    RawLog,
    identify,
    process,
    track,
)

PAGE = "https://shop.example/a?utm_source=google&utm_medium=cpc"


def live(*events: dict[str, Any]) -> Partition:
    """Events that arrive when they happen, each in a message of its own, with ticks between."""
    log = RawLog()
    stamp = events[0]["time"]
    for event in events:
        log.ticks(stamp + 30 * SECOND, event["time"] - 1)
        stamp = max(stamp, event["time"])
        log.send(stamp, event)
    return process(log)


def only(partition: Partition) -> dict[str, Any]:
    """The one session there is."""
    (session,) = partition.sessions().values()
    return session


def test_first_event_begins_a_session_whose_id_the_gateway_knows_too() -> None:
    device = next(name for n in range(99) if partition_of(PROJECT, name := f"device-{n}", PARTITIONS) == PARTITION)
    partition = live(track(device))
    expected = session_id(PROJECT, device, session_bucket(NOON))
    assert only(partition)["session_id"] == expected
    (start,) = partition.events("session_start")
    (view,) = partition.events("screen_view")
    assert start["session_id"] == view["session_id"] == expected
    assert (start["created_at"], view["created_at"]) == (clickhouse_time(NOON - 100), clickhouse_time(NOON))
    assert (start["synthesized"], view["synthesized"]) == (1, 0)
    assert start["path"] == view["path"] == "/a"


@pytest.mark.parametrize(
    ("times", "sessions"),
    [
        pytest.param([0, 30 * MINUTE], [(0, 30 * MINUTE, 2)], id="30 minutes are no gap"),
        pytest.param([0, 30 * MINUTE + 1], [(0, 0, 1), (30 * MINUTE + 1, 30 * MINUTE + 1, 1)], id="a millisecond more"),
        pytest.param([0, -30 * MINUTE], [(-30 * MINUTE, 0, 2)], id="30 minutes before"),
        pytest.param([0, -30 * MINUTE - 1], [(-30 * MINUTE - 1, -30 * MINUTE - 1, 1), (0, 0, 1)], id="earlier still"),
        pytest.param([0, 20 * MINUTE, 40 * MINUTE, 60 * MINUTE], [(0, 60 * MINUTE, 4)], id="over an hour"),
        pytest.param([0, 20 * MINUTE, 10 * MINUTE], [(0, 20 * MINUTE, 3)], id="in the middle"),
        pytest.param([0, 0], [(0, 0, 2)], id="the same millisecond"),
        pytest.param([0, -20 * MINUTE, -40 * MINUTE], [(-40 * MINUTE, 0, 3)], id="backwards"),
        pytest.param([12 * HOUR - 1, 12 * HOUR + 1], [(12 * HOUR - 1, 12 * HOUR + 1, 2)], id="midnight"),
        pytest.param(
            [0, HOUR, 2 * HOUR, 10 * MINUTE, 65 * MINUTE],
            [
                (0, 0, 1),
                (10 * MINUTE, 10 * MINUTE, 1),
                (HOUR, HOUR, 1),
                (65 * MINUTE, 65 * MINUTE, 1),
                (2 * HOUR, 2 * HOUR, 1),
            ],
            id="two sessions back is forgotten, and so is what a late one displaced",
        ),
    ],
)
def test_sessions_by_event_time(times: list[int], sessions: list[tuple[int, int, int]]) -> None:
    events = [track(time=NOON + time, event_id=str(number)) for number, time in enumerate(times)]
    found = [
        (session["started_at"], session["ended_at"], session["event_count"])
        for session in live(*events).sessions().values()
    ]
    said = [(clickhouse_time(NOON + first), clickhouse_time(NOON + last), count) for first, last, count in sessions]
    assert sorted(found) == sorted(said)


def test_events_carry_the_session_they_fell_into() -> None:
    partition = live(track(), track(time=NOON + HOUR), track(time=NOON + MINUTE, event_id="late"))
    first, second, late = (row["session_id"] for row in partition.events("screen_view"))
    assert late == first != second


def test_start_and_end_are_said_once() -> None:
    """Also when a late event joins the session after its end, and the device comes back later."""
    log = RawLog().send(NOON, track()).ticks(NOON, NOON + 40 * MINUTE)
    log.send(NOON + 41 * MINUTE, track(time=NOON + 5 * MINUTE)).ticks(NOON + 41 * MINUTE, NOON + 2 * HOUR)
    log.send(NOON + 2 * HOUR, track(time=NOON + 2 * HOUR)).ticks(NOON + 2 * HOUR, NOON + 4 * HOUR)
    partition = process(log)
    marks = [(row["name"], row["session_id"]) for row in partition.events("session_start", "session_end")]
    assert len(marks) == len(set(marks)) == 4
    assert {session["is_closed"] for session in partition.sessions().values()} == {1}


def test_session_end_has_the_length_and_the_last_page() -> None:
    log = RawLog().send(NOON, track(properties={"__path": PAGE}))
    log.send(NOON + MINUTE, track(time=NOON + MINUTE, properties={"__path": "https://shop.example/b"}))
    partition = process(log.ticks(NOON + MINUTE, NOON + HOUR))
    (end,) = partition.events("session_end")
    assert (end["duration_ms"], end["path"], end["origin"]) == (MINUTE, "/b", "https://shop.example")
    assert end["created_at"] == clickhouse_time(NOON + MINUTE + SECOND)
    assert end["utm_source"] == "google"


def test_entry_and_exit_are_pages() -> None:
    """A custom event without a page changes neither."""
    session = only(
        live(
            track(name="app_opened", properties={}),
            track(time=NOON + 1, properties={"__path": "https://shop.example/first"}),
            track(time=NOON + 2, properties={"__path": "https://shop.example/last"}),
            track(time=NOON + 3, name="tap", properties={}),
        )
    )
    assert (session["entry_path"], session["exit_path"]) == ("/first", "/last")
    assert session["ended_at"] == clickhouse_time(NOON + 3)


@pytest.mark.parametrize(
    ("names", "views", "bounce"),
    [
        (["screen_view"], 1, 1),
        (["screen_view", "screen_view"], 2, 0),
        (["screen_view", "click", "click"], 1, 1),
        (["click"], 0, 1),
    ],
    ids=["one page", "two pages", "one page and clicks", "no page"],
)
def test_bounce(names: list[str], views: int, bounce: int) -> None:
    session = only(live(*[track(time=NOON + number, name=name) for number, name in enumerate(names)]))
    assert (session["screen_view_count"], session["is_bounce"]) == (views, bounce)
    assert session["event_count"] == len(names)


def test_revenue_adds_up_in_the_session() -> None:
    log = RawLog().send(NOON, track())
    for number, amount in enumerate([1_250, 300]):
        log.send(NOON + number, track(time=NOON + number, name="revenue", properties={"__revenue": amount}))
    partition = process(log)
    assert [row["revenue"] for row in partition.events("revenue")] == [1_250, 300]
    session = only(partition)
    assert (session["revenue"], session["currency"]) == (1_550, "EUR")


def test_events_take_the_source_of_their_session() -> None:
    partition = live(
        track(properties={"__path": PAGE}), track(time=NOON + 1, properties={"__path": "https://shop.example/b"})
    )
    assert [row["utm_source"] for row in partition.events("screen_view")] == ["google", "google"]
    assert only(partition)["utm_medium"] == "cpc"


def test_identify_links_the_device_and_its_events_stay_as_they_were_sent() -> None:
    """Whose they are is asked of the link, so that it can be taken back."""
    partition = live(track(), identify("device-1", "ann", NOON + 1, first_name="Ann"), track(time=NOON + 2))
    (link,) = partition.rows(topics.IDENTITIES)
    assert (link["kind"], link["source_id"], link["profile_id"]) == ("device", "device-1", "ann")
    assert [row["profile_id"] for row in partition.events("screen_view")] == ["", ""]
    assert only(partition)["profile_id"] == ""
    assert only(partition)["event_count"] == 2
    operation, touch = partition.rows(topics.PROFILE_OPS)
    assert (touch["op"], touch["profile_id"], touch["time"]) == ("touch", "ann", NOON)
    assert (operation["op"], operation["profile_id"], operation["time"]) == ("set", "ann", NOON + 1)
    assert operation["values"]["first_name"] == "Ann"
    assert operation["values"]["properties.browser"] == "Chrome"


def test_a_link_is_written_when_it_changes() -> None:
    """A new link has a higher version, so it wins; the same one is not written again."""
    events = [track(time=NOON + number, profile_id=name) for number, name in enumerate(["ann", "ann", "bob", "ann"])]
    links = live(*events).rows(topics.IDENTITIES)
    assert [link["profile_id"] for link in links] == ["ann", "bob", "ann"]
    assert sorted(link["version"] for link in links) == [link["version"] for link in links]


def test_an_event_names_its_own_profile() -> None:
    partition = live(track(profile_id="ann"), track(time=NOON + 1))
    assert [row["profile_id"] for row in partition.events("screen_view")] == ["ann", ""]
    assert only(partition)["profile_id"] == "ann"


def test_bots_are_stored_and_have_no_session() -> None:
    partition = live(track(user_agent=CRAWLER, profile_id="ann"))
    (row,) = partition.events()
    assert row["bot"] == "Googlebot"
    assert row["session_id"] == ""
    assert partition.sessions() == {}
    assert partition.rows(topics.IDENTITIES) == []


def test_events_without_a_device_have_no_session_of_ours() -> None:
    partition = live(track("", session_id="told-by-sender", profile_id="ann"))
    (row,) = partition.events()
    assert (row["device_id"], row["session_id"], row["profile_id"]) == ("", "told-by-sender", "ann")
    assert partition.sessions() == {}
    assert partition.rows(topics.IDENTITIES) == []


@pytest.mark.parametrize("device", ["device-1", ""], ids=["with device", "without"])
def test_repeats_change_nothing(device: str) -> None:
    event = track(device, event_id="7b2c0c2e-0000-4000-8000-00000000abcd")
    again = {**event, "event_id": "7B2C0C2E00004000800000000000ABCD"}
    partition = live(event, again, identify("device-1", "ann"), identify("device-1", "ann"))
    assert len(partition.events("screen_view")) == 1
    assert [row["op"] for row in partition.rows(topics.PROFILE_OPS)] == (["set", "touch"] if device else ["set"])
    assert [row["repeated"] for row in partition.rows(topics.LEDGER) if row["kind"] == "message"] == [0, 1, 0, 1]


@pytest.mark.parametrize("lines", [1, 2_000], ids=["messages of one", "one message"])
def test_a_late_event_that_is_repeated_when_nobody_remembers_it_makes_a_session_of_its_own(lines: int) -> None:
    """Beyond what the ring remembers it counts again, but no session's row is said twice."""
    late = track(time=NOON - 3 * HOUR, event_id="late")
    others = [track(time=NOON + number, event_id=f"{number}") for number in range(1_100)]
    # One of another time between them, so that the first is no longer the device's earlier session.
    between = track(time=NOON - 6 * HOUR, event_id="between")
    events = [others[0], late, *others[1:], between, late]
    log = RawLog()
    for first in range(0, len(events), lines):
        log.send(NOON + HOUR, *events[first : first + lines])
    partition = process(log)
    found = sorted((row["started_at"], row["event_count"]) for row in partition.sessions().values())
    assert found == [
        (clickhouse_time(NOON - 6 * HOUR), 1),
        (clickhouse_time(NOON - 3 * HOUR), 1),
        (clickhouse_time(NOON - 3 * HOUR), 1),
        (clickhouse_time(NOON), 1_100),
    ]


def test_a_repeat_is_known_to_its_device_alone() -> None:
    partition = live(track("device-1", event_id="order-1"), track("device-2", event_id="order-1"))
    assert len(partition.events("screen_view")) == 2


def test_a_device_named_like_a_bucket_of_those_without_is_a_device() -> None:
    """Events without a device share rings under names of ours; no sender's name may meet them."""
    anonymous = [track("", time=NOON + number, event_id=str(number)) for number in range(600)]
    named = [track(f"\0{bucket}", time=NOON, event_id=f"n{bucket}") for bucket in range(256)]
    partition = process(RawLog().send(NOON, *anonymous, *named))
    assert {row["session_id"] for row in partition.events("screen_view") if not row["device_id"]} == {""}
    assert all(row["session_id"] for row in partition.events("screen_view") if row["device_id"])
    assert len(partition.sessions()) == 256


def test_a_session_row_is_taken_back_as_it_was_said() -> None:
    """Over many batches, with sessions that change after they were displaced, closed and joined again."""
    times = [0, 10, 90, 20, 200, 95, 45, 300, 210, 5]
    log, partition = RawLog(), Partition()
    stamp = NOON
    for number, minutes in enumerate(times):
        stamp = max(stamp + SECOND, NOON + minutes * MINUTE)
        log.send(stamp, track(time=NOON + minutes * MINUTE, event_id=str(number)))
        partition.take([log.chunk(log.end - 1)])
    assert sum(session["event_count"] for session in partition.sessions().values()) == len(times)


def test_what_was_looked_at_before_is_said_by_the_next_view() -> None:
    log = RawLog()
    page = "https://shop.example/"
    times = {"a": 0, "b": 20, "click": 30, "c": 50, "late": 10}
    for name, seconds in times.items():
        kind = "click" if name == "click" else "screen_view"
        properties = {"__path": page + name, "__previous": "mine", "__previous.path.x": 1, "__previousMine": 2}
        log.send(NOON + MINUTE, track(time=NOON + seconds * SECOND, name=kind, properties=properties))
    log.send(NOON + 45 * MINUTE, track(time=NOON + 45 * MINUTE, properties={"__path": page}))
    found = {
        row["path"]: (row["properties"].get("__previous.path"), row["properties"].get("__previous.duration_ms"))
        for row in process(log).events()
        if not row["synthesized"]
    }
    assert found == {
        "/a": (None, None),
        "/b": ("/a", 20_000),
        "/click": (None, None),
        "/c": ("/b", 30_000),
        "/late": (None, None),
        "/": (None, None),
    }
