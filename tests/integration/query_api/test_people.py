"""People on the real engine: what the view makes of links, and numbers before, with and after a merge."""

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from query_api.sql.builder import Query, Select, build
from query_api.sql.people import (
    LINKS,
    PERSON,
    links_of_person,
    person_ids,
    person_of,
    settled_person,
)
from query_api.sql.tables import EVENTS
from schemas.event_time import clickhouse_time
from schemas.identity import Identity
from schemas.profile import Profile
from tests.broker import REPOSITORY
from tests.integration.query_api.conftest import OpenApi, World, insert_rows
from tests.integration.query_api.dataset import Hit, event_row
from tests.people_model import follow, person, standing_links

pytestmark = pytest.mark.integration

NOON = round(datetime(2026, 3, 20, 12, tzinfo=UTC).timestamp() * 1000)
IDS = [f"id-{number}" for number in range(8)]


@pytest.fixture
def store(store_url: str) -> Iterator[Client]:
    client = clickhouse_connect.get_client(dsn=store_url, autogenerate_session_id=False)
    yield client
    client.close()


def link(project: str, kind: str, source: str, profile: str, version: int) -> Identity:
    """A link, or, without a profile, that there is none any more."""
    return Identity(
        project_id=project,
        kind="device" if kind == "device" else "profile",
        source_id=source,
        profile_id=profile,
        created_at=clickhouse_time(NOON),
        version=version,
        is_deleted=int(not profile),
        **dict.fromkeys(("raw_epoch", "raw_partition", "raw_offset", "raw_line", "log_epoch"), 1),
    )


def record(project: str, profile: str, **known: object) -> Profile:
    row = {
        "project_id": project,
        "profile_id": profile,
        **dict.fromkeys(("first_name", "last_name", "email", "avatar"), ""),
        "properties": {},
        "groups": (),
        "created_at": clickhouse_time(NOON),
        "updated_at": clickhouse_time(NOON),
        "is_deleted": 0,
        **dict.fromkeys(("version", "ops_epoch", "ops_partition", "ops_offset", "log_epoch"), 1),
    }
    return Profile.model_validate({**row, **known})


def rows(store: Client, query: Query) -> list[dict[str, object]]:
    result = store.query(query.sql, parameters=query.parameters)
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def test_the_view_follows_links_as_the_model_does(store: Client, store_url: str) -> None:
    """Some projects of random links, circles among them; events that name somebody, a device, or an id of both."""
    dice = random.Random(7)
    links, events = [], []
    for number, count in enumerate((3, 9, 19)):
        project = f"links-{number}"
        for version in range(1, count + 1):
            kind, source = dice.choice(["device", "profile", "profile"]), dice.choice(IDS)
            links.append(link(project, kind, source, dice.choice([*IDS, ""]), version))
        pairs = [("", device) for device in IDS] + [(profile, "id-0") for profile in IDS]
        events += [Hit(project, NOON, "seen", "", device, "", profile_id=profile) for profile, device in pairs]
    insert_rows(store_url, "identities", links)
    insert_rows(store_url, "events", [event_row(hit) for hit in events])
    select = Select({"profile": "profile_id", "device": "device_id", "found": PERSON}, EVENTS, joins=LINKS)
    for number in range(3):
        project = f"links-{number}"
        standing = standing_links(each.model_dump() for each in links if each.project_id == project)
        found = rows(store, build("weir", project, select))
        assert len(found) == 16
        assert {(row["profile"], row["device"]): row["found"] for row in found} == {
            (hit.profile_id, hit.device_id): person(standing, hit.profile_id, hit.device_id)
            for hit in events
            if hit.project_id == project
        }
        for each in IDS[:2]:
            whom = settled_person(each, rows(store, person_of("weir", project, each)))
            if ("profile", each) in standing:
                assert whom == follow(standing, each)
            ids = person_ids(whom, rows(store, links_of_person("weir", project, whom)))
            assert ids.profiles[0] == whom
            assert set(ids.profiles) == {whom, *(one for one in IDS if follow(standing, one) == whom)}
            of_nobody_else = {one for one in IDS if person(standing, "", one) == whom}
            assert {one for one in ids.devices if one in IDS} == of_nobody_else


async def test_numbers_change_with_a_merge_and_back_when_it_is_undone(open_api: OpenApi, world: World) -> None:
    url = world.settings.clickhouse_url.get_secret_value()
    seen = [("", "p-laptop"), ("ann", "p-laptop"), ("", "p-phone"), ("a.lee", "p-phone"), ("bob", ""), ("", "p-tablet")]
    hits = [
        Hit("empty", NOON + number, "met", "/", device, "", profile_id=profile)
        for number, (profile, device) in enumerate(seen)
    ]
    steps: list[tuple[Identity | None, int, set[int]]] = [
        # Four names or devices that nobody has linked: ann, a.lee, bob, and three devices.
        (None, 6, {1}),
        (link("empty", "device", "p-laptop", "ann", 1), 5, {0, 1}),
        (link("empty", "device", "p-phone", "a.lee", 1), 4, {0, 1}),
        (link("empty", "profile", "a.lee", "ann", 5), 3, {0, 1, 2, 3}),
        (link("empty", "profile", "a.lee", "ann", 5), 3, {0, 1, 2, 3}),
        (link("empty", "profile", "a.lee", "", 6), 4, {0, 1}),
        (link("empty", "device", "p-laptop", "", 9), 5, {1}),
    ]
    period = {"startDate": "2026-03-20", "endDate": "2026-03-20"}
    try:
        insert_rows(url, "events", [event_row(hit) for hit in hits])
        insert_rows(
            url,
            "profiles",
            [
                record("empty", "ann", first_name="Ann", properties={"plan": "pro"}, groups=("acme",)),
                record("empty", "a.lee", email="a.lee@example.org", properties={"plan": "free", "seats": 2}),
            ],
        )
        async with open_api(world.read["empty"]) as http:
            for number, (made, count, of_ann) in enumerate(steps):
                if made is not None:
                    insert_rows(url, "identities", [made])
                answer = (await http.get("/insights/empty/people", params=period)).json()
                assert (answer["people"], answer["prev_people"]) == (count, 0)
                assert sum(part["people"] for part in answer["series"]) >= count
                exported = (await http.get("/export/events", params={"profileId": "ann"})).json()["data"]
                assert {datetime.fromisoformat(event["createdAt"]).microsecond // 1000 for event in exported} == of_ann
                if number not in (4, 5):
                    continue  # merged, and undone
                page = (await http.get("/insights/empty/profiles/ann")).json()
                assert page["events"] == len(of_ann)
                merged = len(of_ann) == 4
                assert page["email"] == ("a.lee@example.org" if merged else "")
                assert page["properties"] == ({"plan": "pro", "seats": 2} if merged else {"plan": "pro"})
                other = (await http.get("/insights/empty/profiles/a.lee")).json()
                assert other["id"] == ("ann" if merged else "a.lee")
                listed = (await http.get("/insights/empty/profiles", params={"search": "A.LEE@"})).json()
                assert [row["id"] for row in listed] == ["ann" if merged else "a.lee"]
            assert (await http.get("/insights/empty/profiles/nobody")).status_code == 404
    finally:
        client = clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False)
        for table in ("events", "profiles", "identities"):
            client.command(f"delete from weir.{table} where project_id = 'empty'")
        client.close()


def test_the_questions_of_the_page_are_answered(store: Client, world: World) -> None:
    """The SQL of docs/identity.md, on the shop."""
    questions = re.findall(r"```sql\n(.*?)```", (REPOSITORY / "docs" / "identity.md").read_text(), re.DOTALL)
    links, people = (store.query(question).result_rows for question in questions)
    assert links == []
    day = datetime(2026, 3, 4, tzinfo=UTC).date()
    seen = {hit.device_id for visit in world.visits["shop"] for hit in visit.hits if _day(hit) == day}
    assert people == [(len(seen),)]
    assert seen


def _day(hit: Hit) -> date:
    return datetime.fromtimestamp(hit.time_ms / 1000, UTC).date()
