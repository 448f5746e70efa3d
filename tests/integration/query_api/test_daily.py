"""Numbers are the same whether they come from folded days, from half hours, or from events and sessions."""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from query_api.folded_days import FoldedDaysReader
from query_api.periods import Interval, Period
from query_api.reader import OverviewRows, Reader
from query_api.sql import lists, overview
from query_api.sql.builder import Query
from query_api.sql.dimensions import Dimension
from schemas.session import Session
from sinks.daily import fold
from sinks.daily_days import Day
from sinks.daily_manifest import forget
from sinks.settings import SinkSettings
from tests.integration.query_api.conftest import OpenApi, World, insert_rows
from tests.integration.query_api.dataset import Hit, Visit, event_row, session_rows

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DATABASE = "weir"
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
SOME = (Dimension.COUNTRY, Dimension.REFERRER_NAME, Dimension.ENTRY_PATH)
Rows = list[dict[str, Any]]


def midnight(zone: ZoneInfo, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def days(zone: ZoneInfo, first: date, count: int) -> list[Day]:
    """Days of a calendar, some of 23 or 25 hours."""
    moments = [midnight(zone, first + timedelta(days=number)) for number in range(count + 1)]
    utc = [moment.astimezone(UTC) for moment in moments]
    return [Day(start, end) for start, end in pairwise(utc)]


def period(zone: ZoneInfo, first: date, count: int, interval: Interval = Interval.DAY) -> Period:
    return Period(midnight(zone, first), midnight(zone, first + timedelta(days=count)), interval)


@pytest.fixture(scope="module")
def sink_settings(store_url: str) -> SinkSettings:
    return SinkSettings(clickhouse_url=SecretStr(store_url))


@pytest.fixture(scope="module")
def client(store_url: str) -> Iterator[Client]:
    client = clickhouse_connect.get_client(dsn=store_url, autogenerate_session_id=False)
    client.database = DATABASE
    yield client
    client.close()


@pytest.fixture(scope="module")
def folded(world: World, client: Client, sink_settings: SinkSettings) -> None:
    """All days of two projects but the last one, which is not over."""
    fold(client, sink_settings, "shop", days(BERLIN, date(2026, 1, 1), 88))
    fold(client, sink_settings, "blog", days(NEW_YORK, date(2025, 12, 31), 89))


LOOKED_UP: dict[int, FoldedDaysReader] = {}
"""By what folded days are worth. They live on, so that each question begins with what was folded at the one before."""


class Asked:
    """Readers of one store: one that reads folded days whenever there is one, and one that never does."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.answered_daily: list[bool] = []

    def reader(self, *, daily: bool) -> Reader:
        worth = 0 if daily else 2**63
        looked_up = LOOKED_UP.setdefault(worth, FoldedDaysReader(self.rows, DATABASE, worth, 0))
        return Reader(self.rows, DATABASE, looked_up, self.answered_daily.append)

    async def rows(self, query: Query) -> Rows:
        result = self._client.query(query.sql, parameters=query.parameters)
        return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def figures(found: OverviewRows) -> dict[tuple[int, int], dict[str, int]]:
    """The numbers of each part, without those that are 0."""
    parts: dict[tuple[int, int], dict[str, int]] = {}
    for row in (*found.events, *found.sessions):
        numbers = {name: value for name, value in row.items() if value and name not in ("current", "bucket")}
        parts.setdefault((row["current"], row["bucket"]), {}).update(numbers)
    return {part: numbers for part, numbers in parts.items() if numbers}


async def compare(
    client: Client,
    project: str,
    asked: Period,
    limits: tuple[int, ...] = (1, 3, 50),
    dimensions: tuple[Dimension, ...] = SOME,
) -> bool:
    """Ask everything all three ways; whether folded days were read."""
    ways = Asked(client)
    daily, halves = ways.reader(daily=True), ways.reader(daily=False)
    parts = figures(await daily.overview(project, asked))
    is_daily = ways.answered_daily[-1]
    assert parts == figures(await halves.overview(project, asked))
    assert parts == figures(
        OverviewRows(*[await ways.rows(query) for query in overview.overview(DATABASE, project, asked, rolled=False)])
    )
    for limit in limits:
        told = await daily.pages(project, asked, limit)
        assert told == await halves.pages(project, asked, limit)
        assert told == await ways.rows(lists.pages(DATABASE, project, asked, limit, rolled=False))
        told = await daily.event_names(project, asked, limit)
        assert told == await halves.event_names(project, asked, limit)
        assert told == await ways.rows(lists.event_names(DATABASE, project, asked, limit, rolled=False))
        for dimension in dimensions:
            told = await daily.sessions_by(dimension, project, asked, limit)
            assert told == await halves.sessions_by(dimension, project, asked, limit)
            raw = lists.sessions_by(dimension, DATABASE, project, asked, limit, rolled=False)
            assert told == await ways.rows(raw)
    return is_daily


PERIODS = {
    "today among them": ("shop", period(BERLIN, date(2026, 2, 28), 31)),
    "weeks": ("blog", period(NEW_YORK, date(2026, 2, 1), 42, Interval.WEEK)),
    "months": ("blog", period(NEW_YORK, date(2026, 2, 1), 59, Interval.MONTH)),
    "before anything came": ("shop", period(BERLIN, date(2026, 1, 1), 20)),
    "clocks go forward": ("shop", period(BERLIN, date(2026, 3, 26), 5)),
}


@pytest.mark.usefixtures("folded")
@pytest.mark.parametrize(("project", "asked"), PERIODS.values(), ids=PERIODS)
async def test_the_same_three_ways(client: Client, project: str, asked: Period) -> None:
    assert await compare(client, project, asked)


@pytest.mark.usefixtures("folded")
@pytest.mark.parametrize("dimension", Dimension)
async def test_every_list_of_sessions(client: Client, dimension: Dimension) -> None:
    project, asked = PERIODS["today among them"]
    ways = Asked(client)
    told = await ways.reader(daily=True).sessions_by(dimension, project, asked, 50)
    assert ways.answered_daily == [True]
    assert told == await ways.rows(lists.sessions_by(dimension, DATABASE, project, asked, 50, rolled=False))


@pytest.mark.usefixtures("folded")
async def test_another_calendar_has_no_such_days(client: Client) -> None:
    assert not await compare(client, "shop", period(NEW_YORK, date(2026, 3, 1), 20), limits=(50,))
    assert not await compare(client, "blog", period(BERLIN, date(2026, 3, 1), 20), limits=(50,))
    assert not await compare(client, "rival", period(BERLIN, date(2026, 3, 1), 20), limits=(50,))


async def test_some_days_are_left_to_half_hours(folded: None, client: Client, sink_settings: SinkSettings) -> None:
    asked = period(BERLIN, date(2026, 2, 28), 31)
    gone = [day for day in days(BERLIN, date(2026, 3, 1), 28) if day.started.day % 7 == 3]
    forget(client, [(day.started, day.ended) for day in gone], "shop")
    ways = Asked(client)
    found = await ways.reader(daily=True).folded_days.find("shop", asked)
    assert found is not None
    assert len(found.rest) == len(gone) + 1
    assert await compare(client, "shop", asked)
    fold(client, sink_settings, "shop", gone)
    assert await compare(client, "shop", asked, limits=(50,))
    # Of the period before, too: the overview compares with it.
    forget(client, [(asked.previous().start.astimezone(UTC), asked.end.astimezone(UTC))], "shop")
    assert not await compare(client, "shop", asked, limits=(50,))
    fold(client, sink_settings, "shop", days(BERLIN, asked.previous().start.date(), 61))


async def test_requests_are_answered_from_folded_days(folded: None, open_api: OpenApi, world: World) -> None:
    paths = ("metrics", "pages", "events/names", "country")
    answers = []
    for worth in (0, 2**62):
        async with open_api(settings=world.settings.model_copy(update={"query_daily_events": worth})) as http:
            asked = [http.get(f"/insights/shop/{path}", params={"range": "30d"}) for path in paths]
            answers.append([response.json() for response in await asyncio.gather(*asked)])
            told = (await http.get("/metrics")).text
        source = "daily" if worth == 0 else "half_hours"
        assert f'weir_query_api_rollup_answers_total{{source="{source}"}} {len(paths)}.0' in told
    assert answers[0] == answers[1]
    assert answers[0][0]["metrics"]["unique_visitors"] > 0


FIRST = midnight(BERLIN, date(2025, 10, 20))
SPAN = period(BERLIN, date(2025, 10, 25), 6)
"""With the day of 25 hours; the period before is compared with it."""


@st.composite
def a_visit(draw: st.DrawFn) -> Visit:
    """Of few devices and pages, often across midnight."""
    minutes = draw(st.integers(0, 11 * 24 * 60) | st.sampled_from([24 * 60 * day - 5 for day in range(1, 11)]))
    time_ms = round(FIRST.timestamp() * 1000) + minutes * 60_000
    device = draw(st.sampled_from(("", "a", "b", "c", "d")))
    session = f"session-{draw(st.uuids(version=4))}"
    hits = []
    for gap in draw(st.lists(st.integers(1, 1_700_000), min_size=1, max_size=4)):
        name, path = draw(st.sampled_from(("screen_view", "sign_up"))), draw(st.sampled_from(("/", "/docs", "/new")))
        hits.append(Hit("", time_ms, name, path, device, session, event_id=str(draw(st.uuids(version=4)))))
        time_ms += gap
    country, source = draw(st.sampled_from(("DE", "SE", ""))), draw(st.sampled_from((("", ""), ("Google", "search"))))
    return Visit("", session, device, country, "desktop", "Chrome", source, tuple(hits))


@st.composite
def a_prolongation(draw: st.DrawFn) -> tuple[int, bool, int, str]:
    """Which visit goes on, or began earlier, by how long, and where."""
    return (
        draw(st.integers(0, 30)),
        draw(st.booleans()),
        draw(st.integers(1, 26 * 3_600_000)),
        draw(st.sampled_from(("/", "/late"))),
    )


@pytest.mark.timeout(900)
@settings(
    max_examples=4,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    early=st.lists(a_visit(), min_size=8, max_size=25),
    late=st.lists(a_visit(), max_size=3),
    prolonged=st.lists(a_prolongation(), max_size=2),
    unfolded=st.sets(st.integers(0, 10), max_size=3),
    again=st.sets(st.integers(0, 10), max_size=3),
)
def test_whatever_comes_late(
    client: Client,
    store_url: str,
    sink_settings: SinkSettings,
    early: list[Visit],
    late: list[Visit],
    prolonged: list[tuple[int, bool, int, str]],
    unfolded: set[int],
    again: set[int],
) -> None:
    project = f"late-{uuid.uuid4()}"
    visits = [_of(project, visit) for visit in early]
    _insert(store_url, visits)
    calendar = days(BERLIN, FIRST.date(), 11)
    fold(client, sink_settings, project, [day for number, day in enumerate(calendar) if number not in unfolded])
    _insert(store_url, [_of(project, visit) for visit in late])
    for number, backwards, by_ms, path in prolonged:
        at = number % len(visits)
        visits[at] = _prolong(store_url, visits[at], backwards, by_ms, path)
    asyncio.run(compare(client, project, SPAN, (2,), (Dimension.ENTRY_PATH,)))
    fold(client, sink_settings, project, [calendar[number] for number in sorted(again)])
    asyncio.run(compare(client, project, SPAN, (2,), (Dimension.ENTRY_PATH,)))


def _of(project: str, visit: Visit) -> Visit:
    return replace(visit, project_id=project, hits=tuple(replace(hit, project_id=project) for hit in visit.hits))


def _insert(url: str, visits: list[Visit]) -> None:
    if visits:
        insert_rows(url, "events", [event_row(hit, visit) for visit in visits for hit in visit.hits])
        insert_rows(url, "sessions", [row for visit in visits for row in session_rows(visit)])


def _prolong(url: str, visit: Visit, backwards: bool, by_ms: int, path: str) -> Visit:
    """One more event of a session, and the session corrected by it."""
    last = max(session_rows(visit), key=lambda row: row.version)
    time_ms = visit.hits[0].time_ms - by_ms if backwards else visit.hits[-1].time_ms + by_ms
    hit = replace(visit.hits[0], time_ms=time_ms, name="screen_view", path=path, event_id=str(uuid.uuid4()))
    longer = replace(visit, hits=(hit, *visit.hits) if backwards else (*visit.hits, hit))
    corrected: Session = max(session_rows(longer), key=lambda row: row.version)
    # Versions count the session's corrections; twice prolonged, it has had more of them than it has events.
    version = last.version + 10 * len(visit.hits)
    rows = [last.model_copy(update={"sign": -1}), corrected.model_copy(update={"version": version})]
    insert_rows(url, "events", [event_row(hit, longer)])
    insert_rows(url, "sessions", rows)
    return longer
