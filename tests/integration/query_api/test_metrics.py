"""The overview against the same numbers computed by hand from the same visits."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from query_api.routes.overview import ComparedFigures
from tests.integration.query_api.conftest import NOW, OpenApi, World
from tests.integration.query_api.dataset import Visit

pytestmark = pytest.mark.integration


def by_hand(world: World, project: str, start: datetime, end: datetime) -> dict[str, float]:
    """The figures of [start, end), counted in Python from the visits."""
    first, last = start.timestamp() * 1000, end.timestamp() * 1000
    hits = [hit for visit in world.visits[project] for hit in visit.hits if first <= hit.time_ms < last]
    began = [visit for visit in world.visits[project] if first <= visit.start_ms < last]
    lasting = [visit.duration_ms for visit in began if visit.duration_ms > 0]
    return {
        "unique_visitors": len({hit.device_id for hit in hits}),
        "total_screen_views": sum(hit.name == "screen_view" for hit in hits),
        "total_sessions": len(began),
        "bounce_rate": round(100 * sum(_bounced(visit) for visit in began) / len(began), 2) if began else 0,
        "avg_session_duration": round(sum(lasting) / len(lasting) / 1000, 2) if lasting else 0,
        "views_per_session": round(sum(visit.screen_views for visit in began) / len(began), 2) if began else 0,
    }


def _bounced(visit: Visit) -> bool:
    return visit.screen_views <= 1


def compared(now: dict[str, float], then: dict[str, float]) -> dict[str, float]:
    return {**now, **{f"prev_{name}": value for name, value in then.items()}}


BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("project", "zone", "query", "start", "end"),
    [
        ("shop", BERLIN, {}, date(2026, 3, 23), date(2026, 3, 31)),
        ("shop", BERLIN, {"range": "30d"}, date(2026, 2, 28), date(2026, 3, 31)),
        ("shop", BERLIN, {"range": "yesterday"}, date(2026, 3, 29), date(2026, 3, 30)),
        ("blog", NEW_YORK, {"range": "today"}, date(2026, 3, 30), date(2026, 3, 31)),
        ("blog", NEW_YORK, {"range": "lastMonth"}, date(2026, 2, 1), date(2026, 3, 1)),
        ("shop", BERLIN, {"range": "3m", "interval": "week"}, date(2025, 12, 30), date(2026, 3, 31)),
        ("blog", NEW_YORK, {"range": "3m", "interval": "week"}, date(2025, 12, 30), date(2026, 3, 31)),
        ("blog", NEW_YORK, {"range": "12m"}, date(2025, 3, 1), date(2026, 4, 1)),
        ("shop", BERLIN, {"startDate": "2026-03-28", "endDate": "2026-03-29", "interval": "hour"},
         date(2026, 3, 28), date(2026, 3, 30)),
    ],
)  # fmt: skip
async def test_every_number_is_what_python_counts(
    open_api: OpenApi, world: World, project: str, zone: ZoneInfo, query: dict[str, str], start: date, end: date
) -> None:
    begin, finish = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in (start, end))
    before_day = start - (end - start)
    before = datetime(before_day.year, before_day.month, before_day.day, tzinfo=zone)
    async with open_api(world.read[project]) as http:
        response = await http.get(f"/insights/{project}/metrics", params=query)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["timezone"] == zone.key
    assert datetime.fromisoformat(answer["period"]["start"]) == begin
    assert datetime.fromisoformat(answer["period"]["end"]) == finish
    assert datetime.fromisoformat(answer["previous_period"]["start"]) == before
    assert answer["metrics"] == compared(by_hand(world, project, begin, finish), by_hand(world, project, before, begin))
    starts = [datetime.fromisoformat(part["date"]) for part in answer["series"]]
    assert starts[0] == begin
    assert starts == sorted(starts)
    assert answer["metrics"]["total_sessions"] > 0
    for part, begins, ends in zip(answer["series"], starts, [*starts[1:], finish], strict=True):
        expected = by_hand(world, project, begins, ends)
        assert {name: part[name] for name in expected} == expected
    for name in ("total_sessions", "total_screen_views"):
        assert sum(part[name] for part in answer["series"]) == answer["metrics"][name]


async def test_the_day_of_the_clock_change_has_23_hours(open_api: OpenApi) -> None:
    async with open_api() as http:
        answer = (await http.get("/insights/shop/metrics", params={"range": "yesterday"})).json()
    assert answer["interval"] == "hour"
    assert len(answer["series"]) == 23
    assert answer["series"][2]["date"] == "2026-03-29T03:00:00+02:00"


async def test_weeks_begin_on_the_project_s_day(open_api: OpenApi, world: World) -> None:
    for project, weekday in (("shop", 1), ("blog", 7)):
        async with open_api(world.read[project]) as http:
            answer = (await http.get(f"/insights/{project}/metrics", params={"range": "3m", "interval": "week"})).json()
        later = [datetime.fromisoformat(part["date"]) for part in answer["series"][1:]]
        assert {moment.isoweekday() for moment in later} == {weekday}


async def test_the_last_half_hour_by_the_minute(open_api: OpenApi, world: World) -> None:
    last = max(world.visits["shop"], key=lambda visit: visit.hits[-1].time_ms)
    now = datetime.fromtimestamp(last.hits[-1].time_ms / 1000, UTC) + timedelta(minutes=3)
    async with open_api(now=now) as http:
        answer = (await http.get("/insights/shop/metrics", params={"range": "30min"})).json()
        live = (await http.get("/insights/shop/live")).json()
    begin, finish = (datetime.fromisoformat(answer["period"][name]) for name in ("start", "end"))
    assert finish - begin == timedelta(minutes=31)
    assert len(answer["series"]) == 31
    expected = compared(
        by_hand(world, "shop", begin, finish), by_hand(world, "shop", begin - timedelta(minutes=31), begin)
    )
    assert answer["metrics"] == expected
    since = (now - timedelta(minutes=5)).timestamp() * 1000
    until = (now + timedelta(minutes=1)).timestamp() * 1000
    here = {h.device_id for v in world.visits["shop"] for h in v.hits if since < h.time_ms <= until}
    assert live == {"visitors": len(here)}
    assert here


async def test_a_project_without_events_has_zeros(open_api: OpenApi, world: World) -> None:
    async with open_api(world.read["empty"]) as http:
        answer = (await http.get("/insights/empty/metrics")).json()
        assert (await http.get("/insights/empty/live")).json() == {"visitors": 0}
    assert answer["metrics"] == dict.fromkeys(ComparedFigures.model_fields, 0)
    assert len(answer["series"]) == 8


async def test_parameters_that_make_no_sense_are_explained(open_api: OpenApi) -> None:
    async with open_api() as http:
        for query, word in (
            ({"range": "fortnight"}, "range"),
            ({"startDate": "2026-02-30"}, "startDate"),
            ({"startDate": "2026-03-02", "endDate": "2026-03-01"}, "ends before"),
            ({"range": "custom"}, "startDate"),
            ({"startDate": "2026-01-01", "interval": "minute"}, "parts"),
            ({"startDate": "0001-01-01"}, "1995"),
            ({"startDate": "2026-01-01", "endDate": "2099-12-31"}, "days"),
            ({"interval": "second"}, "interval"),
        ):
            response = await http.get("/insights/shop/metrics", params=query)
            assert response.status_code == 400, (query, response.text)
            assert set(response.json()) == {"status", "error", "message"}
            assert word in response.json()["message"], query


def test_now_lies_after_the_clock_change() -> None:
    assert NOW.astimezone(BERLIN).utcoffset() != (NOW - timedelta(days=2)).astimezone(BERLIN).utcoffset()
