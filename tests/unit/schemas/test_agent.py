"""User agents and client hints."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.agent import HINT_NAMES, MAX_TEXT, SERVER, Agent, is_server, override_agent, parse_agent
from tests.unit.schemas.user_agents import PEOPLE, SERVERS

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # with lone surrogates

WINDOWS = PEOPLE[0][0]
ANDROID = next(user_agent for user_agent, _ in PEOPLE if "Android 10; K)" in user_agent)


@pytest.mark.parametrize(("user_agent", "agent"), PEOPLE)
def test_golden(user_agent: str, agent: Agent) -> None:
    assert parse_agent(user_agent) == agent


@pytest.mark.parametrize("user_agent", SERVERS)
def test_servers(user_agent: str) -> None:
    assert parse_agent(user_agent) == SERVER


HINTED = [
    (WINDOWS, {"accept-language": "de"}, Agent("Windows", "10", "Chrome", "141.0.0.0", "desktop")),
    (
        WINDOWS,
        {"sec-ch-ua-platform": '"Windows"', "sec-ch-ua-platform-version": '"15.0.0"', "sec-ch-ua-mobile": "?0"},
        Agent("Windows", "11", "Chrome", "141.0.0.0", "desktop"),
    ),
    (
        WINDOWS,
        {"sec-ch-ua-platform": '"Windows"', "sec-ch-ua-platform-version": '"0.3.0"'},
        Agent("Windows", "8.1", "Chrome", "141.0.0.0", "desktop"),
    ),
    (
        WINDOWS,
        {"sec-ch-ua": '"Not_A Brand";v="8", "Chromium";v="141", "Brave";v="141"'},
        Agent("Windows", "10", "Brave", "141", "desktop"),
    ),
    (
        ANDROID,
        {
            "sec-ch-ua-platform": '"Android"',
            "sec-ch-ua-platform-version": '"15.0.0"',
            "sec-ch-ua-mobile": "?1",
            "sec-ch-ua-model": '"SM-S918B"',
        },
        Agent("Android", "15", "Chrome", "141.0.0.0", "mobile", "Samsung", "SM-S918B"),
    ),
    ("curl/8.5.0", {"sec-ch-ua-mobile": "?1"}, SERVER),
]


@pytest.mark.parametrize(("user_agent", "hints", "agent"), HINTED)
def test_client_hints(user_agent: str, hints: dict[str, str], agent: Agent) -> None:
    assert parse_agent(user_agent, hints) == agent


def test_what_the_sender_says_of_itself_wins() -> None:
    agent = parse_agent(WINDOWS)
    said = {"__os": "Haiku", "__osVersion": " 1 ", "__browser": "", "__model": 7, "other": "x"}
    assert override_agent(agent, said) == agent._replace(os="Haiku", os_version="1")
    assert override_agent(agent, {"other": "x"}) is agent


def test_a_server_stays_a_server() -> None:
    assert override_agent(SERVER, {"__os": "Linux"}) is SERVER


@given(ANY_TEXT, st.dictionaries(st.sampled_from(HINT_NAMES), ANY_TEXT))
def test_anything_gives_storable_text(text: str, hints: dict[str, str]) -> None:
    for user_agent in (text, f"Mozilla/5.0 ({text}) Firefox/{text}", f"x (Model={text}; Manufacturer={text})"):
        for field in parse_agent(user_agent, hints)[:7]:
            field.encode("utf-8")
            assert "\x00" not in field
            assert len(field) <= MAX_TEXT


PEOPLE_BEGIN = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)",
    "Mozilla/5.0 (X11; Linux x86_64)",
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)",
    "Mozilla/5.0 (Linux; Android 10; K)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)",
    "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X)",
)


@given(st.one_of(st.text(), st.tuples(st.sampled_from(PEOPLE_BEGIN), st.text()).map("".join)))
def test_the_quick_look_for_servers_says_what_the_long_one_says(user_agent: str) -> None:
    assert is_server(user_agent) is parse_agent(user_agent).is_server


@pytest.mark.parametrize("user_agent", [*(text for text, _ in PEOPLE), *SERVERS])
def test_the_quick_look_is_right_about_those_that_are_known(user_agent: str) -> None:
    assert is_server(user_agent) is parse_agent(user_agent).is_server


@pytest.mark.parametrize("user_agent", ["Python/3.11 aiohttp/3.9", "node", "curl/8.1", "", "okhttp/4.9 (x; y)"])
def test_libraries_are_servers(user_agent: str) -> None:
    assert is_server(user_agent)
