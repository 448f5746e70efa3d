"""A project's rules over a running gateway: each is in force soon after it is published."""

import uuid
from typing import Any

import httpx
import pytest

from control.topic import read_published
from schemas.control import BotPolicy, ClientRecord, ClientType, ProjectRecord, RateLimit, UsageRecord, control_key
from schemas.event_time import month_of
from schemas.filters import FilterRecord
from tests.integration.ingest.gateway_process import GatewayProcess, Tenant, Topics, hash_secret, now, poll_until

pytestmark = pytest.mark.integration

CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
ORIGIN = "https://shop.example"
VISITOR, NEIGHBOUR = "81.2.69.142", "81.2.69.143"


class Shop:
    """A project whose rules change, and the requests of its visitors: pages of its origin, without a secret."""

    def __init__(self, gateway: GatewayProcess, topics: Topics, tenant: Tenant) -> None:
        self.gateway, self.topics, self.tenant = gateway, topics, tenant

    def set(self, **rules: Any) -> ProjectRecord:
        record = self.tenant.project().model_copy(update=rules)
        self.topics.publish([record])
        return record

    def send(
        self, name: str = "seen", profile_id: str | None = None, *, secret: str = "", **headers: str
    ) -> httpx.Response:
        payload = {"name": name, "properties": {}, **({"profileId": profile_id} if profile_id else {})}
        sent = {"x-forwarded-for": VISITOR, "origin": ORIGIN, "openpanel-client-secret": secret, **headers}
        own = self.tenant.headers(**{key.replace("-", "_"): value for key, value in sent.items()})
        return self.gateway.post({"type": "track", "payload": payload}, own)

    def answers(self, status: int, **request: str) -> httpx.Response:
        """The first answer with this status: the rule is in force."""

        def asked() -> httpx.Response | None:
            answer = self.send(**request)
            return answer if answer.status_code == status else None

        found: httpx.Response = poll_until(f"the gateway answers {status}", asked)
        return found


@pytest.fixture
def shop(gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant) -> Shop:
    return Shop(gateway, gateway_topics, tenant)


def test_filters_refuse_in_openpanels_words(shop: Shop) -> None:
    shop.set(filters=(FilterRecord(kind="ip", value="81.2.69.128/28"), FilterRecord(kind="profile_id", value="ann")))
    refused = shop.answers(401)
    assert refused.text == "Ingestion: IP address is blocked by project filter"
    assert (refused.headers["content-type"], refused.headers["x-weir-reason"]) == (
        "text/plain; charset=utf-8",
        "filtered_ip",
    )
    assert shop.send(**{"x-forwarded-for": "93.184.216.34"}).status_code == 200
    by_profile = shop.send(profile_id="ann", **{"x-forwarded-for": "93.184.216.34"})
    assert (by_profile.status_code, by_profile.text) == (401, "Ingestion: Profile id is blocked by project filter")
    # The address a server names for its visitor is filtered too, whoever the server is.
    named = {"x-forwarded-for": "93.184.216.34", "openpanel-client-ip": VISITOR}
    assert shop.send(secret=shop.tenant.secret, **named).status_code == 401
    shop.set()
    shop.answers(200)


def test_crawlers_are_told_that_nothing_was_stored(shop: Shop, gateway_topics: Topics) -> None:
    dropped = shop.send("by a crawler", **{"user-agent": CRAWLER})
    assert (dropped.status_code, dropped.json()) == (202, {"bot": {"name": "Googlebot", "type": "search-engine"}})
    assert shop.send("vouched for", secret=shop.tenant.secret, **{"user-agent": CRAWLER}).status_code == 200
    shop.set(bot_policy=BotPolicy.FLAG)
    shop.answers(200, name="flagged", **{"user-agent": CRAWLER})
    names = {event["payload"]["name"] for event in gateway_topics.raw_events(shop.tenant.project_id)}
    assert names == {"vouched for", "flagged"}
    assert shop.gateway.metric("weir_gateway_refusals_total", reason="bot", status="202") >= 1


def test_limits_are_told_and_kept(shop: Shop) -> None:
    shop.set(client_limit=RateLimit(per_second=0.01, burst=30), ip_limit=RateLimit(per_second=0.01, burst=20))
    refused = shop.answers(429)
    assert refused.json()["message"] == "You have exceeded the rate limit for this endpoint."
    assert (refused.headers["x-weir-reason"], refused.headers["ratelimit-limit"]) == ("rate_limited", "20")
    assert refused.headers["ratelimit-remaining"] == "0"
    assert int(refused.headers["retry-after"]) >= 1
    assert int(refused.headers["ratelimit-reset"]) >= int(refused.headers["retry-after"])
    # Another address has a bucket of its own, the client the same one.
    taken = shop.send(**{"x-forwarded-for": NEIGHBOUR})
    assert (taken.status_code, taken.headers["ratelimit-limit"]) == (200, "30")
    shop.answers(429, **{"x-forwarded-for": NEIGHBOUR})
    shop.set()
    assert "ratelimit-limit" not in shop.answers(200).headers


def test_gateways_share_a_quota(shop: Shop, gateway_topics: Topics) -> None:
    project_id, month = shop.tenant.project_id, month_of(int(now().timestamp() * 1_000))
    shop.set(monthly_events=1_000)
    bootstrap = gateway_topics.broker.bootstrap

    def told() -> list[str]:
        # Counting begins with the quota, so somebody has to send.
        assert shop.send().status_code == 200
        return [key for key in read_published(bootstrap) if key.startswith("usage/") and f"/{project_id}/" in key]

    (key,) = poll_until("the gateway tells what it took", told)
    own = UsageRecord.model_validate_json(read_published(bootstrap)[key])
    assert (own.project_id, own.month) == (project_id, month)
    assert 1 <= own.events <= 1_000
    other = UsageRecord(gateway=str(uuid.uuid4()), project_id=project_id, month=month, events=1_000 - own.events)
    gateway_topics.publish([other])
    refused = shop.answers(429)
    assert refused.headers["x-weir-reason"] == "quota_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 3_600
    assert "ratelimit-limit" not in refused.headers
    gateway_topics.publish([], deleted=(control_key(other),))
    shop.answers(200)


def test_addresses_are_shortened_before_they_are_written(shop: Shop, gateway_topics: Topics) -> None:
    whole = shop.send("whole").json()["deviceId"]
    shop.set(anonymize_ip=True)

    def shortened() -> list[dict[str, Any]]:
        assert shop.send("short", **{"x-forwarded-for": "2a00:23c8:1234:5678::9"}).status_code == 200
        events = gateway_topics.raw_events(shop.tenant.project_id)
        return [event for event in events if event["ip"] == "2a00:23c8:1234::"]

    poll_until("addresses are shortened", shortened)
    # The device is made from all of the address all the same.
    assert shop.send("short").json()["deviceId"] == whole
    assert shop.send("short", **{"x-forwarded-for": NEIGHBOUR}).json()["deviceId"] != whole
    written = {event["ip"] for event in gateway_topics.raw_events(shop.tenant.project_id) if event["ip"][0] == "8"}
    assert written == {VISITOR, "81.2.69.0"}


def test_no_client_writes_to_a_project_that_is_not_its_own(shop: Shop, gateway_topics: Topics) -> None:
    theirs = Tenant()
    own_root, their_root = (
        ClientRecord(
            id=str(uuid.uuid4()),
            organization_id=organization,
            type=ClientType.ROOT,
            secret_hash=hash_secret(shop.tenant.secret),
        )
        for organization in ("acme", "others")
    )
    their_project = theirs.project().model_copy(update={"organization_id": "others"})
    their_client = theirs.client().model_copy(update={"organization_id": "others"})
    gateway_topics.publish([their_project, their_client, own_root, their_root])

    def send(client_id: str, project_id: str) -> httpx.Response:
        headers = {"openpanel-client-id": client_id, "x-weir-project-id": project_id}
        return shop.send("by a stranger", secret=shop.tenant.secret, **headers)

    poll_until("the last key works", lambda: send(their_root.id, theirs.project_id).status_code == 200)
    assert send(own_root.id, shop.tenant.project_id).status_code == 200
    for client_id, project_id, reason in (
        (shop.tenant.client_id, theirs.project_id, "wrong_project"),
        (theirs.client_id, shop.tenant.project_id, "wrong_project"),
        (own_root.id, theirs.project_id, "no_project"),
        (their_root.id, shop.tenant.project_id, "no_project"),
        (own_root.id, "", "no_project"),
    ):
        refused = send(client_id, project_id)
        assert (refused.status_code, refused.headers["x-weir-reason"]) == (401, reason)
    clients = {event["client_id"] for event in gateway_topics.raw_events(shop.tenant.project_id)}
    assert clients == {own_root.id}
    clients = {event["client_id"] for event in gateway_topics.raw_events(theirs.project_id)}
    assert clients == {their_root.id}
