"""PostHog's, Umami's and Plausible's own libraries against a real gateway and broker."""

from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from posthog import Posthog

from tests.clients.node import run
from tests.integration.ingest.gateway_process import BROWSER, GatewayProcess, Tenant, Topics, poll_until
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

UUID = "0193f6a0-0000-7000-8000-0000000000aa"


def test_posthogs_node_library(gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant) -> None:
    printed = orjson.loads(run("posthog", {"WEIR_URL": gateway.url, "WEIR_KEY": tenant.client_id}))
    assert printed["failures"] == []
    assert not printed["flag"]
    events = gateway_topics.raw_events(tenant.project_id)
    assert {event["protocol"] for event in events} == {"posthog"}
    assert {event["sdk_name"] for event in events} == {"posthog-node"}
    found = {(event["kind"], event["payload"].get("name", "")): event for event in events}
    page, added = found["track", "screen_view"], found["track", "Product Added"]
    assert page["payload"]["properties"]["__path"] == "https://shop.example/cart?a=1"
    assert (page["profile_id"], page["device_id"]) == ("ann", "")
    assert (added["event_id"], added["payload"]["groups"]) == (UUID, ["company:acme"])
    assert added["payload"]["properties"]["tags"] == ["a", "b"]
    assert 55_000 < added["received_at"] - added["time"] < 90_000
    person = found["identify", ""]
    assert (person["profile_id"], person["payload"]["email"]) == ("ann", "ann@example.com")
    assert (person["payload"]["properties"], person["payload"]["set_once"]) == ({"plan": "pro"}, {"first": "x"})
    assert found["group", "Acme"]["payload"]["id"] == "company:acme"
    assert (found["alias", ""]["profile_id"], found["alias", ""]["payload"]) == ("ann", {"alias": "a.lee"})


@pytest.mark.parametrize("mode", ["v0", "v1"])
def test_posthogs_python_library(gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant, mode: str) -> None:
    failures: list[Any] = []
    client = Posthog(
        tenant.client_id,
        host=f"{gateway.url}/posthog" if mode == "v1" else gateway.url,
        gzip=True,
        capture_mode=mode,
        on_error=lambda error, _: failures.append(error),
    )
    client.capture("paid", distinct_id="ann", properties={"price": 2, "$set": {"plan": "pro"}}, uuid=UUID)
    client.capture("looked")
    client.set(distinct_id="ann", properties={"email": "ann@example.com"})
    client.alias("ann", "a.lee")
    assert client.get_all_flags("ann") in ({}, None)
    client.shutdown()
    assert failures == []
    events = gateway_topics.raw_events(tenant.project_id)
    found = {
        (event["kind"], event["payload"].get("name", "")): event for event in events if event["kind"] != "identify"
    }
    paid, looked = found["track", "paid"], found["track", "looked"]
    assert (paid["event_id"], paid["profile_id"], paid["sdk_name"]) == (UUID, "ann", "posthog-python")
    assert paid["payload"]["properties"]["price"] == 2
    assert (looked["profile_id"], looked["device_id"]) == ("", "")
    assert found["alias", ""]["profile_id"] == "ann"
    told = [event["payload"] for event in events if event["kind"] == "identify"]
    assert {"plan": "pro"} in [payload["properties"] for payload in told]
    assert "ann@example.com" in [payload.get("email") for payload in told]


def test_posthogs_library_hears_of_a_wrong_key(gateway: GatewayProcess) -> None:
    failures: list[Any] = []
    client = Posthog(str(uuid4()), host=gateway.url, on_error=lambda error, _: failures.append(error), max_retries=0)
    client.capture("paid", distinct_id="ann")
    client.shutdown()
    assert [failure.status for failure in failures] == [401]
    assert "Invalid client id" in str(failures[0])


def test_umamis_node_library(gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant) -> None:
    printed = orjson.loads(run("umami", {"WEIR_URL": gateway.url, "WEIR_KEY": tenant.client_id}))
    assert [told["status"] for told in printed] == [200, 200, 200, 200, 400, 200, 200]
    assert printed[4]["body"]["error"]["reason"] == "malformed_client_id"
    events = gateway_topics.raw_events(tenant.project_id)
    found = {event["payload"]["name"]: event for event in events}
    assert sorted(found) == ["Prefixed", "Sale", "engagement", "error", "identify", "revenue", "screen_view"]
    assert len(events) == len(found)
    page = found["screen_view"]
    assert page["payload"]["properties"] == {
        "__path": "https://shop.example/cart?a=1",
        "__title": "Cart",
        "__language": "de",
        "__screen": "800x600",
    }
    told = printed[0]["body"]
    assert (told["sessionId"], told["visitId"]) == (page["device_id"], page["session_id"])
    assert len({(event["device_id"], event["session_id"]) for event in events}) == 1
    assert found["revenue"]["payload"]["properties"]["__revenue"] == 1999
    assert found["engagement"]["payload"]["properties"]["engagement_time"] == 12_000
    assert found["error"]["event_id"] == "0193f6a0-0000-4000-8000-0000000000aa"
    assert found["error"]["payload"]["properties"]["handled"] is False


@pytest.fixture
def site(gateway: GatewayProcess, gateway_topics: Topics) -> Tenant:
    """A project with a domain of its own."""
    made = Tenant(origins=(f"https://{uuid4().hex[:12]}.example",))
    gateway_topics.publish(made.records())

    def known() -> bool:
        # Without a user agent it is a program's, and so told from the test's own.
        view = {"n": "pageview", "u": made.origins[0]}
        return gateway.http.post("/api/event", json=view, headers={"user-agent": ""}).status_code == 202

    poll_until("the gateway knows the domain", known)
    return made


def test_plausibles_tracker(gateway: GatewayProcess, gateway_topics: Topics, site: Tenant) -> None:
    domain = site.origins[0].removeprefix("https://")
    before = len(gateway_topics.raw_events(site.project_id))
    printed = orjson.loads(run("plausible", {"WEIR_URL": gateway.url, "WEIR_DOMAIN": domain}))
    assert printed[:2] == [[202, "ok"], [202, "ok"]]
    assert (printed[2][0], list(orjson.loads(printed[2][1])["errors"])) == (400, ["domain"])
    events = [event for event in gateway_topics.raw_events(site.project_id) if event["device_id"]]
    assert len(gateway_topics.raw_events(site.project_id)) == before + 2
    found = {event["payload"]["name"]: event for event in events}
    assert found["screen_view"]["payload"]["properties"] == {
        "__path": f"https://www.{domain}/cart?utm_source=x",
        "__referrer": "https://news.example/",
    }
    assert found["Sale"]["payload"]["properties"]["item"] == "cup"
    assert {event["protocol"] for event in events} == {"plausible"}


def test_shared_paths_speak_each_protocol(gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant) -> None:
    posthog = {"api_key": tenant.client_id, "event": "by posthog", "distinct_id": "ann"}
    assert gateway.http.post("/track", json=posthog).json() == {"status": "Ok"}
    assert gateway.track(tenant, "by openpanel").status_code == 200
    batch = {"api_key": tenant.client_id, "batch": [{**posthog, "event": "by posthog's batch"}]}
    assert gateway.http.post("/batch/", json=batch).json() == {"status": "Ok"}
    segment = {"batch": [{"type": "track", "event": "by segment", "userId": "ann"}], "writeKey": tenant.client_id}
    assert gateway.http.post("/batch", json=segment).json() == {"success": True}
    unknown = gateway.http.post("/track", json={**posthog, "api_key": "nobody"})
    assert (unknown.status_code, unknown.json()["code"]) == (401, "malformed_client_id")
    spoken = {event["payload"]["name"]: event["protocol"] for event in gateway_topics.raw_events(tenant.project_id)}
    assert spoken == {
        "by posthog": "posthog",
        "by openpanel": "openpanel",
        "by posthog's batch": "posthog",
        "by segment": "segment",
    }


def test_a_page_asks_posthogs_questions_and_gets_quiet_answers(gateway: GatewayProcess, tenant: Tenant) -> None:
    asked = {"origin": "https://shop.example", "user-agent": BROWSER}
    flags = gateway.http.post("/flags/?v=2&config=true", json={"token": tenant.client_id}, headers=asked)
    assert (flags.status_code, flags.json()["flags"]) == (200, {})
    assert gateway.http.get(f"/array/{tenant.client_id}/config", headers=asked).json()["sessionRecording"] is False
    assert "_POSTHOG_REMOTE_CONFIG" in gateway.http.get(f"/array/{tenant.client_id}/config.js").text


def test_an_event_sent_twice_is_stored_once(stack: Stack) -> None:
    uuid, mark = str(uuid4()), uuid4().hex[:12]
    key = stack.demo.write.client_id
    for device in (f"device-{mark}", ""):
        name, event_id = f"twice {mark}{device}", str(uuid4()) if device else uuid
        properties = {"$device_id": device, "$is_identified": bool(not device)}
        event = {"event": name, "distinct_id": f"ann-{mark}", "properties": properties, "uuid": event_id}
        last = {**event, "event": f"last {name}", "uuid": str(uuid4())}
        for body in ([event, event], [event], [last]):
            answer = httpx.post(f"{stack.gateway_url}/batch/", json={"api_key": key, "batch": body}, timeout=30)
            assert answer.status_code == 200
    sql = (
        f"select name, count() as n from weir.events where name like '%twice {mark}%' group by name format JSONEachRow"
    )

    def counted() -> dict[str, int]:
        lines = httpx.post(stack.store_url, content=sql, timeout=30).text.splitlines()
        return {row["name"]: int(row["n"]) for row in map(orjson.loads, lines)}

    stack.wait_for(lambda: len(counted()) == 4, "all four events are stored")
    assert set(counted().values()) == {1}
