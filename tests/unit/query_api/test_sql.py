"""Every query carries the project's condition, wherever it reads a table, and no value is part of its text."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from query_api.periods import Interval, Period
from query_api.sql import events, lists, overview, people, profiles, properties
from query_api.sql.builder import Query, quoted

NASTY = "it's `me`; drop {x:String} --"
PERIOD = Period(
    datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")), datetime(2026, 1, 8, tzinfo=ZoneInfo("UTC")), Interval.DAY
)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def queries() -> list[Query]:
    person = people.PersonIds(NASTY, (NASTY,), (NASTY,))
    wanted = events.EventFilter((NASTY,), person, MOMENT, MOMENT)
    return [
        *overview.overview("db", NASTY, PERIOD, rolled=True),
        *overview.overview("db", NASTY, PERIOD, rolled=False),
        overview.live("db", NASTY, 1_000.5),
        people.people("db", NASTY, PERIOD),
        people.person_of("db", NASTY, NASTY),
        people.links_of_person("db", NASTY, NASTY),
        profiles.profiles("db", NASTY, NASTY, limit=5, offset=10),
        profiles.records_of("db", NASTY, person),
        *profiles.deeds_of("db", NASTY, person),
        *(lists.pages("db", NASTY, PERIOD, 10, rolled=rolled) for rolled in (True, False)),
        *(lists.event_names("db", NASTY, PERIOD, 10, rolled=rolled) for rolled in (True, False)),
        *(lists.sessions_by(dimension, "db", NASTY, PERIOD, 10, rolled=True) for dimension in lists.Dimension),
        *(lists.sessions_by(dimension, "db", NASTY, PERIOD, 10, rolled=False) for dimension in lists.Dimension),
        properties.property_keys("db", NASTY, NASTY, 10),
        properties.property_values("db", NASTY, NASTY, NASTY, 10),
        *events.events("db", NASTY, wanted, limit=5, offset=10, properties=True),
        *events.events("db", NASTY, events.EventFilter(), limit=5, offset=10, properties=False),
    ]


@pytest.mark.parametrize("query", queries())
def test_every_table_is_read_for_one_project_only(query: Query) -> None:
    reads = re.findall(r"from `db`\.`(\w+)`(?: final)? where \(project_id = \{project_id:String\}\)", query.sql)
    views = query.sql.count("`db`.`people`(project = {project_id:String})")
    assert len(reads) + views == query.sql.count("`db`.") >= 1
    assert query.parameters["project_id"] == NASTY
    assert NASTY not in query.sql
    for table, condition in (("events", "(bot = '') and (synthesized = 0)"), ("profiles", "(is_deleted = 0)")):
        assert query.sql.count(f"`db`.`{table}`") == query.sql.count(f"{{project_id:String}}) and {condition}") or (
            table not in reads
        )


@pytest.mark.parametrize("query", queries())
def test_every_parameter_is_bound(query: Query) -> None:
    assert set(re.findall(r"\{(\w+):", query.sql)) == set(query.parameters)


def test_names_are_quoted() -> None:
    assert quoted("a`b\\c") == "`a\\`b\\\\c`"
