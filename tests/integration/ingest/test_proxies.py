"""The set-ups of docs/ingest/proxy.md, word for word, before a real gateway."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.integration.ingest.gateway_process import (
    BROWSER,
    GatewayProcess,
    Tenant,
    Topics,
    poll_until,
    running_gateway,
)
from tests.proxies.documented import PREFIX
from tests.proxies.servers import VISITOR, running_caddy, running_next, running_nginx
from weir.local.page import TRACKER, build

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SEEN, FORGED = "81.2.69.142", "89.160.20.112"
ORIGIN = "https://shop.example"


class Site:
    """A site with a proxy before the gateway, and a project of its own."""

    def __init__(self, name: str, url: str, tenant: Tenant, topics: Topics) -> None:
        self.name = name
        self.tenant = tenant
        self._topics = topics
        self._written: set[str] = set()
        self.http = httpx.Client(
            base_url=f"{url}{PREFIX}", headers={"origin": ORIGIN, "user-agent": BROWSER, VISITOR: SEEN}, timeout=30
        )

    def written(self) -> list[dict[str, Any]]:
        """What came to the raw topic since it was asked last."""
        events = self._topics.raw_events(self.tenant.project_id)
        new = [event for event in events if event["event_id"] not in self._written]
        self._written.update(event["event_id"] for event in new)
        return new


@pytest.fixture(scope="module")
def guarded_gateway(gateway_topics: Topics, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that takes the visitor's address from the one header the page names."""
    home = tmp_path_factory.mktemp("guarded")
    build(home / "page.log", (TRACKER,))
    headers = '["x-forwarded-for"]'
    bootstrap = gateway_topics.broker.bootstrap
    with running_gateway(bootstrap, home, WEIR_GATEWAY_CLIENT_IP_HEADERS=headers) as running:
        yield running


Proxy = Callable[[str, Path], AbstractContextManager[str]]
PROXIES: dict[str, Proxy] = {"nginx": running_nginx, "caddy": running_caddy, "next": running_next}


@pytest.fixture(scope="module", params=PROXIES)
def site(
    request: pytest.FixtureRequest,
    guarded_gateway: GatewayProcess,
    gateway_topics: Topics,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    tenant = Tenant(origins=(ORIGIN,))
    gateway_topics.publish(tenant.records())
    bad = {"type": "track", "payload": {"name": ""}}
    poll_until("the gateway knows the client", lambda: guarded_gateway.post(bad, tenant.headers()).status_code == 400)
    address = guarded_gateway.url.removeprefix("http://")
    with PROXIES[request.param](address, tmp_path_factory.mktemp(request.param)) as url:
        site = Site(request.param, url, tenant, gateway_topics)
        with site.http:
            yield site


def test_the_script_is_served(site: Site) -> None:
    answer = site.http.get("/op1.js", headers={"accept-encoding": "br"})
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, "br")
    assert "javascript" in answer.headers["content-type"]
    assert "openpanel" in answer.text
    again = site.http.get("/op1.js", headers={"accept-encoding": "br", "if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


def test_an_event_comes_with_its_visitors_address(site: Site) -> None:
    # What a visitor writes into the headers that proxies set is not believed.
    forged = {"x-forwarded-for": FORGED, "cf-connecting-ip": FORGED, "x-real-ip": FORGED}
    headers = {"openpanel-client-id": site.tenant.client_id, "x-request-id": "17", "accept-language": "de", **forged}
    body = {"type": "track", "payload": {"name": "clicked", "properties": {}}}
    answer = site.http.post("/track", json=body, headers=headers)
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "17")
    (event,) = site.written()
    assert (event["device_id"], event["session_id"]) == (answer.json()["deviceId"], answer.json()["sessionId"])
    assert (event["user_agent"], event["hints"]["accept-language"]) == (BROWSER, "de")
    # Caddy has the test's own address; Next.js stands behind something that sets the header, or believes all.
    assert event["ip"] == {"nginx": SEEN, "caddy": "127.0.0.1", "next": FORGED}[site.name]


def test_another_sites_page_is_refused(site: Site) -> None:
    headers = {"openpanel-client-id": site.tenant.client_id, "origin": "https://other.example"}
    answer = site.http.post("/track", json={"type": "track", "payload": {"name": "clicked"}}, headers=headers)
    assert (answer.status_code, answer.headers["x-weir-reason"]) == (401, "origin_not_allowed")


def test_a_preflight_is_answered_by_the_gateway(site: Site) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "openpanel-client-id"}
    answer = site.http.options("/track", headers=asked)
    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-headers"] == "openpanel-client-id"


def test_compressed_bodies_and_beacons(site: Site) -> None:
    key = site.tenant.client_id
    event = orjson.dumps({"token": key, "event": "packed", "distinct_id": "ann"})
    plain = {"content-type": "text/plain;charset=UTF-8"}
    told = site.http.post("/e/?compression=gzip-js&beacon=1", content=gzip.compress(event), headers=plain)
    assert told.status_code == 204
    batch = orjson.dumps({"clientId": key, "events": [{"type": "track", "payload": {"name": "left"}}]})
    assert site.http.post("/track/batch", content=batch, headers=plain).json()["accepted"] == 1
    coded = {"openpanel-client-id": key, "content-type": "application/json", "content-encoding": "gzip"}
    body = gzip.compress(b'{"type": "track", "payload": {"name": "coded"}}')
    assert site.http.post("/track", content=body, headers=coded).status_code == 200
    assert {event["payload"]["name"] for event in site.written()} == {"packed", "left", "coded"}


def test_large_bodies_pass(site: Site) -> None:
    note = "x" * 900_000
    events = [{"type": "track", "payload": {"name": "large", "properties": {"note": note}}} for _ in range(5)]
    headers = {"openpanel-client-id": site.tenant.client_id}
    answer = site.http.post("/track/batch", json={"events": events}, headers=headers)
    assert answer.json()["accepted"] == 5
    assert len(site.written()) == 5


def test_what_is_the_operators_is_hidden(site: Site) -> None:
    for path in ("/metrics", "/readyz", "/metrics/", "/%6detrics", "/./metrics"):
        answer = site.http.get(f"{site.http.base_url}{path[1:]}")
        assert (answer.status_code, "weir" in answer.text) == (404, False), path
