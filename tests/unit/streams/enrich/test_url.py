"""Addresses taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.enrich.url import MAX_QUERY_KEYS, MAX_QUERY_VALUE, MAX_URL, Location, parse_location, parse_query

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # with lone surrogates

GOLDEN = [
    ("", Location("")),
    ("   ", Location("")),
    ("/", Location("/")),
    ("/shop/shoes", Location("/shop/shoes")),
    ("/shop/", Location("/shop/")),
    ("/a?x=1#top", Location("/a", query=(("x", "1"),), hash="#top")),
    ("Home", Location("Home")),
    ("Home/Details?id=3", Location("Home/Details?id=3")),
    ("httpfoo", Location("httpfoo")),
    ("myapp://screen/one", Location("myapp://screen/one")),
    ("https://shop.example", Location("/", "https://shop.example")),
    ("https://Shop.Example/Path", Location("/Path", "https://shop.example")),
    ("HTTPS://shop.example:443/", Location("/", "https://shop.example")),
    ("http://shop.example:80/", Location("/", "http://shop.example")),
    ("http://localhost:3000/a/b", Location("/a/b", "http://localhost:3000")),
    ("https://user:secret@shop.example/x", Location("/x", "https://shop.example")),
    ("https://shop.example?x=1", Location("/", "https://shop.example", (("x", "1"),))),
    ("https://shop.example#faq", Location("/", "https://shop.example", hash="#faq")),
    ("https://[2001:db8::1]:8080/x", Location("/x", "https://[2001:db8::1]:8080")),
    ("https:///nowhere", Location("https:///nowhere")),
    ("//cdn.example/x", Location("//cdn.example/x")),
    ("/s?q=a&q=b&empty&=lost", Location("/s", query=(("q", "b"), ("empty", "")))),
    ("/s?q=red+shoes%20%C3%A9&k%5B0%5D=1", Location("/s", query=(("q", "red shoes é"), ("k[0]", "1")))),
    ("/s?q=%ff%00x", Location("/s", query=(("q", "�x"),))),
    ("/#", Location("/")),
    ("\t/a\x00b\n", Location("/ab")),
    ("/\ud800x", Location("/\ufffdx")),
    (
        "https://shop.example/?utm_source=News&utm_medium=email&utm_campaign=may&utm_term=t&utm_content=c",
        Location(
            "/",
            "https://shop.example",
            (
                ("utm_source", "News"),
                ("utm_medium", "email"),
                ("utm_campaign", "may"),
                ("utm_term", "t"),
                ("utm_content", "c"),
            ),
            "",
            "News",
            "email",
            "may",
            "t",
            "c",
            "News",
        ),
    ),
    ("/?UTM_Source=x", Location("/", query=(("UTM_Source", "x"),), utm_source="x", source="x")),
    ("/?ref=ph", Location("/", query=(("ref", "ph"),), source="ph")),
    ("/?utm_referrer=hn", Location("/", query=(("utm_referrer", "hn"),), source="hn")),
    # Hash routing: the fragment is the page.
    ("https://app.example/#/cart", Location("/#/cart", "https://app.example")),
    ("https://app.example#!/cart", Location("/#/cart", "https://app.example")),
    ("/app?x=1#/cart?step=2&x=3", Location("/app#/cart", query=(("x", "3"), ("step", "2")))),
    ("/#/?utm_source=News", Location("/#/", query=(("utm_source", "News"),), utm_source="News", source="News")),
    ("/#!top", Location("/", hash="#!top")),
    # Click ids.
    ("/?gclid=abc", Location("/", query=(("gclid", "abc"),), click_source="google_ads")),
    ("/?GCLID=abc", Location("/", query=(("GCLID", "abc"),), click_source="google_ads")),
    ("/?gclid=", Location("/", query=(("gclid", ""),))),
    ("/?fbclid=f&ttclid=t", Location("/", query=(("fbclid", "f"), ("ttclid", "t")), click_source="tiktok_ads")),
]


@pytest.mark.parametrize(("raw", "location"), GOLDEN)
def test_golden(raw: str, location: Location) -> None:
    assert parse_location(raw) == location


def test_length_is_bounded() -> None:
    assert len(parse_location("/" + "x" * 100_000).path) == MAX_URL
    many = parse_query("&".join(f"k{number}={'v' * 2000}" for number in range(1000)))
    assert len(many) == MAX_QUERY_KEYS
    assert {len(value) for value in many.values()} == {MAX_QUERY_VALUE}


@given(st.one_of(ANY_TEXT, st.text(alphabet="https://?#&=%@:[]\ud800\x00ab"), st.from_regex(r"https?://.*[?#].*")))
def test_anything_gives_storable_text(raw: str) -> None:
    location = parse_location(raw)
    texts = [location.path, location.origin, location.hash, location.source]
    texts += [text for pair in location.query for text in pair]
    for text in texts:
        text.encode("utf-8")
        assert "\x00" not in text
    assert len({key for key, _ in location.query}) == len(location.query)
