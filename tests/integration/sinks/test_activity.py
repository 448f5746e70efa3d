"""Retention, stickiness and lifecycle against a plain model of who was there on which days."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from query_api.errors import InvalidRequestError
from query_api.periods import Interval, Period
from query_api.sql.builder import Query
from query_api.sql.lifecycle import lifecycle
from query_api.sql.retention import retention
from query_api.sql.stickiness import stickiness
from sinks.migration_files import read_migrations
from sinks.rendering import render
from sinks.rollup_compare import compare
from sinks.rollups import ACTIVE_DAYS
from tests.integration.sinks.store import Store

FIRST = datetime(2026, 2, 20, tzinfo=UTC)
DAYS = 60
LINKS = {"device-1": "ann", "device-2": "ann", "device-3": "bob"}
ALIASES = {"bob": "robert"}


@dataclass(frozen=True)
class Seen:
    """An event: who, and when."""

    device: str
    profile: str
    at: datetime

    def who(self, people: bool) -> str:
        """The device, or the person as docs/identity.md says it."""
        if not people:
            return self.device
        named = self.profile or LINKS.get(self.device) or self.device
        return ALIASES.get(named, named)


def traffic(seed: int) -> list[Seen]:
    """Devices with habits of their own; some events name a profile, some have no device."""
    dice = random.Random(seed)
    found = []
    for number in range(60):
        first, often = dice.randrange(DAYS), dice.choice((0.1, 0.4, 0.9))
        for day in range(first, DAYS):
            if day > first and dice.random() > often:
                continue
            for _ in range(dice.choice((1, 2))):
                at = FIRST + timedelta(days=day, milliseconds=dice.randrange(86_400_000))
                profile = dice.choice(("", "", "", "", "robert", "eve")) if number % 10 == 0 else ""
                found.append(Seen("" if profile and dice.random() < 0.3 else f"device-{number}", profile, at))
    return found


def put(client: Client, seen: Sequence[Seen]) -> None:
    """The events, and around them what must count nowhere."""
    columns = ["project_id", "name", "device_id", "profile_id", "created_at", "bot", "synthesized", "raw_offset"]
    rows: list[list[Any]] = [
        ["shop", "x", one.device, one.profile, one.at, "", 0, number] for number, one in enumerate(seen)
    ]
    for day in range(DAYS):
        at = FIRST + timedelta(days=day)
        rows.append(["shop", "x", "robot", "", at, "Googlebot", 0, 0])
        rows.append(["shop", "session_end", "ghost", "", at, "", 1, 0])
        rows.append(["rival", "x", "device-1", "", at, "", 0, 0])
        rows.append(["shop", "x", "", "", at, "", 0, 0])
    client.insert("events", rows, columns)
    links = [["shop", "device", device, profile] for device, profile in LINKS.items()]
    links += [["shop", "profile", alias, profile] for alias, profile in ALIASES.items()]
    client.insert(
        "identities", [[*link, 1] for link in links], ["project_id", "kind", "source_id", "profile_id", "version"]
    )


def rows(client: Client, query: Query) -> list[Mapping[str, Any]]:
    return list(client.query(query.sql, query.parameters).named_results())


def database(client: Client) -> str:
    assert client.database is not None
    return client.database


def by_part(seen: Sequence[Seen], period: Period, people: bool) -> dict[str, set[int]]:
    """For everybody the parts they were there in; −1: before all of them."""
    starts = [*(moment.astimezone(UTC) for moment in period.buckets()), period.end.astimezone(UTC)]
    found = defaultdict(set)
    for one in seen:
        if (who := one.who(people)) and one.at < starts[-1]:
            found[who].add(sum(start <= one.at for start in starts) - 1)
    return found


def period(zone: str, days: int, interval: Interval) -> Period:
    """So many days up to the last but three."""
    here = ZoneInfo(zone)
    last = FIRST.date() + timedelta(days=DAYS - 3)
    first = last - timedelta(days=days)
    return Period(
        datetime(first.year, first.month, first.day, tzinfo=here),
        datetime(last.year, last.month, last.day, tzinfo=here),
        interval,
    )


ASKED = (
    period("Europe/Berlin", 40, Interval.DAY),
    period("America/New_York", 45, Interval.WEEK),
    period("Asia/Kolkata", 35, Interval.DAY),
    period("Pacific/Auckland", 57, Interval.MONTH),
)
"""Over the days on which the first two zones put their clocks forward, and the last puts them back."""


@pytest.fixture(scope="module")
def seen() -> list[Seen]:
    return traffic(7)


@pytest.mark.parametrize("people", [False, True], ids=["devices", "people"])
def test_the_numbers_are_those_of_a_plain_model(schema: Client, seen: list[Seen], people: bool) -> None:
    put(schema, seen)
    for asked in ASKED:
        there = by_part(seen, asked, people)
        found = rows(schema, retention(database(schema), "shop", asked, people=people))
        assert {(row["cohort"], row["part"]): row["visitors"] for row in found} == retained(there)
        told = rows(schema, lifecycle(database(schema), "shop", asked, people=people))
        assert [tuple(row.values()) for row in told] == lives(seen, asked, people)
    for asked in ASKED[::2]:
        queries = stickiness(database(schema), "shop", asked, people=people)
        stuck = [row for query in queries for row in rows(schema, query)]
        assert [(row["day"], row["daily"], row["weekly"], row["monthly"]) for row in stuck] == sticking(
            seen, asked, people
        )


def retained(there: Mapping[str, set[int]]) -> dict[tuple[int, int], int]:
    """How many of each cohort in each part."""
    found: defaultdict[tuple[int, int], int] = defaultdict(int)
    for parts in there.values():
        if min(parts) >= 0:
            for part in parts:
                found[min(parts), part] += 1
    return dict(found)


def lives(seen: Sequence[Seen], asked: Period, people: bool) -> list[tuple[int, ...]]:
    """Per part: fresh, returning, resurrecting, dormant."""
    before = asked.previous().buckets()[-1]
    longer = by_part(seen, asked, people)
    starts = [before, *asked.buckets(), asked.end]
    ends = [moment.astimezone(UTC) for moment in starts]
    found: list[tuple[int, ...]] = []
    for part, ((was, start), end) in enumerate(zip(pairwise(ends), ends[2:], strict=False)):
        now = {who for who, parts in longer.items() if part in parts}
        last = {one.who(people) for one in seen if was <= one.at < start} - {""}
        ever = {one.who(people) for one in seen if one.at < start} - {""}
        found.append((part, len(now - ever), len(now & last), len((now & ever) - last), len(last - now)))
        assert end > start
    return found


def sticking(seen: Sequence[Seen], asked: Period, people: bool) -> list[tuple[int, ...]]:
    """Per day: active on it, in the 7 days and in the 30 days that end with it."""
    zone = asked.start.tzinfo
    days = defaultdict(set)
    for one in seen:
        if who := one.who(people):
            days[one.at.astimezone(zone).date()].add(who)
    found: list[tuple[int, ...]] = []
    for number, start in enumerate(asked.buckets()):
        wide = [
            len(set().union(*(days[start.date() - timedelta(days=back)] for back in range(width))))
            for width in (1, 7, 30)
        ]
        found.append((number, *wide))
    return found


def test_what_was_there_before_the_table_is_in_it(schema: Client, store: Store, seen: list[Seen]) -> None:
    """Filled from the table while rows come in twice over: the same."""
    put(schema, seen)
    asked = "select project_id, device, profile, day, groupBitOr(halves) from active_days group by all order by all"
    filled = schema.query(asked).result_rows
    schema.command("truncate table active_days")
    settings = store.settings("127.0.0.1:1", database=database(schema))
    fill = [
        step.sql
        for migration in read_migrations()
        if migration.file.endswith("_active_days.sql")
        for step in migration.statements
        if step.sql.startswith("insert")
    ]
    for _ in range(2):
        schema.command(render(fill[0], settings))
    assert len(filled) > 100
    assert schema.query(asked).result_rows == filled
    assert compare(schema, ACTIVE_DAYS, settle_seconds=0.0).pieces == {}
    schema.command("alter table active_days delete where device % 7 = 0 settings mutations_sync = 2")
    assert compare(schema, ACTIVE_DAYS, settle_seconds=0.0).pieces != {}


def test_what_cannot_be_answered_is_said() -> None:
    with pytest.raises(InvalidRequestError, match="more than 63 parts"):
        retention("weir", "shop", period("Europe/Berlin", 64, Interval.DAY))
    with pytest.raises(InvalidRequestError, match="more than 62 parts"):
        lifecycle("weir", "shop", period("Europe/Berlin", 63, Interval.DAY))
    with pytest.raises(InvalidRequestError, match="days, weeks or months"):
        retention("weir", "shop", period("Europe/Berlin", 2, Interval.HOUR))
    with pytest.raises(InvalidRequestError, match="by the day"):
        stickiness("weir", "shop", period("Europe/Berlin", 14, Interval.WEEK))
