"""Rules on the stream: what matches, how often it is told, and that batches and workers make no difference."""

from itertools import pairwise
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.control import RuleRecord
from schemas.notification import Notification
from streams.devices import DevicesProcessor
from streams.rules import MAX_NOTIFICATIONS_PER_MESSAGE, MAX_REMEMBERED, STATE_PREFIX, ProjectRules
from tests.unit.streams.raw_log import (
    CRAWLER,
    EPOCHS,
    HOUR,
    MINUTE,
    NOON,
    PARTITION,
    PARTITIONS,
    PROJECT,
    PROJECTS,
    Partition,
    RawLog,
    nowhere,
    track,
)
from tests.unit.streams.test_any_grouping import raw_logs


def rule(*steps: Any, rule_id: str = "r", **more: Any) -> RuleRecord:
    """A rule of steps: an event's name, names, or a whole step."""
    made = [
        step if isinstance(step, dict) else {"events": [step] if isinstance(step, str) else list(step)}
        for step in steps
    ]
    return RuleRecord.model_validate({"id": rule_id, "project_id": PROJECT, "name": rule_id, "steps": made, **more})


def where(name: str, operator: str, *values: Any, events: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"events": list(events), "conditions": [{"name": name, "operator": operator, "values": list(values)}]}


class Rules:
    """The rules in force; they may be replaced while a partition is at work."""

    def __init__(self, *records: RuleRecord) -> None:
        self.set(*records)

    def set(self, *records: RuleRecord) -> None:
        compiled = ProjectRules(records)
        self.compiled = {PROJECT: compiled} if compiled else {}

    def partition(self) -> Partition:
        return Partition(
            lambda: DevicesProcessor(PARTITION, PARTITIONS, EPOCHS, lambda: PROJECTS, nowhere, lambda: self.compiled)
        )


def told(partition: Partition) -> list[dict[str, Any]]:
    rows = partition.rows(topics.NOTIFICATIONS)
    for row in rows:
        Notification.model_validate(row)
    return rows


def run(*records: RuleRecord, log: RawLog) -> list[dict[str, Any]]:
    return told(Rules(*records).partition().take([log.chunk()]))


def walk(*steps: tuple[str, int], device: str = "device-1", **more: Any) -> RawLog:
    """Events of a device at minutes after noon, each in a message of its own."""
    log = RawLog()
    for name, minute in steps:
        log.send(NOON + HOUR, track(device, NOON + minute * MINUTE, name, **more))
    return log


def test_an_event_rule_tells_of_what_it_names() -> None:
    log = RawLog().send(
        NOON,
        track(name="sign_up", properties={"__path": "https://shop.example/join", "plan": "pro", "seats": 12}),
        track(name="sign_up", event_id="second", properties={"plan": "free", "seats": 3}),
        track(name="click"),
    )
    found = run(
        rule("sign_up", rule_id="all"),
        rule(where("properties.plan", "is", "pro", events=("sign_up",)), rule_id="pro"),
        rule(where("properties.seats", "gt", 10), rule_id="large"),
        rule(("purchase", "click"), rule_id="either"),
        rule("sign_up", rule_id="off", enabled=False),
        log=log,
    )
    assert [(row["rule_id"], row["raw_line"]) for row in found] == [
        ("all", 0),
        ("large", 0),
        ("pro", 0),
        ("all", 1),
        ("either", 2),
    ]
    first = found[0]
    assert (first["name"], first["path"], first["properties"]) == ("sign_up", "/join", {"plan": "pro", "seats": 12})
    assert len({row["notification_id"] for row in found}) == len(found)


def test_sessions_begin_and_end_and_crawlers_and_repeats_tell_nothing() -> None:
    log = RawLog().send(NOON, view := track(), view, track("bot", name="sign_up", user_agent=CRAWLER))
    log.ticks(NOON + MINUTE, NOON + 40 * MINUTE)
    found = run(rule({"events": []}), log=log)
    assert [row["name"] for row in found] == ["session_start", "screen_view", "session_end"]


def test_how_often_it_is_told() -> None:
    log = RawLog()
    for minute, profile in ((0, ""), (10, "ann"), (20, "ann"), (70, "ann"), (80, "bob"), (90, "")):
        log.send(NOON + 2 * HOUR, track(time=NOON + minute * MINUTE, name="buy", profile_id=profile))
    found = run(
        rule("buy", rule_id="every"),
        rule("buy", rule_id="session", once_per="session"),
        rule("buy", rule_id="profile", once_per="profile"),
        rule("buy", rule_id="cooled", cooldown_minutes=15),
        log=log,
    )
    offsets = {
        name: [row["raw_offset"] for row in found if row["rule_id"] == name]
        for name in ("every", "session", "profile", "cooled")
    }
    assert offsets == {
        "every": [0, 1, 2, 3, 4, 5],
        "session": [0, 3],
        # A device that becomes Ann's is Ann's; Bob is somebody else; whoever comes then without a name is not new.
        "profile": [0, 4],
        "cooled": [0, 2, 3, 5],
    }


def test_the_same_profile_on_two_devices_is_told_under_one_id() -> None:
    log = RawLog().send(NOON, track("a", name="buy", profile_id="ann"), track("b", name="buy", profile_id="ann"))
    found = run(rule("buy", once_per="profile"), log=log)
    assert len(found) == 2
    assert len({row["notification_id"] for row in found}) == 1


def test_a_funnel_within_minutes_needs_its_order_and_takes_the_latest_beginning() -> None:
    funnel = rule("view", "cart", "pay", window_minutes=10)
    assert len(run(funnel, log=walk(("view", 0), ("cart", 1), ("pay", 2)))) == 1
    assert len(run(funnel, log=walk(("view", 0), ("pay", 1), ("cart", 2)))) == 0
    assert len(run(funnel, log=walk(("view", 0), ("cart", 5), ("pay", 11)))) == 0
    assert len(run(funnel, log=walk(("view", 0), ("view", 8), ("cart", 9), ("pay", 15)))) == 1
    assert len(run(funnel, log=walk(("view", 0), ("cart", 1), ("view", 8), ("pay", 9)))) == 1
    assert len(run(funnel, log=walk(("view", 0), ("cart", 1), ("pay", 2), ("pay", 3)))) == 1
    assert len(run(funnel, log=walk(("view", 0), ("cart", 1), ("pay", 2), ("view", 3), ("cart", 4), ("pay", 5)))) == 2
    same = rule("view", "view", window_minutes=10)
    assert len(run(same, log=walk(("view", 0)))) == 0
    assert len(run(same, log=walk(("view", 0), ("view", 1)))) == 1


def test_a_funnel_within_a_session_ends_with_it() -> None:
    funnel = rule("view", "pay")
    assert len(run(funnel, log=walk(("view", 0), ("pay", 29)))) == 1
    assert len(run(funnel, log=walk(("view", 0), ("pay", 31)))) == 0
    # A late event of the session before does not undo what is under way.
    assert len(run(funnel, log=walk(("view", 0), ("view", 40), ("view", 5), ("pay", 41)))) == 1
    assert (
        len(run(rule("session_start", "pay", "session_end"), log=walk(("pay", 0)).ticks(NOON + HOUR, NOON + 3 * HOUR)))
        == 1
    )


def test_devices_do_not_complete_each_others_funnels() -> None:
    log = RawLog().send(NOON, track("a", name="view"), track("b", name="pay"))
    assert run(rule("view", "pay", window_minutes=60), log=log) == []


def test_a_changed_or_removed_rule_forgets() -> None:
    funnel = rule("view", "pay", window_minutes=60)
    rules = Rules(funnel)
    partition = rules.partition()
    log = walk(("view", 0), ("pay", 1), ("view", 2), ("pay", 3))
    partition.take([log.chunk(0, 1)])
    assert any(key.startswith(STATE_PREFIX) for key in partition.state)
    rules.set(rule("view", "pay", window_minutes=50))
    partition.take([log.chunk(1, 3)])
    assert told(partition) == []
    rules.set(rule("view", "pay", window_minutes=50, name="Another name"))
    partition.take([log.chunk(3, 4)])
    assert [row["rule_name"] for row in told(partition)] == ["Another name"]
    # Of a project without rules nothing stays behind.
    again = RawLog(end=log.end).send(NOON + HOUR, track(time=NOON + 5 * MINUTE, name="view"))
    partition.take([again.chunk(log.end)])
    assert any(key.startswith(STATE_PREFIX) for key in partition.state)
    rules.set()
    partition.reload()
    partition.take([again.tick(NOON + 2 * HOUR).chunk(log.end + 1)])
    assert not any(key.startswith(STATE_PREFIX) for key in partition.state)


def test_what_is_remembered_and_what_one_message_tells_is_bounded() -> None:
    many = [rule("view", "pay", rule_id=f"r{number:03}", window_minutes=60) for number in range(MAX_REMEMBERED + 8)]
    partition = Rules(*many).partition().take([walk(("view", 0)).chunk()])
    (memory,) = [orjson.loads(value) for key, value in partition.state.items() if key.startswith(STATE_PREFIX)]
    assert list(memory) == [f"r{number:03}" for number in range(8, MAX_REMEMBERED + 8)]
    log = RawLog().send(NOON, *[track(name="click", event_id=f"e{number}") for number in range(120)])
    flood = [rule({"events": []}, rule_id=f"r{number:02}") for number in range(50)]
    assert len(run(*flood, log=log)) == MAX_NOTIFICATIONS_PER_MESSAGE


def test_the_excerpt_is_bounded() -> None:
    properties = {f"p{number:02}": "x" * 1_000 for number in range(50)}
    (found,) = run(rule("click"), log=RawLog().send(NOON, track(name="click", properties=properties)))
    assert len(orjson.dumps(found["properties"])) < 6_000


RULES = (
    rule("click", rule_id="each"),
    rule("screen_view", "click", rule_id="in_session"),
    rule("screen_view", "click", "screen_view", rule_id="in_minutes", window_minutes=45),
    rule({"events": []}, rule_id="cooled", cooldown_minutes=20),
    rule(where("path", "contains", "/x"), rule_id="person", once_per="profile"),
    rule("session_start", "revenue", rule_id="start", once_per="session"),
    rule("revenue", "session_end", rule_id="end"),
)


@settings(max_examples=100, deadline=None)
@given(raw_logs(), st.data())
def test_what_is_told_does_not_depend_on_batches_or_workers(log: RawLog, data: st.DataObject) -> None:
    rules = Rules(*RULES)
    whole = rules.partition().take([log.chunk()])
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, log.end - 1)), max_size=6), "cuts"))
    pieces = rules.partition()
    for start, end in pairwise([0, *[one for one in cuts if one < log.end], log.end]):
        pieces.take([log.chunk(start, end)])
        if data.draw(st.booleans(), "another worker goes on"):
            pieces.reload()
    assert told(pieces) == told(whole)
    remembered = [
        {key: value for key, value in one.state.items() if key.startswith(STATE_PREFIX)} for one in (pieces, whole)
    ]
    assert remembered[0] == remembered[1]
