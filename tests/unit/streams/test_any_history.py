"""Rule 12 over days: devices are forgotten, people erased, links taken back, spools sent twice, clocks set back, and
funnels go on meanwhile; still the same log gives the same, and no session's id is another's.
"""

from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.control import RuleRecord
from streams.devices import CLOCK_KEY, DevicesProcessor
from streams.rules import STATE_PREFIX, ProjectRules
from streams.sequences import PREFIX as GATEWAYS
from tests.unit.streams.raw_log import (
    EPOCHS,
    HOUR,
    MINUTE,
    NOON,
    PARTITION,
    PARTITIONS,
    PROJECT,
    PROJECTS,
    SECOND,
    Partition,
    PoisonedGeo,
    RawLog,
    operate,
    track,
)
from tests.unit.streams.test_any_grouping import LINES, POISON, by_owner, rings, without_pairing

GATEWAY = "0190f3a5-0000-4000-8000-00000000000{}"
RULES: list[dict[str, Any]] = [
    {"id": "any", "steps": [{"conditions": [{"name": "path", "operator": "is", "values": ["/x"]}]}]},
    {"id": "day", "steps": [{"events": ["screen_view"]}], "once_per": "profile", "cooldown_minutes": 60},
    {"id": "left", "steps": [{"events": ["click"]}, {"events": ["session_end"]}], "once_per": "session"},
    {"id": "path", "steps": [{"events": ["screen_view"]}, {"events": ["click"]}, {}], "window_minutes": 90},
]
AGO = st.integers(-12, 180).map(lambda minutes: minutes * MINUTE)
DEVICES = st.sampled_from("abc")
VIEWS = st.tuples(DEVICES, AGO, st.sampled_from(["screen_view", "click"]), st.sampled_from("xy"))
ERASED = st.tuples(
    st.lists(st.sampled_from(["ann", "old"]), max_size=2, unique=True), st.lists(DEVICES, max_size=2, unique=True)
)
PROPERTIES = st.dictionaries(
    st.sampled_from(["a", "a.b", "n"]), st.integers(-(2**63), 2**63 - 1) | st.none() | st.lists(st.text("xy"))
)
STEPS: st.SearchStrategy[tuple[str, Any]] = st.one_of(
    st.tuples(st.just("views"), st.lists(VIEWS, min_size=1, max_size=5)),
    st.tuples(st.just("views"), st.lists(VIEWS, min_size=1, max_size=5)),
    st.tuples(st.just("lines"), st.lists(LINES, min_size=1, max_size=3)),
    st.tuples(st.just("spool"), st.tuples(st.integers(0, 2), st.integers(1, 4), VIEWS)),
    st.tuples(st.just("unlink"), DEVICES),
    st.tuples(st.just("unalias"), st.just("old")),
    st.tuples(st.just("group"), PROPERTIES),
    st.tuples(st.just("erase"), ERASED),
    st.tuples(st.just("pass"), st.sampled_from([MINUTE, 31 * MINUTE, 49 * HOUR, 9 * 24 * HOUR])),
    st.tuples(st.just("back"), st.sampled_from([SECOND, 2 * HOUR, 72 * HOUR])),
)


@st.composite
def histories(draw: st.DrawFn) -> RawLog:
    log, stamp = RawLog(), NOON + 20 * 24 * HOUR
    for number, (what, much) in enumerate(draw(st.lists(STEPS, min_size=1, max_size=14))):
        stamp += SECOND
        if what == "pass":  # and the log lives for long enough to see what is due
            log.ticks(stamp + much, stamp + much + 7 * MINUTE, MINUTE)
            stamp += much + 7 * MINUTE
        elif what == "back":
            stamp -= much
            log.tick(stamp)
        elif what == "spool":
            gateway, count, event = much
            log.envelope(stamp, GATEWAY.format(gateway), count, view(stamp, number, event))
        else:
            log.send(stamp, *lines(stamp, number, what, much))
    return log


def lines(stamp: int, number: int, what: str, much: Any) -> list[dict[str, Any] | bytes]:
    match what:
        case "views":
            return [view(stamp, number, each) for each in much]
        case "unlink":
            return [operate("unlink", {}, device=much, time=stamp)]
        case "unalias":
            return [operate("unlink", {"alias": much}, device="", time=stamp)]
        case "group":
            return [operate("group", {"id": "acme", "properties": much}, time=stamp)]
        case "erase":
            people, devices = much
            said = {"erasure": number + 1, "partitions": PARTITIONS, "profile_ids": people, "device_ids": devices}
            return [operate("erase", said | {"visits": {"c": ["none"]}}, device="", time=stamp)]
    return list(much)


def view(stamp: int, number: int, what: tuple[str, int, str, str]) -> dict[str, Any]:
    device, ago, name, path = what
    time = stamp - ago
    more = {"profile_id": "ann"} if path == "y" and name == "click" else {}
    received = min(time, stamp + 10 * MINUTE) if ago < 0 else stamp
    return track(
        device,
        time,
        name,
        event_id=f"{number}/{device}/{ago}/{name}",
        received_at=received,
        properties={"__path": f"https://shop.example/{path}"},
        **more,
    )


def partition() -> Partition:
    rules = {PROJECT: ProjectRules(RuleRecord.model_validate({"project_id": PROJECT, "name": "r", **r}) for r in RULES)}
    return Partition(
        lambda: DevicesProcessor(PARTITION, PARTITIONS, EPOCHS, lambda: PROJECTS, PoisonedGeo(POISON), lambda: rules)
    )


def kept(part: Partition) -> dict[bytes, Any]:
    """What is remembered beside the sessions, whose versions count how often they were said."""
    rest = {key: value for key, value in part.state.items() if key.startswith((STATE_PREFIX, GATEWAYS, CLOCK_KEY))}
    return rest | rings(part)


@settings(max_examples=150, deadline=None)
@given(histories(), st.data())
def test_days_give_the_same_however_they_are_cut(log: RawLog, data: st.DataObject) -> None:
    whole, pieces = partition().take([log.chunk()]), partition()
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, log.end - 1)), max_size=8), "ends of batches"))
    for start, end in pairwise([0, *(one for one in cuts if one < log.end), log.end]):
        pieces.take([log.chunk(start, end)])
        if data.draw(st.booleans(), "another worker goes on"):
            pieces.reload()
    for topic in (topics.EVENTS, topics.IDENTITIES, topics.REPLAY, topics.NOTIFICATIONS, topics.LEDGER):
        assert pieces.rows(topic) == whole.rows(topic)
    assert by_owner(pieces) == by_owner(whole)
    assert pieces.dead() == whole.dead()
    assert kept(pieces) == kept(whole)
    standing = whole.sessions()
    assert {name: without_pairing(row) for name, row in pieces.sessions().items()} == {
        name: without_pairing(row) for name, row in standing.items()
    }
    made = Counter(row["event_id"] for row in whole.events("session_start", "session_end"))
    assert set(made.values()) <= {1}, "a session began or ended twice: its id was used twice"
    assert {row["session_id"] for row in whole.events("session_start")} == standing.keys()
    versions = [row["version"] for row in whole.rows(topics.IDENTITIES) if row["kind"] == "profile"]
    assert all(before < after for before, after in pairwise(versions))
