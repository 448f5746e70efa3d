"""Top lists and the export against the same visits."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from tests.integration.query_api.conftest import OpenApi, World, insert_rows
from tests.integration.query_api.dataset import Hit, Visit, event_row

pytestmark = pytest.mark.integration

START = datetime(2026, 2, 28, tzinfo=ZoneInfo("Europe/Berlin"))
END = datetime(2026, 3, 31, tzinfo=ZoneInfo("Europe/Berlin"))


def hits_of(world: World) -> list[Hit]:
    first, last = START.timestamp() * 1000, END.timestamp() * 1000
    return [hit for visit in world.visits["shop"] for hit in visit.hits if first <= hit.time_ms < last]


def began(world: World) -> list[Visit]:
    first, last = START.timestamp() * 1000, END.timestamp() * 1000
    return [visit for visit in world.visits["shop"] if first <= visit.start_ms < last]


async def test_pages(open_api: OpenApi, world: World) -> None:
    async with open_api() as http:
        answer = (await http.get("/insights/shop/pages", params={"range": "30d"})).json()
    views = defaultdict(list)
    for hit in hits_of(world):
        if hit.name == "screen_view":
            views[hit.path].append(hit)
    assert [row["pageviews"] for row in answer] == sorted((len(hits) for hits in views.values()), reverse=True)
    for row in answer:
        hits = views.pop(row["path"])
        assert row == {
            "origin": "https://shop.example",
            "path": row["path"],
            "title": f"Title of {row['path']}",
            "pageviews": len(hits),
            "visitors": len({hit.device_id for hit in hits}),
            "sessions": len({hit.session_id for hit in hits}),
        }
    assert not views


async def test_event_names(open_api: OpenApi, world: World) -> None:
    async with open_api() as http:
        answer = (await http.get("/insights/shop/events/names", params={"range": "30d"})).json()
    counts = Counter(hit.name for hit in hits_of(world)) + Counter(hit.name for hit in world.server_hits)
    assert {row["name"]: row["count"] for row in answer} == counts
    assert {row["name"]: row["visitors"] for row in answer}["invoice_paid"] == 0


@pytest.mark.parametrize("dimension", ["referrer_name", "referrer_type", "country", "device", "browser", "city"])
async def test_sessions_by_a_property(open_api: OpenApi, world: World, dimension: str) -> None:
    def value(visit: Visit) -> str:
        return {
            "referrer_name": visit.source[0],
            "referrer_type": visit.source[1],
            "country": visit.country,
            "device": visit.device,
            "browser": visit.browser,
            "city": "",
        }[dimension]

    async with open_api() as http:
        answer = (await http.get(f"/insights/shop/{dimension}", params={"range": "30d"})).json()
    groups = defaultdict(list)
    for visit in began(world):
        groups[value(visit)].append(visit)
    assert {row["name"] for row in answer} == set(groups)
    for row in answer:
        group = groups[row["name"]]
        lasting = [visit.duration_ms for visit in group if visit.duration_ms]
        assert row == {
            "name": row["name"],
            "sessions": len(group),
            "visitors": len({visit.device_id for visit in group}),
            "pageviews": sum(visit.screen_views for visit in group),
            "bounce_rate": round(100 * sum(visit.screen_views <= 1 for visit in group) / len(group), 2),
            "avg_session_duration": round(sum(lasting) / len(lasting) / 1000, 2),
        }


async def test_a_list_is_cut_after_its_best_rows(open_api: OpenApi) -> None:
    async with open_api() as http:
        whole = (await http.get("/insights/shop/pages", params={"range": "30d"})).json()
        cut = (await http.get("/insights/shop/pages", params={"range": "30d", "limit": 2})).json()
        assert (await http.get("/insights/shop/pages", params={"limit": 0})).status_code == 400
        nowhere = await http.get("/insights/shop/colour")
        assert nowhere.status_code == 404
        assert "'utm_source'" in nowhere.json()["message"]
    assert cut == whole[:2]


async def test_export_gives_every_event_once_whatever_the_page_size(open_api: OpenApi, world: World) -> None:
    expected = Counter(hit.event_id for visit in world.visits["shop"] for hit in visit.hits)
    found: Counter[str] = Counter()
    times: list[str] = []
    async with open_api() as http:
        page, pages = 1, 1
        while page <= pages:
            answer = (await http.get("/export/events", params={"page": page, "limit": 333})).json()
            assert answer["meta"]["current"] == page
            assert answer["meta"]["count"] == len(answer["data"])
            pages = answer["meta"]["pages"]
            for event in answer["data"]:
                assert event["projectId"] == "shop"
                assert event["properties"] is None
                times.append(event["createdAt"])
                if event["name"] != "invoice_paid":
                    found[event["id"]] += 1
            page += 1
    assert found == expected
    assert answer["meta"]["totalCount"] == sum(expected.values()) + len(world.server_hits)
    assert times == sorted(times, reverse=True)


async def test_export_filters(open_api: OpenApi, world: World) -> None:
    day = datetime(2026, 3, 10, tzinfo=ZoneInfo("Europe/Berlin"))
    first, last = day.timestamp() * 1000, (day + timedelta(days=2)).timestamp() * 1000
    hits = {hit.event_id: hit for visit in world.visits["shop"] for hit in visit.hits}
    wanted = {
        event_id: hit
        for event_id, hit in hits.items()
        if hit.name in ("sign_up", "add_to_cart") and first <= hit.time_ms < last
    }
    queries: list[dict[str, str | list[str]]] = [
        {"event": "sign_up,add_to_cart", "start": "2026-03-10", "end": "2026-03-11"},
        {"event": ["sign_up", "add_to_cart"], "start": "2026-03-09T23:00:00Z", "end": "2026-03-11T23:00:00+00:00"},
    ]
    async with open_api() as http:
        for query in queries:
            answer = await http.get("/export/events", params={**query, "includes": "properties", "limit": 5000})
            data = answer.json()["data"]
            assert {event["id"] for event in data} == set(wanted)
            for event in data:
                hit = wanted[event["id"]]
                assert event["properties"] == hit.properties
                assert datetime.fromisoformat(event["createdAt"]) == datetime.fromtimestamp(hit.time_ms / 1000, UTC)
        for bad in ({"start": "soon"}, {"includes": "secrets"}, {"page": 0}, {"page": 10_000_000}):
            assert (await http.get("/export/events", params=bad)).status_code == 400


async def test_a_profile_s_events_include_earlier_anonymous_ones_of_its_devices(
    open_api: OpenApi, world: World
) -> None:
    base = round(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)

    def hit(number: int, project: str, device: str, profile: str) -> Hit:
        event_id = f"00000000-0000-4000-8000-{number:012d}"
        return Hit(project, base + number, "viewed", "/", device, "", profile_id=profile, event_id=event_id)

    hits = [
        hit(1, "empty", "laptop", ""),
        hit(2, "empty", "laptop", "ada"),
        hit(3, "empty", "phone", "ada"),
        hit(4, "empty", "phone", ""),
        hit(5, "empty", "laptop", "bob"),
        hit(6, "empty", "stranger", ""),
        hit(7, "rival", "laptop", ""),
        hit(8, "empty", "tablet", ""),
    ]
    url = world.settings.clickhouse_url.get_secret_value()
    try:
        insert_rows(url, "events", [event_row(one) for one in hits])
        link_devices(url)
        async with open_api(world.read["empty"]) as http:
            answer = (await http.get("/export/events", params={"profileId": "ada"})).json()
        assert [event["id"][-1] for event in answer["data"]] == ["3", "2", "1"]
    finally:
        remove_events(url, "viewed")


def link_devices(url: str) -> None:
    from schemas.identity import Identity

    def link(project: str, device: str, version: int, *, deleted: int = 0) -> Identity:
        return Identity(
            project_id=project,
            kind="device",
            source_id=device,
            profile_id="ada",
            created_at="2026-03-01 12:00:00.000",
            version=version,
            is_deleted=deleted,
            raw_epoch=1,
            raw_partition=0,
            raw_offset=0,
            raw_line=0,
            log_epoch=1,
        )

    rows = [
        link("empty", "laptop", 1),
        link("empty", "phone", 1),
        link("empty", "phone", 2, deleted=1),
        link("rival", "stranger", 1),
    ]
    insert_rows(url, "identities", rows)


def remove_events(url: str, name: str) -> None:
    import clickhouse_connect

    client = clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False)
    client.command("delete from weir.events where name = {name:String}", parameters={"name": name})
    client.close()


async def test_limits_and_absence_of_the_store_are_told_apart(open_api: OpenApi, world: World) -> None:
    tight = world.settings.model_copy(update={"query_rows": 10})
    little = world.settings.model_copy(update={"query_memory_bytes": 100_000})
    away = world.settings.model_copy(update={"clickhouse_url": SecretStr("http://127.0.0.1:9")})
    wrong = world.settings.model_copy(update={"clickhouse_database": "nowhere"})
    cases = ((tight, 422, "query_rows"), (little, 422, "query_memory"), (away, 503, None), (wrong, 500, None))
    for settings, status, reason in cases:
        async with open_api(settings=settings) as http:
            response = await http.get("/insights/shop/metrics")
            assert response.status_code == status, response.text
            body = response.json()
            assert set(body) == {"status", "error", "message"}
            for leak in ("Code:", "SELECT", "select", "weir.events", "Traceback", "127.0.0.1", "nowhere"):
                assert leak not in body["message"]
            assert ("retry-after" in response.headers) == (status == 503)
            assert response.headers.get("x-weir-reason") == reason
            ready = await http.get("/readyz")
            assert ready.status_code == (503 if status == 503 else 200)
            assert (await http.get("/healthz")).json() == {"live": True}
