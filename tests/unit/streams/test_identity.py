"""Links, lists and touches: single rules, and any story of them against the plain model."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.profile import ProfileOp
from streams.chunk import Chunk
from streams.lists import MAX_ITEMS, NotAListError, appended
from streams.profiles import PROFILE_TRAITS, ProfilesProcessor
from streams.subject import Subject, apply_operation
from streams.touch import MAX_TEXT, is_reserved
from tests.people_model import Said, standing_links
from tests.unit.streams.raw_log import (
    EPOCHS,
    HOUR,
    MINUTE,
    NOON,
    PARTITION,
    PROJECT,
    Message,
    Partition,
    RawLog,
    identify,
    operate,
    process,
    track,
)

STORY = 40
"""Events of a story, at most."""
DEVICES = ("laptop", "phone", "")
PROFILES = ("ann", "a.lee", "bob")
_profile, _device = st.sampled_from(PROFILES), st.sampled_from(DEVICES)
_number = st.integers(-3, 3)


@st.composite
def _said(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["identify", "identify", "alias", "unlink", "increment", "track"]))
    device, profile = draw(_device), draw(_profile)
    event_id = f"{draw(st.integers(0, 99))}"
    if kind == "track":
        return track(device, profile_id=draw(st.sampled_from(["", profile])), event_id=f"{device}/{event_id}")
    payload: dict[str, Any]
    if kind == "unlink":
        alias = draw(st.sampled_from([*PROFILES, "", ""])) if device else draw(_profile)
        profile, payload = "", {"alias": alias}
    elif kind == "alias":
        payload = {"alias": draw(_profile)}
    elif kind == "increment":
        payload = {"property": "n", "value": draw(_number)}
    else:
        payload = {
            "properties": draw(st.dictionaries(st.sampled_from("ab"), _number, max_size=2)),
            "set_once": draw(st.dictionaries(st.sampled_from("xy"), _number, max_size=2)),
        }
    # A repeat is the same of the same device: only there it is known again.
    return operate(kind, payload, profile, device=device, event_id=f"{device}/{event_id}")


def known_after(operations: list[dict[str, Any]], cuts: set[int]) -> dict[str, dict[str, Any]]:
    """The profiles' rows after operations that came in batches cut at these places."""
    people = Partition(lambda: ProfilesProcessor(PARTITION, EPOCHS))
    for number, operation in enumerate(operations):
        message = Message(number, NOON, orjson.dumps(operation))
        people.take([Chunk(topics.PROFILE_OPS, PARTITION, number, [message], number + 1)])
        if number in cuts:
            people.reload()
    assert people.dead() == []
    return {row["profile_id"]: row for row in people.rows(topics.PROFILES)}


@settings(max_examples=100, deadline=None)
@given(
    story=st.lists(_said(), min_size=STORY // 2, max_size=STORY),
    times=st.permutations(range(STORY)),
    together=st.lists(st.integers(1, 4), min_size=STORY, max_size=STORY),
    cuts=st.sets(st.integers(0, STORY)),
)
def test_any_story_comes_to_what_the_model_says(
    story: list[dict[str, Any]], times: list[int], together: list[int], cuts: set[int]
) -> None:
    """However events happened and came, are put into messages of two partitions, and messages into batches; and
    workers may be restarted anywhere.
    """
    model = Said()
    logs = [RawLog(), RawLog()]
    story = [{**event, "time": NOON - time} for event, time in zip(story, times, strict=False)]
    place = 0
    for number, size in enumerate(together):
        portion = story[place : place + size]
        place += size
        for side in (0, 1):
            lines = [each for each in portion if (each["device_id"] == "phone") == bool(side)]
            for event in lines:
                model.hear(event)
            if lines:
                logs[side].send(NOON + number * 2 + side, *lines)
    rows: list[dict[str, Any]] = []
    operations: list[dict[str, Any]] = []
    for log in logs:
        partition = Partition()
        start = 0
        for end in sorted({cut for cut in cuts if cut < log.end} | {log.end}):
            if end > start:
                partition.take([log.chunk(start, end)]).reload()
            start = end
        assert partition.dead() == []
        rows += partition.rows(topics.IDENTITIES)
        operations += partition.rows(topics.PROFILE_OPS)
    assert {source: to for source, (_, to) in standing_links(rows).items()} == model.links
    assert standing_links(rows[::-1]).keys() == model.links.keys()
    found = known_after(operations, cuts)
    for profile in PROFILES:
        properties = found[profile]["properties"] if profile in found else {}
        assert properties.get("n") == model.counts.get(profile)
        settled = {name: value for name, (_, value) in model.settings.get(profile, {}).items()}
        assert {name: properties[name] for name in "ab" if name in properties} == settled
        assert {name for name in "xy" if name in properties} == model.once.get(profile, {}).keys()


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["set", "increment", "touch"]), st.integers(0, 9), st.sampled_from("ab")), max_size=12
    ),
    data=st.data(),
)
def test_the_order_of_operations_makes_no_difference(steps: list[tuple[str, int, str]], data: st.DataObject) -> None:
    """Settings at different times, counts and touches: what came first does not show."""
    times: dict[tuple[str, str], set[int]] = {}
    operations = []
    for op, time, value in steps:
        if op == "set" and time in times.setdefault((op, "p"), set()):
            continue  # at the same time the one that comes last stands
        times.setdefault((op, "p"), set()).add(time)
        values: dict[str, dict[str, Any]] = {
            "set": {"properties.p": value},
            "increment": {"properties.n": time},
            "touch": {"referrer": value},
        }
        operations.append(operation(op, values[op], time))
    first = after(operations)
    other = after(data.draw(st.permutations(operations)))
    assert first == other


def operation(op: str, values: dict[str, Any], time: int = 0) -> ProfileOp:
    line = {
        "op": op,
        "project_id": PROJECT,
        "profile_id": "ann",
        "event_id": "e",
        "time": NOON + time,
        "values": values,
        **dict.fromkeys(("raw_epoch", "raw_partition", "raw_offset", "raw_line"), 0),
    }
    return ProfileOp.model_validate(line)


def after(operations: list[ProfileOp]) -> tuple[dict[str, Any], int]:
    """Properties and version after the operations, stored and loaded again between them."""
    subject = Subject(None)
    for each in operations:
        apply_operation(subject, each, PROFILE_TRAITS)
        subject = Subject(subject.encode())
    return subject.properties(), subject.version


# -- links


def test_an_unlink_of_a_crawler_s_making_or_in_a_filtered_country_counts_all_the_same() -> None:
    log = RawLog().send(NOON, identify("laptop", "ann"))
    log.send(NOON + 1, operate("unlink", {"alias": ""}, device="laptop", user_agent="curl/8 bot", ip="203.0.113.9"))
    links = process(log).rows(topics.IDENTITIES)
    assert [(link["profile_id"], link["is_deleted"]) for link in links] == [("ann", 0), ("", 1)]


def test_an_unlink_never_links_whom_it_names() -> None:
    log = RawLog().send(NOON, operate("unlink", {"alias": "a.lee"}, "ann", device="laptop"))
    (link,) = process(log).rows(topics.IDENTITIES)
    assert (link["kind"], link["source_id"], link["is_deleted"]) == ("profile", "a.lee", 1)


def test_an_unlink_without_a_link_to_name_is_a_dead_letter() -> None:
    (letter,) = process(RawLog().send(NOON, operate("unlink", {}, device=""))).dead()
    assert letter["weir-reason"] == "bad_payload"


# -- lists


@pytest.mark.parametrize(
    ("stands", "items", "once", "whole"),
    [
        pytest.param(None, 1, False, [1], id="nothing there"),
        pytest.param("a", ["b", "a"], False, ["a", "b", "a"], id="a value is the first element"),
        pytest.param(["a"], ["b", "a", "b"], True, ["a", "b"], id="once"),
        pytest.param([1, 2], ["x"], False, ["1", "2", "x"], id="mixed: texts"),
        pytest.param([1], [2.5], False, [1, 2.5], id="numbers are of one kind"),
        pytest.param([True], [1], True, ["true", "1"], id="true is no number"),
        pytest.param([0.5], "0.5", True, ["0.5"], id="as texts they may be the same"),
    ],
)
def test_appending(stands: Any, items: Any, once: bool, whole: list[Any]) -> None:
    made = appended(stands, items, once=once)
    assert made == whole
    assert [type(each) for each in made] == [type(each) for each in whole]


@pytest.mark.parametrize(
    ("stands", "items", "reason"),
    [({}, 1, "not_a_list"), ([1] * MAX_ITEMS, 1, "list_too_long"), (None, [[1]], "not_a_list")],
    ids=["an object", "too long", "a list of lists"],
)
def test_what_cannot_be_appended_to(stands: Any, items: Any, reason: str) -> None:
    with pytest.raises(NotAListError) as error:
        appended(stands, items, once=False)
    assert error.value.reason == reason


def test_an_older_setting_does_not_undo_appending_and_a_newer_one_does() -> None:
    lengthened = operation("append", {"properties.l": ["x"]}, 5)
    assert after([lengthened, operation("set", {"properties.l": "old"}, 1)])[0] == {"l": ["x"]}
    assert after([lengthened, operation("set", {"properties.l": "new"}, 9)])[0] == {"l": "new"}


# -- touches


def test_nobody_sets_counts_or_takes_away_what_is_a_touch_s() -> None:
    touched = operation("touch", {"referrer": "https://a.example"})
    tries = [
        operation(op, {"properties.__first": value, "properties.__last.referrer": value}, 9)
        for op, value in (("set", 1), ("set_once", 1), ("increment", 1), ("append", "x"), ("unset", None))
    ]
    assert after([touched, *tries])[0] == after([touched])[0]
    assert not any(map(is_reserved, ("__firstly", "properties.__lasting.a", "a.__first", "first")))


def test_a_visit_is_told_once_and_again_when_it_began_earlier() -> None:
    log = RawLog()
    for number, minutes in enumerate((0, 1, 2, -20)):
        log.send(NOON + number, track(time=NOON + minutes * MINUTE, profile_id="ann", event_id=str(number)))
    log.send(NOON + HOUR, track(time=NOON + HOUR, profile_id="ann", properties={"__path": "/" + "x" * 2 * MAX_TEXT}))
    touches = [row for row in process(log).rows(topics.PROFILE_OPS) if row["op"] == "touch"]
    assert [row["time"] - NOON for row in touches] == [0, -20 * MINUTE, HOUR]
    assert len(touches[-1]["values"]["entry_path"]) == MAX_TEXT
