"""What the events of one request become: ids that a retry gives again, and envelopes of bounded size."""

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.access import Admission, Project
from ingest.answers import Refusal
from ingest.bundle import Bundle
from ingest.gateway import Gateway
from ingest.limits import TooLargeAltogether, room_for_events
from ingest.protocols.protocol import SentEvent
from ingest.settings import GatewaySettings
from schemas.control import ProjectRecord, SaltRecord
from schemas.device_id import device_hash
from schemas.raw_event import RawKind
from schemas.session_id import session_bucket, session_id

NOW = 1_795_246_036_417
BROWSER = b"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
PERSON = SentEvent(RawKind.IDENTIFY, {"properties": {}}, profile_id="ann")


def click(**more: Any) -> SentEvent:
    return SentEvent(RawKind.TRACK, {"name": "clicked", "properties": {}}, **more)


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    """A gateway that is connected to nothing and knows one day's salt."""
    return asyncio.run(_make_gateway())


async def _make_gateway() -> Gateway:
    gateway = Gateway(GatewaySettings(kafka_bootstrap="127.0.0.1:1"))
    gateway.producer.partitions = 8
    gateway.access.apply_salt("2026-11-21", SaltRecord(day="2026-11-21", salt="5a" * 32))
    return gateway


def bundle_of(gateway: Gateway, key: bytes = b"", agent: bytes = BROWSER, project: str = "shop") -> Bundle:
    record = ProjectRecord(id=project, organization_id="acme", name="Shop")
    headers = {b"user-agent": agent, **({b"idempotency-key": key} if key else {})}
    return Bundle(gateway, "openpanel", headers, "81.2.69.142", Admission(Project(record), "c", verified=True), NOW)


def lines_of(bundle: Bundle) -> list[dict[str, Any]]:
    return [orjson.loads(line) for lines in bundle.lines.values() for line in lines]


def ids(bundle: Bundle) -> list[str]:
    return [line["event_id"] for line in lines_of(bundle)]


def test_a_key_names_the_events_of_its_request(gateway: Gateway) -> None:
    bundles = [bundle_of(gateway, b"retry me") for _ in range(2)]
    for bundle in bundles:
        for _ in range(3):
            bundle.add(click())
    first, again = map(ids, bundles)
    assert first == again
    assert len(set(first)) == 3
    for other in (bundle_of(gateway, b"another"), bundle_of(gateway), bundle_of(gateway, b"retry me", project="b")):
        other.add(click())
        assert ids(other)[0] not in first


def test_an_id_of_the_events_own_goes_before_the_key(gateway: Gateway) -> None:
    given = "0b9f6c1e-5a3d-4f7b-8c2e-9d1a0b3c4d5e"
    bundle = bundle_of(gateway, b"retry me")
    assert bundle.add(click(event_id=given)).event_id == given


@pytest.mark.parametrize("key", [b"", b"retry me"])
def test_what_came_with_an_event_is_of_the_same_visitor_and_time(gateway: Gateway, key: bytes) -> None:
    bundle = bundle_of(gateway, key)
    settled = bundle.add(click(also=PERSON, client_ms=NOW - 60_000))
    event, person = lines_of(bundle)
    assert (event["kind"], person["kind"]) == ("track", "identify")
    same = ("device_id", "session_id", "time", "ip", "user_agent")
    assert [event[name] for name in same] == [person[name] for name in same]
    assert settled.event_id == event["event_id"] != person["event_id"]
    assert bundle.counts == {RawKind.TRACK: 1, RawKind.IDENTIFY: 1}
    repeated = bundle_of(gateway, key)
    repeated.add(click(also=PERSON, client_ms=NOW - 60_000))
    assert (ids(repeated) == ids(bundle)) is bool(key)


def test_a_servers_repeat_lies_where_the_first_does(gateway: Gateway) -> None:
    """Without a device an event is placed by its id, so the worker that knows the first sees the repeat."""
    for number in range(20):
        places = set()
        for _ in range(2):
            bundle = bundle_of(gateway, agent=b"node")
            assert bundle.add(click(event_id=f"order {number}")).device_id == ""
            places |= set(bundle.lines)
        assert len(places) == 1


def test_a_request_does_not_become_more_than_there_is_room_for(gateway: Gateway) -> None:
    """What a body says once is in each of its events."""
    record = ProjectRecord(id="shop", organization_id="acme", name="Shop")
    admission = Admission(Project(record), "c", verified=True)
    bundle = Bundle(gateway, "ga4", {}, "81.2.69.142", admission, NOW, room=20_000)
    said_of_all = SentEvent(RawKind.TRACK, {"name": "clicked", "properties": {"said": "x" * 5_000}}, device_id="d")
    for _ in range(3):
        bundle.add(said_of_all)
    with pytest.raises(TooLargeAltogether) as refused:
        bundle.add(said_of_all)
    assert (refused.value.status, refused.value.reason) == (413, "too_large")


def test_a_key_of_any_length_names_its_events(gateway: Gateway) -> None:
    bundles = [bundle_of(gateway, b"k" * 100_000 + end) for end in (b"1", b"1", b"2")]
    given = [[bundle.add(click()).event_id for _ in range(2)] for bundle in bundles]
    assert given[0] == given[1]
    assert len({*given[0], *given[2]}) == 4


def test_there_is_room_for_what_a_body_says_and_for_no_more_than_may_wait_for_kafka() -> None:
    assert room_for_events(10_000_000, 64 * 1024 * 1024) > 20_000_000
    assert room_for_events(10_000_000, 4_000_000) == 4_000_000


MINUTE = 60_000


def test_what_is_refused_leaves_its_visitors_session_as_it_was(gateway: Gateway) -> None:
    """The worker never hears of it: had it begun the session or made it longer, later answers would be wrong."""
    bundle = bundle_of(gateway)
    large = SentEvent(RawKind.TRACK, {"name": "a", "properties": {"x": "y" * 1_100_000}}, device_id="refused")
    for minute in (0, 50):
        with pytest.raises(Refusal) as refused:
            bundle.add(large._replace(client_ms=NOW - minute * MINUTE))
        assert refused.value.reason == "too_large"
    first = bundle.add(click(device_id="refused", client_ms=NOW - 50 * MINUTE, event_id="x"))
    with pytest.raises(Refusal):
        bundle.add(large._replace(client_ms=NOW - 25 * MINUTE))
    second = bundle.add(click(device_id="refused", client_ms=NOW, event_id="y"))
    assert first.session_id == session_id("shop", "refused", session_bucket(NOW - 50 * MINUTE))
    assert second.session_id == session_id("shop", "refused", session_bucket(NOW))


def test_what_its_person_makes_too_large_leaves_the_session_as_it_was(gateway: Gateway) -> None:
    bundle = bundle_of(gateway)
    person = PERSON._replace(payload={"properties": {"x": "y" * 1_100_000}})
    with pytest.raises(Refusal):
        bundle.add(click(also=person, device_id="beside", client_ms=NOW - 25 * MINUTE))
    told = bundle.add(click(device_id="beside", client_ms=NOW)).session_id
    assert told == session_id("shop", "beside", session_bucket(NOW))


def test_of_those_with_one_id_the_first_decides_of_the_session(gateway: Gateway) -> None:
    bundle = bundle_of(gateway)
    first = bundle.add(click(device_id="twice", client_ms=NOW - 50 * MINUTE, event_id="same"))
    assert bundle.add(click(device_id="twice", client_ms=NOW - 25 * MINUTE, event_id="same")) == first
    later = bundle.add(click(device_id="twice", client_ms=NOW, event_id="another"))
    assert later.session_id != first.session_id
    elsewhere = bundle.add(click(device_id="thrice", client_ms=NOW, event_id="same"))
    assert elsewhere.device_id == "thrice"


def test_an_event_like_the_one_before_makes_its_session_longer(gateway: Gateway) -> None:
    bundle = bundle_of(gateway)
    told = [bundle.add(click(device_id="alike", client_ms=NOW - ago * MINUTE)) for ago in (50, 25, 0)]
    assert len({settled.session_id for settled in told}) == 1
    later = bundle_of(gateway).add(click(device_id="alike", client_ms=NOW + MINUTE))
    assert later.session_id == told[0].session_id


def test_a_session_that_has_grown_takes_in_what_did_not_belong_to_it_before(gateway: Gateway) -> None:
    """By the workers' rule: up to thirty minutes before its start, wherever that is by now."""
    bundle = bundle_of(gateway)
    devices = ["grown", "grown", "grown", "another", "grown"]
    told = [
        bundle.add(click(device_id=device, client_ms=NOW - ago * MINUTE)).session_id
        for device, ago in zip(devices, [0, 50, 20, 20, 50], strict=True)
    ]
    assert told[1] != told[0]
    assert told[2] == told[4] == told[0]


def told_one_by_one(gateway: Gateway, events: list[SentEvent], *, anonymize: bool, apart: bool) -> list[object]:
    """What became of each event, and the lines; ``apart``: none is taken for one like that before it."""
    record = ProjectRecord(id="shop", organization_id="acme", name="Shop", anonymize_ip=anonymize)
    headers = {b"user-agent": BROWSER, b"idempotency-key": b"retry me"}
    admission = Admission(Project(record), "c", verified=True)
    bundle = Bundle(gateway, "batch", headers, "81.2.69.142", admission, NOW, room=4_000)
    told: list[object] = []
    for event in events:
        if apart:
            bundle._alike = bundle._last = None
        try:
            told.append(bundle.add(event))
        except Refusal as refusal:
            told.append(refusal.reason)
    lines = {partition: [orjson.loads(line) for line in lines] for partition, lines in bundle.lines.items()}
    return [told, lines, bundle.counts]


PAYLOADS = [{"name": "a"}, {"name": "81.2.69.142"}, {"name": "x" * 1_500}]
FRAMES: dict[str, list[object]] = {
    "kind": [RawKind.TRACK, RawKind.TRACK, RawKind.IDENTIFY],
    "payload": [{}],
    "profile_id": ["", "ann"],
    "device_id": ["", "", "given"],
    "ip": ["", "2001:db8::1"],
    "user_agent": [None, "node", "Mozilla/5.0 (X11; Linux x86_64) Firefox/139.0"],
    "also": [None, None, None, PERSON],
    "claims_revenue": [False, True],
    "sdk_name": ["", "web"],
    "sent_ms": [None, None, NOW + MINUTE],
}
TIMES = [None, NOW, NOW - 1, NOW - 20 * MINUTE, NOW - 50 * MINUTE, 0]


@st.composite
def some_events(draw: st.DrawFn) -> list[SentEvent]:
    """Of few senders, so that many are like the one before."""
    frame = st.builds(SentEvent, **{name: st.sampled_from(values) for name, values in FRAMES.items()})
    frames = draw(st.lists(frame, min_size=1, max_size=2))
    own = st.tuples(
        st.sampled_from(frames), st.sampled_from(PAYLOADS), st.sampled_from(["", "twice"]), st.sampled_from(TIMES)
    )
    return [
        frame._replace(payload=payload, event_id=event_id, client_ms=client_ms)
        for frame, payload, event_id, client_ms in draw(st.lists(own, max_size=12))
    ]


@given(some_events(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_events_alike_become_what_each_would_by_itself(events: list[SentEvent], anonymize: bool) -> None:
    async def both() -> None:
        ways = [
            told_one_by_one(await _make_gateway(), events, anonymize=anonymize, apart=apart) for apart in (False, True)
        ]
        assert ways[0] == ways[1]

    asyncio.run(both())


def test_a_visit_of_the_day_before_does_not_draw_in_what_is_of_today() -> None:
    """An event like the one before is looked for under the newest salt first all the same."""

    async def devices() -> list[str]:
        gateway = await _make_gateway()
        gateway.access.apply_salt("2026-11-20", SaltRecord(day="2026-11-20", salt="3c" * 32))
        newest, before = (
            device_hash(bytes.fromhex(salt * 32), "shop", "81.2.69.142", BROWSER.decode()) for salt in ("5a", "3c")
        )
        gateway.sessions.begin("shop", before, NOW - 50 * MINUTE, "a")
        gateway.sessions.join("shop", before, NOW - 25 * MINUTE, extend=True)
        gateway.sessions.begin("shop", newest, NOW, "b")
        bundle = bundle_of(gateway)
        found = [bundle.add(click(client_ms=NOW - ago * MINUTE)).device_id for ago in (50, 45, 1, 2)]
        return ["newest" if device_id == newest else "before" for device_id in found]

    assert asyncio.run(devices()) == ["before", "before", "newest", "newest"]
