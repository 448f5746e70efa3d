"""Every query carries the project's condition, wherever it reads a table, and no value is part of its text."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from query_api.periods import Interval, Period
from query_api.sql import daily, daily_lists, daily_overview, events, lists, overview, people, profiles, properties
from query_api.sql.builder import Query, quoted
from query_api.sql.dimensions import Dimension

NASTY = "it's `me`; drop {x:String} --"
PERIOD = Period(
    datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")), datetime(2026, 1, 8, tzinfo=ZoneInfo("UTC")), Interval.DAY
)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def daily_queries() -> list[Query]:
    found = []
    top = [{"name": NASTY, "hash": 1}]
    for days in (daily.FoldedDays(0, 86_400, (7,)), daily.FoldedDays(0, 86_400, (7,), ((0, 1_800),))):
        found.append(daily_overview.overview("db", NASTY, PERIOD, days))
        found.append(daily_lists.top_pages("db", NASTY, days, 10))
        found.append(daily_lists.pages("db", NASTY, days, [1], 10))
        for values in (daily_lists.EVENT_NAMES, *map(daily_lists.sessions_by, Dimension)):
            found.append(daily_lists.top_values("db", NASTY, values, days, 10))
            found += [daily_lists.visitors_of_values("db", NASTY, values, days, top * many) for many in (1, 1_000)]
    return found


def queries() -> list[Query]:
    person = people.PersonIds(NASTY, (NASTY,), (NASTY,))
    wanted = events.EventFilter((NASTY,), person, MOMENT, MOMENT)
    return [
        *overview.overview("db", NASTY, PERIOD, rolled=True),
        *overview.overview("db", NASTY, PERIOD, rolled=False),
        *(overview.live("db", NASTY, 1_000.5, rolled=rolled) for rolled in (True, False)),
        people.people("db", NASTY, PERIOD),
        people.person_of("db", NASTY, NASTY),
        people.links_of_person("db", NASTY, NASTY),
        profiles.profiles("db", NASTY, NASTY, limit=5, offset=10),
        profiles.records_of("db", NASTY, person),
        *profiles.deeds_of("db", NASTY, person),
        *(lists.pages("db", NASTY, PERIOD, 10, rolled=rolled) for rolled in (True, False)),
        *(lists.event_names("db", NASTY, PERIOD, 10, rolled=rolled) for rolled in (True, False)),
        *(lists.sessions_by(dimension, "db", NASTY, PERIOD, 10, rolled=True) for dimension in Dimension),
        *(lists.sessions_by(dimension, "db", NASTY, PERIOD, 10, rolled=False) for dimension in Dimension),
        properties.property_keys("db", NASTY, NASTY, 10),
        properties.property_values("db", NASTY, NASTY, NASTY, 10),
        *events.events("db", NASTY, wanted, limit=5, offset=10, properties=True),
        *events.events("db", NASTY, events.EventFilter(), limit=5, offset=10, properties=False),
        *daily_queries(),
        daily.folded_days("db", NASTY, [0, 86_400]),
    ]


@pytest.mark.parametrize("query", queries())
def test_every_table_is_read_for_one_project_only(query: Query) -> None:
    told = re.escape("where (project_id = {project_id:String})")
    reads = re.findall(rf"from `db`\.`(\w+)`(?: final)? (?:{told}|left join )", query.sql)
    views = query.sql.count("`db`.`people`(project = {project_id:String})")
    assert len(reads) + views == query.sql.count("`db`.") >= 1
    assert len(re.findall(told, query.sql)) == len(reads)
    assert query.parameters["project_id"] == NASTY
    assert NASTY not in query.sql
    for table, condition in (("events", "(bot = '') and (synthesized = 0)"), ("profiles", "(is_deleted = 0)")):
        assert query.sql.count(f"`db`.`{table}`") == query.sql.count(f"{{project_id:String}}) and {condition}") or (
            table not in reads
        )


def test_what_days_are_like_is_asked_of_every_row_of_one_project() -> None:
    query = daily.states("db", NASTY, [0, 86_400])
    assert query.sql.count("where (project_id = {project_id:String})") == query.sql.count(" from ") - 1 == 3
    assert query.sql.count("from mergeTreeProjection('db', ") == 2
    assert "bot" not in query.sql


@pytest.mark.parametrize(
    "query", [*queries(), *(ask("db", NASTY, [0, 86_400]) for ask in (daily.folded_days, daily.states))]
)
def test_every_parameter_is_bound(query: Query) -> None:
    assert set(re.findall(r"\{(\w+):", query.sql)) == set(query.parameters)


def test_names_are_quoted() -> None:
    assert quoted("a`b\\c") == "`a\\`b\\\\c`"
