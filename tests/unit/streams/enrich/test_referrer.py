"""Referrers and campaign sources by name and type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.enrich.referrer import DIRECT, MAX_REFERRER, Referrer, parse_referrer, referrer_from_source
from streams.enrich.referrer_names import BY_TYPE

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # with lone surrogates

OWN = "https://www.shop.example:3000"

GOLDEN = [
    ("", DIRECT),
    ("  ", DIRECT),
    ("https://shop.example/cart", DIRECT),
    ("http://www.shop.example", DIRECT),
    ("https://www.google.com/", Referrer("https://www.google.com", "Google", "search")),
    ("https://google.de/search?q=x", Referrer("https://google.de/search?q=x", "Google", "search")),
    ("https://www.google.co.uk", Referrer("https://www.google.co.uk", "Google", "search")),
    ("https://images.google.fr/", Referrer("https://images.google.fr", "Google Images", "search")),
    ("https://mail.google.com/mail/u/0/#inbox", Referrer("https://mail.google.com/mail/u/0", "Gmail", "email")),
    ("https://gemini.google.com/app", Referrer("https://gemini.google.com/app", "Gemini", "ai")),
    ("https://" + "a." * 400 + "google.com/", Referrer("https://" + "a." * 400 + "google.com", "Google", "search")),
    ("https://google.evil.com/", Referrer("https://google.evil.com", "google.evil.com", "")),
    ("https://notgoogle.com/", Referrer("https://notgoogle.com", "notgoogle.com", "")),
    ("https://l.facebook.com/l.php?u=x", Referrer("https://l.facebook.com/l.php?u=x", "Facebook", "social")),
    ("https://t.co/abc", Referrer("https://t.co/abc", "X", "social")),
    ("https://x.com", Referrer("https://x.com", "X", "social")),
    ("https://netflix.com", Referrer("https://netflix.com", "Netflix", "video")),
    ("https://old.reddit.com/r/shoes/", Referrer("https://old.reddit.com/r/shoes", "Reddit", "social")),
    (
        "https://news.ycombinator.com/item?id=1",
        Referrer("https://news.ycombinator.com/item?id=1", "Hacker News", "social"),
    ),
    ("https://chatgpt.com/", Referrer("https://chatgpt.com", "ChatGPT", "ai")),
    ("https://www.perplexity.ai/", Referrer("https://www.perplexity.ai", "Perplexity", "ai")),
    ("https://m.youtube.com/watch?v=1", Referrer("https://m.youtube.com/watch?v=1", "YouTube", "video")),
    ("https://search.yahoo.com/", Referrer("https://search.yahoo.com", "Yahoo!", "search")),
    ("https://mail.yahoo.com/", Referrer("https://mail.yahoo.com", "Yahoo! Mail", "email")),
    ("https://www.amazon.co.jp/dp/1", Referrer("https://www.amazon.co.jp/dp/1", "Amazon", "shopping")),
    ("https://web.telegram.org/", Referrer("https://web.telegram.org", "Telegram", "chat")),
    ("https://de.wikipedia.org/wiki/Wehr", Referrer("https://de.wikipedia.org/wiki/Wehr", "Wikipedia", "reference")),
    ("https://me:secret@Blog.Example/post/", Referrer("https://blog.example/post", "blog.example", "")),
    ("android-app://com.google.android.gm/", Referrer("android-app://com.google.android.gm", "Gmail", "email")),
    ("android-app://org.unknown/", Referrer("android-app://org.unknown", "org.unknown", "")),
    ("utm_source=google-play&utm_medium=organic", Referrer("", "Google Play", "reference")),
    ("facebook", Referrer("", "Facebook", "social")),
    ("http://[2001:db8::1]:80/x", Referrer("http://[2001:db8::1]/x", "[2001:db8::1]", "")),
]


@pytest.mark.parametrize(("raw", "referrer"), GOLDEN)
def test_golden(raw: str, referrer: Referrer) -> None:
    assert parse_referrer(raw, OWN) == referrer


SOURCES = [
    ("", DIRECT),
    ("google", Referrer("", "Google", "search")),
    ("Google", Referrer("", "Google", "search")),
    ("fb", Referrer("", "Facebook", "social")),
    ("google_ads", Referrer("", "Google Ads", "ads")),
    ("chatgpt.com", Referrer("", "ChatGPT", "ai")),
    ("www.bing.com", Referrer("", "Bing", "search")),
    ("techcrunch", Referrer("", "TechCrunch", "news")),
    ("Hacker News", Referrer("", "Hacker News", "social")),
    ("forbes", Referrer("", "Forbes", "news")),
    ("newsletter", Referrer("", "Newsletter", "email")),
    ("Spring-Flyer", Referrer("", "spring-flyer", "")),
]


@pytest.mark.parametrize(("source", "referrer"), SOURCES)
def test_sources(source: str, referrer: Referrer) -> None:
    assert referrer_from_source(source) == referrer


def test_without_own_origin_everything_is_external() -> None:
    assert parse_referrer("https://shop.example/", "").name == "shop.example"


def test_length_is_bounded() -> None:
    assert len(parse_referrer("https://a.example/" + "x" * 10_000).url) == MAX_REFERRER


def test_every_entry_is_listed_once() -> None:
    entries = [
        entry
        for table in BY_TYPE.values()
        for line in table.strip().splitlines()
        for entry in line.partition(" = ")[2].split()
    ]
    assert sorted(entries) == sorted(set(entries))


@given(ANY_TEXT, ANY_TEXT)
def test_anything_gives_storable_text(raw: str, source: str) -> None:
    for referrer in (parse_referrer(raw, OWN), parse_referrer(f"https://{raw}"), referrer_from_source(source)):
        for text in referrer:
            text.encode("utf-8")
