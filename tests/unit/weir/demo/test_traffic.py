"""The demo's traffic: repeatable, in order, and like that of a shop."""

from collections import Counter, defaultdict
from itertools import islice, pairwise

import pytest

from schemas.bots import bot_name
from schemas.session_id import SESSION_TIMEOUT_MS
from weir.demo.traffic import Hit, Traffic, busyness
from weir.demo.world import CRAWLER, DEVICES, SHOP, SOURCES

DAY_MS = 24 * 3_600_000
END_MS = 1_795_000_000_000
START_MS = END_MS - 14 * DAY_MS


def history(seed: int = 7) -> list[Hit]:
    return list(Traffic(seed).history(START_MS, END_MS, visits_per_day=200))


def times(hits: list[Hit]) -> list[int]:
    return [hit.time_ms for hit in hits if hit.time_ms is not None]


@pytest.fixture(scope="module")
def hits() -> list[Hit]:
    return history()


def test_the_same_seed_gives_the_same(hits: list[Hit]) -> None:
    assert [(hit.time_ms, hit.visitor.ip, hit.step) for hit in history()] == [
        (hit.time_ms, hit.visitor.ip, hit.step) for hit in hits
    ]
    assert [hit.step for hit in history(8)] != [hit.step for hit in hits]


def test_history_is_in_order_and_within_its_times(hits: list[Hit]) -> None:
    moments = times(hits)
    assert len(moments) == len(hits)
    assert moments == sorted(moments)
    assert moments[0] >= START_MS
    assert moments[-1] < END_MS


def test_times_of_a_visitor_never_repeat_and_visits_never_touch(hits: list[Hit]) -> None:
    by_visitor = defaultdict(list)
    for hit in hits:
        by_visitor[hit.visitor.number].append(hit)
    returned = 0
    for own in by_visitor.values():
        moments = times(own)
        assert len(set(moments)) == len(moments)
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        visits = 1 + sum(gap > SESSION_TIMEOUT_MS for gap in gaps)
        returned += visits > 1
        assert visits <= own[0].visitor.visits
    assert returned / len(by_visitor) > 0.1


def test_the_funnel_narrows(hits: list[Hit]) -> None:
    names = Counter(hit.step.name for hit in hits)
    funnel = [names[name] for name in ("product_viewed", "add_to_cart", "checkout_started", "purchase")]
    assert funnel == sorted(funnel, reverse=True)
    assert funnel[-1] > 20
    assert names["revenue"] == names["purchase"]
    assert names["sign_up"] > 20
    assert names["screen_view"] > len(hits) / 2


def test_money_is_in_cents_and_every_page_is_the_shops(hits: list[Hit]) -> None:
    for hit in hits:
        assert hit.step.properties["__path"].startswith(SHOP)
        if hit.step.name == "revenue":
            amount = hit.step.properties["__revenue"]
            assert isinstance(amount, int)
            assert 1_000 < amount < 1_000_000


def test_who_signs_up_is_known_from_then_on(hits: list[Hit]) -> None:
    known: dict[int, str] = {}
    people = set()
    for hit in hits:
        if hit.step.identify is not None:
            assert hit.visitor.number not in known
            known[hit.visitor.number] = hit.step.identify.profile_id
            people.add(hit.step.identify.email)
        if hit.step.profile_id:
            assert hit.step.profile_id == known[hit.visitor.number]
    assert len(people) == len(known)


def test_visitors_differ(hits: list[Hit]) -> None:
    visitors = {hit.visitor.number: hit.visitor for hit in hits}.values()
    assert len({visitor.ip for visitor in visitors}) > 0.99 * len(visitors)
    assert len({visitor.country.code for visitor in visitors}) > 10
    assert {visitor.device.user_agent for visitor in visitors} > {device.user_agent for device in DEVICES}
    assert len({hit.step.properties.get("__referrer") for hit in hits}) > len(SOURCES) / 2


def test_only_the_crawler_is_one() -> None:
    assert bot_name(CRAWLER.user_agent) == "Googlebot"
    assert {bot_name(device.user_agent) for device in DEVICES} == {""}


def test_nights_are_quiet_and_weeks_have_a_rhythm(hits: list[Hit]) -> None:
    assert busyness(4 * 3_600_000) < 0.6 * busyness(19 * 3_600_000)
    average = sum(busyness(hour * 3_600_000) for hour in range(7 * 24)) / (7 * 24)
    assert average == pytest.approx(1, abs=0.05)
    by_hour = Counter(moment // 3_600_000 % 24 for moment in times(hits))
    assert by_hour[7] < by_hour[19]


def test_the_stream_has_no_end_and_no_times() -> None:
    stream = list(islice(Traffic(3).stream(20, END_MS), 5_000))
    assert {hit.time_ms for hit in stream} == {None}
    assert len({hit.visitor.number for hit in stream}) > 300
    first: dict[int, str] = {}
    for hit in stream:
        first.setdefault(hit.visitor.number, hit.step.name)
    assert set(first.values()) == {"screen_view"}
