"""Crawlers told from people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.bots import MAX_NAME, Bot, _listed, bot_name, find_bot
from tests.unit.schemas.user_agents import PEOPLE, SERVERS

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # with lone surrogates

BOTS = [
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
    (
        (
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/141.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
        ),
        "Googlebot",
    ),
    ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot"),
    ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", "yandex.com/bots"),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "GPTBot",
    ),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "facebookexternalhit"),
    ("Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)", "Sogou web spider"),
    ("NewThing-Crawler/3.0 (+https://newthing.example)", "NewThing-Crawler/3"),
    ("Mozilla/5.0 (compatible; MyOwnBot; https://example.com)", "MyOwnBot"),
    (
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0.0.0 "
            "Safari/537.36 Chrome-Lighthouse"
        ),
        "Chrome-Lighthouse",
    ),
    ("sqlmap/1.7.2#stable (https://sqlmap.org)", "sqlmap"),
]


@pytest.mark.parametrize(("user_agent", "name"), BOTS)
def test_crawlers_and_tools(user_agent: str, name: str) -> None:
    assert bot_name(user_agent) == name


@pytest.mark.parametrize("user_agent", [user_agent for user_agent, _ in PEOPLE])
def test_people(user_agent: str) -> None:
    assert bot_name(user_agent) == ""


@pytest.mark.parametrize("user_agent", SERVERS)
def test_servers_are_no_crawlers(user_agent: str) -> None:
    assert bot_name(user_agent) == ""


def test_the_list_is_there() -> None:
    assert len(_listed()) > 1_000


@given(ANY_TEXT)
def test_anything(user_agent: str) -> None:
    assert len(bot_name(user_agent)) <= MAX_NAME
    assert len(bot_name(f"{user_agent}Googlebot/")) <= MAX_NAME


@pytest.mark.parametrize(
    ("user_agent", "bot"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Bot("Googlebot", "search-engine")),
        ("sqlmap/1.7.2#stable (https://sqlmap.org)", Bot("sqlmap", "scanner")),
        ("Mozilla/5.0 (compatible; MyOwnBot; https://example.com)", Bot("MyOwnBot", "crawler")),
        ("curl/8.1", None),
        ("", None),
    ],
)
def test_what_kind_of_crawler_it_is(user_agent: str, bot: Bot | None) -> None:
    assert find_bot(user_agent) == bot
