"""What a visit came from: referrer, campaign and click id settled into one name and type."""

import pytest

from streams.enrich.click_ids import CLICK_IDS, click_source
from streams.enrich.referrer import referrer_from_source
from streams.enrich.source import settle_source
from streams.enrich.url import parse_location

PAGE = "https://www.shop.example/"
ORIGINS = ("https://shop.example", "*.shop.example", "https://pay.example", "*")

GOLDEN = [
    # referrer, page's query, name, type
    ("", "", "", ""),
    ("https://www.google.com/", "", "Google", "search"),
    ("https://chatgpt.com/", "", "ChatGPT", "ai"),
    ("https://blog.example/", "", "blog.example", ""),
    # What the link says of itself goes before the referrer.
    ("https://www.google.com/", "?utm_source=newsletter", "Newsletter", "email"),
    ("https://www.google.com/", "?ref=producthunt", "Product Hunt", "social"),
    # Paid: by the medium, or by an ad's click id.
    ("https://www.google.com/", "?utm_source=google&utm_medium=cpc", "Google", "ads"),
    ("", "?utm_source=partner&utm_medium=Paid-Social", "partner", "ads"),
    ("", "?utm_source=facebook&utm_medium=display", "Facebook", "ads"),
    ("https://www.google.com/", "?gclid=x", "Google Ads", "ads"),
    ("", "?gclid=x&utm_source=google", "Google", "ads"),
    ("https://www.bing.com/", "?msclkid=x", "Microsoft Advertising", "ads"),
    ("https://l.facebook.com/", "?fbclid=x", "Facebook", "social"),
    ("", "?fbclid=x&utm_source=facebook&utm_medium=paid_social", "Facebook", "ads"),
    # A medium gives its type to a source without one, and to no other.
    ("", "?utm_source=spring-flyer&utm_medium=email", "spring-flyer", "email"),
    ("", "?utm_source=spring-flyer&utm_medium=social", "spring-flyer", "social"),
    ("", "?utm_source=google&utm_medium=email", "Google", "search"),
    # A medium alone is no source.
    ("", "?utm_medium=cpc", "", ""),
    # The site itself, in all its parts, is no referrer.
    ("https://shop.example/cart", "", "", ""),
    ("https://help.shop.example/faq", "", "", ""),
    ("https://pay.example/done", "", "", ""),
    ("https://notshop.example/", "", "notshop.example", ""),
]


@pytest.mark.parametrize(("referrer", "query", "name", "kind"), GOLDEN)
def test_golden(referrer: str, query: str, name: str, kind: str) -> None:
    source = settle_source(referrer, parse_location(PAGE + query), ORIGINS)
    assert (source["referrer_name"], source["referrer_type"]) == (name, kind)


def test_the_sites_own_page_leaves_no_address() -> None:
    assert settle_source("https://help.shop.example/faq", parse_location(PAGE), ORIGINS)["referrer"] == ""
    assert settle_source("https://help.shop.example/faq", parse_location(PAGE), ())["referrer"] != ""


@pytest.mark.parametrize("source", sorted(set(CLICK_IDS.values())))
def test_every_click_id_has_a_name(source: str) -> None:
    assert referrer_from_source(source).type


def test_an_ads_click_id_goes_first_however_they_are_ordered() -> None:
    assert click_source({"fbclid": "1", "gclid": "2"}) == click_source({"gclid": "2", "fbclid": "1"}) == "google_ads"
    assert click_source({}) == click_source({"gclid": ""}) == ""
