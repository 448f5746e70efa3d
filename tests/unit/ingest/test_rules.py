"""A project's rules at the gateway's door."""

import base64
import hashlib
from uuid import uuid4

import pytest

from ingest.access import Access
from ingest.allowance import Allowance
from ingest.answers import Refusal, bad_request
from ingest.client_ip import given_address
from ingest.protocols.protocol import SentEvent, Submission
from ingest.quotas import Quotas
from ingest.rules import PROJECT_HEADER, BotDropped, Filtered, Rules
from schemas.control import BotPolicy, ClientRecord, ClientType, ProjectRecord, RateLimit
from schemas.filters import FilterRecord
from schemas.raw_event import RawKind

SECRET = "sec_right"
CLIENT, OTHER = str(uuid4()), str(uuid4())
PAGE = {b"origin": b"https://a.example"}
IP, NEIGHBOUR = "81.2.69.142", "81.2.69.143"
NOW = 1_772_625_600_000
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
EVENT = SentEvent(RawKind.TRACK, {"name": "a", "properties": {}})


class House:
    """Rules with a clock of their own."""

    def __init__(self, **project: object) -> None:
        self.now = 0.0
        self.access = Access()
        self.rules = Rules(self.access, Quotas("me"), 1.0, lambda: self.now)
        self.set(**project)
        secret_hash = "sha256:" + hashlib.sha256(SECRET.encode()).hexdigest()
        for client_id in (CLIENT, OTHER):
            record = ClientRecord(
                id=client_id, organization_id="o", project_id="shop", type=ClientType.WRITE, secret_hash=secret_hash
            )
            self.access.apply_client(client_id, record)

    def set(self, **project: object) -> None:
        fields = {"id": "shop", "organization_id": "o", "name": "", "origins": ("https://a.example",), **project}
        self.access.apply_project("shop", ProjectRecord.model_validate(fields))

    def send(
        self, events: int = 1, *, client: str = CLIENT, secret: str = "", ip: str = IP, seen: str = ""
    ) -> dict[bytes, bytes]:
        """Headers of the answer to a page's request."""
        allowance = self.ask(events, client=client, secret=secret, ip=ip, seen=seen)
        if allowance is None:
            return {}
        allowance.take(events)
        return dict(allowance.headers)

    def ask(
        self, events: int, refused: int = 0, *, client: str = CLIENT, secret: str = "", ip: str = IP, seen: str = ""
    ) -> Allowance | None:
        """The limits of a page's request; some of its events can't be taken."""
        bad: list[SentEvent | Refusal] = [bad_request("invalid_id", "")] * refused
        submission = Submission(client, secret, [EVENT] * events + bad)
        admission, allowance = self.rules.admit(submission, PAGE, seen or ip, ip, NOW)
        self.rules.taken(admission, events, NOW)
        return allowance

    def refusal(self, events: int = 1, **more: str) -> Refusal:
        with pytest.raises(Refusal) as refused:
            self.send(events, **more)
        return refused.value

    def screen(self, *, profile_id: str = "", ip: str = IP, user_agent: str = BROWSER, secret: str = "") -> None:
        admission, _ = self.rules.admit(Submission(CLIENT, secret, [EVENT]), PAGE, IP, IP, NOW)
        self.rules.screen(admission, profile_id, ip, user_agent)


def test_without_rules_everything_passes_and_no_limit_is_told() -> None:
    house = House()
    assert [house.send(1_000) for _ in range(100)] == [{}] * 100
    house.screen(profile_id="ann")


def test_a_client_has_so_many_events_and_is_told_how_many_are_left() -> None:
    house = House(client_limit=RateLimit(per_second=2, burst=10))
    told = {b"ratelimit-limit": b"10", b"ratelimit-remaining": b"4", b"ratelimit-reset": b"3"}
    assert house.send(6) == told
    refused = house.refusal(5)
    assert (refused.status, refused.reason, refused.retry_after) == (429, "rate_limited", 1)
    assert dict(refused.headers) == told
    assert house.send(10, client=OTHER, ip=NEIGHBOUR)[b"ratelimit-remaining"] == b"0"
    house.now += 1
    assert house.send(5)[b"ratelimit-remaining"] == b"1"


def test_a_batch_larger_than_the_bucket_passes_when_it_is_full_and_is_paid_back() -> None:
    house = House(client_limit=RateLimit(per_second=2, burst=10))
    house.send(16)
    assert house.refusal().retry_after == 4
    house.now += 4
    house.send()


def test_nobody_can_make_a_bucket_owe_more_than_it_holds() -> None:
    house = House(client_limit=RateLimit(per_second=2, burst=10))
    house.send(10_000)
    assert house.refusal().retry_after == 6
    house.now += 6
    house.send()


def test_what_is_refused_of_a_batch_is_not_charged_but_a_request_is() -> None:
    house = House(client_limit=RateLimit(per_second=2, burst=10))
    asked = house.ask(5, 2_000)
    assert asked is not None
    asked.take(3)
    assert dict(asked.headers)[b"ratelimit-remaining"] == b"7"
    asked = house.ask(0, 2_000)
    assert asked is not None
    asked.take(0)
    assert dict(asked.headers)[b"ratelimit-remaining"] == b"6"


def test_what_could_not_be_stored_is_given_back() -> None:
    house = House(client_limit=RateLimit(per_second=2, burst=10), ip_limit=RateLimit(per_second=2, burst=20))
    asked = house.ask(8)
    assert asked is not None
    asked.take(8)
    asked.give_back(8)
    assert house.send(1)[b"ratelimit-remaining"] == b"9"


def test_who_has_the_key_alone_uses_up_nothing_of_who_has_the_secret() -> None:
    house = House(client_limit=RateLimit(per_second=2, burst=10))
    house.send(10_000)
    assert house.refusal().reason == "rate_limited"
    assert house.send(7, secret=SECRET)[b"ratelimit-remaining"] == b"3"


def test_addresses_are_limited_apart_and_servers_are_not() -> None:
    house = House(ip_limit=RateLimit(per_second=1, burst=2))
    house.send(2)
    assert house.refusal().reason == "rate_limited"
    house.send(2, ip=NEIGHBOUR)
    house.send(500, secret=SECRET)
    # Whatever address it states for its visitor, it is limited by the one it was seen at.
    assert house.refusal(ip=NEIGHBOUR, seen=IP).reason == "rate_limited"


def test_of_ipv6_everybody_has_a_network() -> None:
    house = House(ip_limit=RateLimit(per_second=1, burst=2))
    house.send(2, ip="2001:db8::1")
    assert house.refusal(ip="2001:db8::ffff").status == 429
    house.send(2, ip="2001:db8:0:1::1")


@pytest.mark.parametrize(
    "other", ["64:ff9b::5102:458e", "2002:5102:458e::1", "2002:5102:458e:9::1", "::ffff:81.2.69.142"]
)
def test_an_ipv4_address_has_one_bucket_however_it_is_reached(other: str) -> None:
    house = House(ip_limit=RateLimit(per_second=1, burst=2))
    house.send(2, ip=given_address(other))
    assert house.refusal().status == 429
    house.send(2, ip=NEIGHBOUR)


def test_what_one_bucket_refuses_costs_nothing_of_the_other() -> None:
    house = House(client_limit=RateLimit(per_second=1, burst=10), ip_limit=RateLimit(per_second=1, burst=2))
    assert house.send(2)[b"ratelimit-limit"] == b"2"
    for _ in range(20):
        house.refusal()
    assert house.send(2, ip=NEIGHBOUR)[b"ratelimit-remaining"] == b"0"
    house.set(client_limit=RateLimit(per_second=1, burst=10))
    assert house.send(6)[b"ratelimit-remaining"] == b"0"


UNKNOWN = Refusal(401, "unknown_client", "")
BROKEN = Refusal(400, "not_json", "")


def test_too_many_failures_from_an_address_are_not_looked_at() -> None:
    house = House()
    for number in range(50):
        house.rules.before(IP, {})
        house.rules.blame((UNKNOWN, BROKEN)[number % 2], IP, {}, 0)
    with pytest.raises(Refusal) as refused:
        house.rules.before(IP, {})
    assert (refused.value.status, refused.value.reason) == (429, "too_many_failures")
    house.rules.before(NEIGHBOUR, {})
    house.now += refused.value.retry_after or 0
    house.rules.before(IP, {})


def test_the_more_work_a_failure_made_the_more_it_costs() -> None:
    house = House()
    house.rules.blame(BROKEN, IP, {}, 0.05)
    with pytest.raises(Refusal) as refused:
        house.rules.before(IP, {})
    assert refused.value.retry_after == 2
    house.rules.blame(BROKEN, IP, {}, 60)
    with pytest.raises(Refusal) as refused:
        house.rules.before(IP, {})
    assert refused.value.retry_after == 51


@pytest.mark.parametrize("status", [408, 500, 503])
def test_what_is_not_the_senders_doing_is_not_blamed(status: int) -> None:
    house = House()
    house.rules.blame(Refusal(status, "", ""), IP, {}, 60)
    house.rules.before(IP, {})


@pytest.mark.parametrize("refusal", [Refusal(429, "rate_limited", ""), Refusal(202, "bot", ""), Filtered("ip", "")])
def test_what_is_refused_without_a_fault_costs_the_time_it_took(refusal: Refusal) -> None:
    house = House()
    for _ in range(100):
        house.rules.blame(refusal, IP, {}, 0)
    house.rules.before(IP, {})
    house.rules.blame(refusal, IP, {}, 0.06)
    with pytest.raises(Refusal):
        house.rules.before(IP, {})


def test_who_has_proven_a_secret_is_never_charged() -> None:
    """Wherever it stood: in the body, for one."""
    house = House(client_limit=RateLimit(per_second=1, burst=1), monthly_events=1)
    house.send(1, secret=SECRET)
    refused = house.refusal(secret=SECRET)
    house.rules.blame(refused, IP, {}, 60)
    house.rules.before(IP, {})
    house.rules.blame(house.refusal(), IP, {}, 60)
    with pytest.raises(Refusal):
        house.rules.before(IP, {})
    basic = {b"authorization": b"Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode())}
    house.rules.before(IP, basic)
    with pytest.raises(Refusal):
        house.rules.before(IP, {b"authorization": b"Basic " + base64.b64encode(f"{CLIENT}:sec_wrong".encode())})


def test_recordings_nobody_asked_for_are_no_failure() -> None:
    house = House()
    house.rules.blame(bad_request("recording_not_stored", ""), IP, {}, 60)
    house.rules.before(IP, {})


def test_who_shows_a_secret_is_neither_blamed_nor_shut_out_with_others() -> None:
    house = House()
    server = {b"openpanel-client-id": CLIENT.encode(), b"openpanel-client-secret": SECRET.encode()}
    house.rules.blame(BROKEN, IP, server, 60)
    house.rules.before(IP, {})
    house.rules.blame(BROKEN, IP, {}, 60)
    house.rules.before(IP, server)
    for wrong in ({**server, b"openpanel-client-secret": b"sec_wrong"}, {b"openpanel-client-id": CLIENT.encode()}):
        with pytest.raises(Refusal):
            house.rules.before(IP, wrong)


def test_a_quota_holds_for_the_month() -> None:
    house = House(monthly_events=5)
    house.send(4)
    house.send(4)
    refused = house.refusal()
    assert (refused.status, refused.reason, refused.retry_after) == (429, "quota_exceeded", 3_600)
    house.set(monthly_events=9)
    house.send()
    assert house.refusal().reason == "quota_exceeded"
    house.set()
    house.send()


@pytest.mark.parametrize(
    ("record", "event", "reason", "message"),
    [
        (("ip", "81.2.69.128/25"), {}, "filtered_ip", "IP address is blocked by project filter"),
        (
            ("profile_id", "ann"),
            {"profile_id": "ann"},
            "filtered_profile_id",
            "Profile id is blocked by project filter",
        ),
    ],
)
def test_filters_that_need_no_worker_refuse_at_once(
    record: tuple[str, str], event: dict[str, str], reason: str, message: str
) -> None:
    house = House(filters=[FilterRecord(kind=record[0], value=record[1])])
    with pytest.raises(Refusal) as refused:
        house.screen(**event)
    assert (refused.value.status, refused.value.reason, refused.value.message) == (401, reason, message)


def test_an_address_is_filtered_wherever_it_stands() -> None:
    house = House(filters=[FilterRecord(kind="ip", value="6.6.6.6")])
    house.send()
    assert house.refusal(ip="6.6.6.6", seen=IP).reason == "filtered_ip"
    assert house.refusal(ip=IP, seen="6.6.6.6").reason == "filtered_ip"
    with pytest.raises(Refusal):
        house.screen(ip="6.6.6.6")


def test_crawlers_are_dropped_unless_somebody_vouches_for_them() -> None:
    house = House()
    with pytest.raises(BotDropped) as dropped:
        house.screen(user_agent=CRAWLER)
    assert (dropped.value.status, dropped.value.bot) == (202, ("Googlebot", "search-engine"))
    house.screen(user_agent=CRAWLER, secret=SECRET)
    with pytest.raises(BotDropped):
        house.screen(user_agent=CRAWLER, secret="sec_wrong")
    for policy in (BotPolicy.FLAG, BotPolicy.KEEP):
        house.set(bot_policy=policy)
        house.screen(user_agent=CRAWLER)


def test_the_header_names_a_project() -> None:
    house = House()
    with pytest.raises(Refusal) as refused:
        house.rules.admit(Submission(CLIENT, SECRET, [EVENT]), {PROJECT_HEADER: b"blog"}, IP, IP, NOW)
    assert refused.value.reason == "wrong_project"
