"""Batches and recordings against a real gateway and broker."""

import gzip
from typing import Any

import httpx
import orjson
import pytest
import zstandard

from schemas.envelope import MAX_LINES
from schemas.raw_event import RawKind
from tests.integration.ingest.gateway_process import GatewayProcess, Tenant, Topics

pytestmark = pytest.mark.integration


def click(number: int, **properties: Any) -> dict[str, Any]:
    return {"type": "track", "id": f"click-{number}", "payload": {"name": "clicked", "properties": properties}}


def post(gateway: GatewayProcess, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return gateway.http.post(path, content=body, headers={"content-type": "text/plain", **headers})


def replay(characters: int) -> bytes:
    chunk = {
        "chunk_index": 0,
        "events_count": 1,
        "is_full_snapshot": True,
        "started_at": "2026-03-01T10:00:00Z",
        "ended_at": "2026-03-01T10:00:09Z",
        "payload": "x" * characters,
    }
    return orjson.dumps({"type": "replay", "payload": chunk})


def test_a_whole_batch_of_one_device(gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant) -> None:
    events = [click(number, __deviceId="d", n=number) for number in range(2_000)]
    events[7]["payload"]["name"] = ""
    events[8]["timestamp"] = "0001-01-01T00:00:00Z"
    packed = orjson.dumps({"events": events})
    # As a sender makes it that compresses as it goes: several frames, one behind the other.
    body = b"".join(zstandard.compress(packed[start : start + 50_000]) for start in range(0, len(packed), 50_000))
    answer = post(gateway, "/track/batch", body, tenant.headers(content_encoding="zstd", x_request_id="r-17"))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["accepted"], said["refused"], answer.headers["x-request-id"]) == (1_998, 2, "r-17")
    assert [said["results"][number]["reason"] for number in (7, 8)] == ["missing_name", "event_too_old"]
    stored = gateway_topics.raw_events(tenant.project_id)
    assert [event["payload"]["properties"]["n"] for event in stored] == [n for n in range(2_000) if n not in (7, 8)]
    told = [result["eventId"] for result in said["results"] if result["status"] == 200]
    assert [event["event_id"] for event in stored] == told
    assert max(len(lines) for _, _, lines in gateway_topics.raw_messages()) <= MAX_LINES
    assert gateway.metric("weir_gateway_events_total", protocol="batch", kind="track") >= 1_998


def test_a_page_that_is_being_left_sends_a_batch_without_headers(gateway: GatewayProcess, tenant: Tenant) -> None:
    """``navigator.sendBeacon``: a text, the page's origin, and nothing else."""
    body = orjson.dumps({"clientId": tenant.client_id, "events": [click(1)]})
    page = {"origin": "https://shop.example", "user-agent": tenant.headers()["user-agent"]}
    assert post(gateway, "/openpanel/track/batch", body, page).json()["accepted"] == 1
    refused = post(gateway, "/track/batch", gzip.compress(body), {**page, "origin": "https://evil.test"})
    assert refused.status_code == 400  # packed, and does not say so
    refused = post(gateway, "/track/batch", body, {**page, "origin": "https://evil.test"})
    assert (refused.status_code, refused.headers["x-weir-reason"]) == (401, "origin_not_allowed")


def test_money_without_the_secret_is_refused_and_the_rest_is_taken(
    gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant
) -> None:
    money = {"type": "track", "payload": {"name": "revenue", "properties": {"__revenue": 100}}}
    body = orjson.dumps({"events": [click(1), money]})
    page = tenant.headers(origin="https://shop.example", openpanel_client_secret="")
    answer = post(gateway, "/track/batch", body, page).json()
    assert [result.get("reason") for result in answer["results"]] == [None, "revenue_needs_secret"]
    assert [event["payload"]["name"] for event in gateway_topics.raw_events(tenant.project_id)] == ["clicked"]
    assert gateway.metric("weir_gateway_refusals_total", protocol="batch", reason="revenue_needs_secret") >= 1
    assert post(gateway, "/track/batch", body, tenant.headers()).json()["accepted"] == 2


def test_a_piece_of_a_recording_may_be_larger_than_an_event(
    gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant
) -> None:
    answer = post(gateway, "/track", replay(2 * 1024 * 1024), tenant.headers())
    assert answer.status_code == 200, answer.text
    (stored,) = gateway_topics.raw_events(tenant.project_id)
    assert (stored["kind"], len(stored["payload"]["payload"])) == (RawKind.REPLAY, 2 * 1024 * 1024)
    assert stored["session_id"] == answer.json()["sessionId"] != ""
    # And nothing else may be, nor it larger than that.
    event = orjson.dumps({"type": "track", "payload": {"name": "a", "properties": {"a": "x" * (2 * 1024 * 1024)}}})
    for body in (replay(3 * 1024 * 1024), event):
        refused = post(gateway, "/track", body, tenant.headers())
        assert (refused.status_code, refused.headers["x-weir-reason"]) == (413, "too_large")


def test_who_asks_is_told_the_device_events_get(gateway: GatewayProcess, tenant: Tenant) -> None:
    headers = tenant.headers()
    before = gateway.http.get("/track/device-id", headers=headers).json()
    assert before["sessionId"] == ""
    answer = gateway.track(tenant).json()
    after = gateway.http.get("/track/device-id", headers=headers).json()
    assert {"deviceId": after["deviceId"], "sessionId": after["sessionId"]} == answer
    assert before["deviceId"] == answer["deviceId"]


def test_a_pixel_is_an_image_and_an_event(gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant) -> None:
    page = {"user-agent": tenant.headers()["user-agent"], "referer": "https://shop.example/mail"}
    answer = gateway.http.get("/track/pixel.gif", params={"client_id": tenant.client_id}, headers=page)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    (stored,) = gateway_topics.raw_events(tenant.project_id)
    assert stored["payload"]["properties"] == {"__path": "https://shop.example/mail"}
    unknown = gateway.http.get("/track/pixel.gif", params={"client_id": "nobody"}, headers=page)
    assert (unknown.status_code, unknown.headers["x-weir-reason"]) == (401, "malformed_client_id")
