"""Cohorts: who was in them when they were last counted."""

from collections.abc import Iterable
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.cohorts import count_members, delete_cohort, read_cohorts
from sinks.erased_rows import Cut, count_rows, delete_rows, list_ids
from sinks.person_export import export_person
from sinks.settings import SinkSettings
from tests.integration.sinks.arrivals import number
from tests.integration.sinks.store import Store

pytestmark = pytest.mark.integration

BUYERS = {"events": [{"name": "purchase", "at_least": 2}]}


@pytest.fixture
def settings(store: Store, schema: Client) -> SinkSettings:
    return store.settings("127.0.0.1:1", database=str(schema.database))


def given(people: Iterable[tuple[str, str]]) -> tuple[str, dict[str, Any]]:
    """A query that gives these people."""
    kinds, ids = zip(*people, strict=True)
    sql = "select arrayJoin(arrayZip({kinds:Array(String)}, {ids:Array(String)})) as one, one.1 as kind, one.2 as id"
    return sql, {"kinds": list(kinds), "ids": list(ids)}


def people(client: Client, cohort: str, project: str = "shop") -> set[tuple[str, int]]:
    rows = client.query(
        f"select kind, member from cohort_people(project = '{project}', cohort = '{cohort}')"
    ).result_rows
    assert len(rows) == len(set(rows))
    return {(str(kind), int(member)) for kind, member in rows}


def hashed(client: Client, *members: tuple[str, str]) -> set[tuple[str, int]]:
    return {(kind, number(client, f"select cityHash64('{each}')")) for kind, each in members}


def test_the_newest_version_counts_and_one_that_broke_off_is_none(schema: Client, settings: SinkSettings) -> None:
    ada, bob, phone = ("profile", "ada"), ("profile", "bob"), ("device", "phone")
    first = count_members(
        schema, settings, "shop", "buyers", "Buyers", BUYERS, *given([ada, phone, ada, ("device", "")])
    )
    assert first.members == 2
    assert people(schema, "buyers") == hashed(schema, ada, phone)
    count_members(schema, settings, "blog", "buyers", "Readers", {}, *given([bob]))
    with pytest.raises(ClickHouseError):
        count_members(schema, settings, "shop", "buyers", "Buyers", {}, "select 'profile' as kind, throwIf(1) as id")
    # As a count leaves it that was killed before its row was written.
    schema.command("insert into cohort_members values ('shop', 'buyers', 9000000000000000000, 'profile', 1)")
    assert read_cohorts(schema, "shop") == [first]
    assert people(schema, "buyers") == hashed(schema, ada, phone)
    schema.command("alter table cohort_members delete where member = 1 settings mutations_sync = 2")
    second = count_members(schema, settings, "shop", "buyers", "All buyers", {}, *given([ada, bob]))
    assert [(found.name, found.definition, found.members) for found in read_cohorts(schema, "shop")] == [
        ("All buyers", {}, 2)
    ]
    assert second.version > first.version
    assert people(schema, "buyers") == hashed(schema, ada, bob)
    assert people(schema, "buyers", "blog") == hashed(schema, bob)


def test_old_versions_are_forgotten_but_the_last(schema: Client, settings: SinkSettings) -> None:
    for some in (["a"], ["a", "b"], ["a", "b", "c"]):
        count_members(schema, settings, "shop", "all", "All", {}, *given([("profile", each) for each in some]))
    left = schema.query("select count() from cohort_members group by version order by version").result_rows
    assert left == [(2,), (3,)]
    assert number(schema, "select count() from cohorts final") == 3, "what a cohort was defined as stays"


def test_a_deleted_cohort_has_nobody_and_can_come_back(schema: Client, settings: SinkSettings) -> None:
    delete_cohort(schema, settings, "shop", "never")
    count_members(schema, settings, "shop", "all", "All", {}, *given([("profile", "ada")]))
    for _ in range(2):
        delete_cohort(schema, settings, "shop", "all")
    assert (read_cohorts(schema, "shop"), people(schema, "all")) == ([], set())
    assert number(schema, "select count() from cohort_members") == 0
    count_members(schema, settings, "shop", "all", "All", {}, *given([("profile", "ada")]))
    assert people(schema, "all") == hashed(schema, ("profile", "ada"))


def test_who_is_erased_leaves_and_is_told_before(schema: Client, settings: SinkSettings) -> None:
    everybody = [("profile", "ada"), ("device", "phone"), ("profile", "bob"), ("device", "ada"), ("profile", "phone")]
    for project in ("shop", "blog"):
        count_members(schema, settings, project, "all", "All", {}, *given(everybody))
    [told] = [
        line
        for piece in export_person(schema, "shop", "ada", ["ada"], ["phone"])
        for line in piece.splitlines()
        if b'"cohort"' in line
    ]
    assert b'"cohort_id":"all"' in told
    cut = Cut(7, "shop", 1, (10,), 1)
    list_ids(schema, cut, {"profile": ["ada"], "device": ["phone"]})
    assert count_rows(schema, cut, "cohort_members") == 2
    delete_rows(schema, settings, cut, "cohort_members")
    assert count_rows(schema, cut, "cohort_members") == 0
    assert people(schema, "all") == hashed(schema, *everybody[2:])
    assert people(schema, "all", "blog") == hashed(schema, *everybody)
