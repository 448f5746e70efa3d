"""Which device and session an event belongs to."""

from datetime import UTC, datetime

import orjson
import pytest

from ingest.access import Access
from ingest.answers import Refusal
from ingest.follower import Record
from ingest.sessions_reader import LiveSessions, SessionRow, SessionsReader
from ingest.visitor import SERVER, Visitor, Visitors
from schemas.agent import is_server
from schemas.control import SaltRecord
from schemas.device_id import device_hash
from schemas.session_id import SESSION_TIMEOUT_MS, session_bucket, session_id

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
IP = "81.2.69.142"
NOON = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp() * 1000)
TODAY, YESTERDAY = b"\x22" * 32, b"\x11" * 32


@pytest.fixture
def sessions() -> LiveSessions:
    return LiveSessions(1_000)


@pytest.fixture
def visitors(sessions: LiveSessions) -> Visitors:
    access = Access()
    for day, salt in (("2026-03-01", YESTERDAY), ("2026-03-02", TODAY)):
        access.apply_salt(day, SaltRecord(day=day, salt=salt.hex()))
    return Visitors(access, sessions)


def live(session: str, start: int = NOON, end: int = NOON, version: int = 1) -> SessionRow:
    return SessionRow(session, version, start, end)


def test_a_visitor_without_a_live_session_gets_the_deterministic_one(visitors: Visitors) -> None:
    device = device_hash(TODAY, "shop", IP, BROWSER)
    expected = Visitor(device, session_id("shop", device, session_bucket(NOON)))
    assert visitors.derived("shop", IP, BROWSER, NOON, NOON) == expected
    assert visitors.given("shop", device, NOON) == expected


def test_projects_addresses_and_agents_make_different_devices(visitors: Visitors) -> None:
    devices = {
        visitors.derived(project, ip, agent, NOON, NOON).device_id
        for project in ("a", "b")
        for ip in (IP, "")
        for agent in (BROWSER, BROWSER + " x")
    }
    assert len(devices) == 8


def test_the_live_session_goes_before_the_deterministic_one(visitors: Visitors, sessions: LiveSessions) -> None:
    device = device_hash(TODAY, "shop", IP, BROWSER)
    sessions.put("shop", device, live("its own"))
    assert visitors.derived("shop", IP, BROWSER, NOON + 1, NOON).session_id == "its own"
    assert visitors.given("shop", device, NOON + 1).session_id == "its own"
    assert visitors.given("other", device, NOON + 1).session_id != "its own"


@pytest.mark.parametrize(
    ("offset", "belongs"),
    [
        (0, True),
        (SESSION_TIMEOUT_MS, True),
        (SESSION_TIMEOUT_MS + 1, False),
        (-SESSION_TIMEOUT_MS - 60_000, True),
        (-SESSION_TIMEOUT_MS - 60_001, False),
    ],
)
def test_a_session_reaches_as_far_as_the_timeout(sessions: LiveSessions, offset: int, belongs: bool) -> None:
    sessions.put("shop", "d", live("s", NOON - 60_000, NOON))
    assert sessions.join("shop", "d", NOON + offset, extend=False) == ("s" if belongs else None)


def test_a_visit_survives_midnight(visitors: Visitors, sessions: LiveSessions) -> None:
    earlier = device_hash(YESTERDAY, "shop", IP, BROWSER)
    sessions.put("shop", earlier, live("last night's"))
    assert visitors.derived("shop", IP, BROWSER, NOON, NOON) == Visitor(earlier, "last night's")
    today = device_hash(TODAY, "shop", IP, BROWSER)
    sessions.put("shop", today, live("this morning's"))
    assert visitors.derived("shop", IP, BROWSER, NOON, NOON) == Visitor(today, "this morning's")


def test_servers_get_no_device(visitors: Visitors) -> None:
    assert visitors.derived("shop", IP, "node", NOON, NOON) == SERVER


def test_without_any_salt_it_says_so() -> None:
    visitors = Visitors(Access(), LiveSessions(1))
    with pytest.raises(Refusal) as refused:
        visitors.derived("shop", IP, BROWSER, NOON, NOON)
    assert (refused.value.status, refused.value.reason) == (503, "no_salt")
    assert visitors.given("shop", "d", NOON).device_id == "d"


@pytest.mark.parametrize(
    "agent",
    [
        "",
        " ",
        "node",
        "curl/8.1",
        "python-requests/2.31.0",
        "Go-http-client/1.1",
        "axios/1.6.2-beta",
        "Python/3.11 aiohttp/3.9",
    ],
)
def test_programs_are_servers(agent: str) -> None:
    assert is_server(agent)


@pytest.mark.parametrize(
    "agent", [BROWSER, "Shop/1.2 CFNetwork/1410.0.3 Darwin/22.6.0", "Dalvik/2.1.0 (Linux; U; Android 13)"]
)
def test_browsers_and_apps_are_not(agent: str) -> None:
    assert not is_server(agent)


def test_older_news_does_not_displace_newer(sessions: LiveSessions) -> None:
    sessions.put("shop", "d", live("now", NOON, NOON, version=3))
    sessions.put("shop", "d", live("now", NOON, NOON - 1, version=2))
    sessions.put("shop", "d", live("offline, long ago", NOON - 1, NOON - 1, version=9))
    assert sessions.join("shop", "d", NOON, extend=False) == "now"


def test_a_session_survives_the_salts_of_days_without_control(sessions: LiveSessions) -> None:
    """When control comes back, visits go on under the last salt there was."""
    access = Access()
    access.apply_salt("2026-02-20", SaltRecord(day="2026-02-20", salt=YESTERDAY.hex()))
    visitors = Visitors(access, sessions)
    before = visitors.derived("shop", IP, BROWSER, NOON, NOON, "event-1")
    visitors.remember("shop", before.device_id, NOON, "event-1")
    access.apply_salt("2026-03-02", SaltRecord(day="2026-03-02", salt=TODAY.hex()))
    assert visitors.derived("shop", IP, BROWSER, NOON + 1, NOON + 1, "event-2") == before
    assert visitors.live("shop", IP, BROWSER, NOON + 2) == before


def test_who_asks_has_a_session_only_once_there_is_one(visitors: Visitors) -> None:
    asked = visitors.live("shop", IP, BROWSER, NOON)
    assert asked == Visitor(device_hash(TODAY, "shop", IP, BROWSER), "")
    # Neither the question nor an identify begins one.
    told = visitors.derived("shop", IP, BROWSER, NOON, NOON)
    assert visitors.live("shop", IP, BROWSER, NOON) == asked
    assert visitors.derived("shop", IP, BROWSER, NOON, NOON, "event-1") == told
    # Nor does an event that nobody has taken yet.
    assert visitors.live("shop", IP, BROWSER, NOON) == asked
    visitors.remember("shop", told.device_id, NOON, "event-1")
    assert visitors.live("shop", IP, BROWSER, NOON) == told
    assert visitors.live("shop", IP, "node", NOON) == SERVER


def test_memory_is_bounded() -> None:
    sessions = LiveSessions(3)
    for number in range(5):
        sessions.put("shop", str(number), live(str(number)))
        sessions.put("shop", "2", live("2", version=number + 1))
    assert len(sessions) == 3
    assert sessions.join("shop", "2", NOON, extend=False) == "2"
    assert sessions.join("shop", "0", NOON, extend=False) is None


def test_rows_that_are_none_are_not_news(sessions: LiveSessions) -> None:
    reader = SessionsReader("127.0.0.1:1", sessions)
    row = {
        "project_id": "shop",
        "device_id": "d",
        "session_id": "s",
        "version": 1,
        "sign": 1,
        "is_closed": 0,
        "started_at": "2026-03-02 12:00:00.000",
        "ended_at": "2026-03-02 12:00:00.250",
    }
    bad: list[bytes] = [
        b"",
        b"x",
        b"[]",
        b"{}",
        orjson.dumps({**row, "ended_at": "x"}),
        orjson.dumps({**row, "sign": -1}),
    ]
    for value in bad:
        reader.take(Record(None, value))
    reader.take(Record(None, None))
    assert len(sessions) == 0
    reader.take(Record(None, orjson.dumps({**row, "session_id": "old", "sign": -1}) + b"\n" + orjson.dumps(row)))
    assert sessions.join("shop", "d", NOON + 250 + SESSION_TIMEOUT_MS, extend=False) == "s"
    assert sessions.join("shop", "d", NOON + 251 + SESSION_TIMEOUT_MS, extend=False) is None
