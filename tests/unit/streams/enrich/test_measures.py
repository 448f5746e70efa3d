"""Scroll depth and web vitals, in whatever spelling they come."""

from typing import Any

import pytest
from hypothesis import given as examples

from streams.enrich.measures import measured
from tests.unit.streams.enrich.json_values import JSON_OBJECTS

GOLDEN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("screen_view", {"a": 1}, {}),
    ("screen_view", {}, {}),
    ("scroll", {"percent_scrolled": 90}, {"__scroll_depth": 90}),
    ("engagement", {"scroll_depth": 55.4, "engagement_time": 3}, {"__scroll_depth": 55}),
    ("$pageleave", {"$prev_pageview_max_scroll_percentage": 0.254}, {"__scroll_depth": 25}),
    ("$pageleave", {"$prev_pageview_max_scroll_percentage": 25.4}, {}),
    ("scroll", {"percent_scrolled": 101}, {}),
    ("scroll", {"percent_scrolled": -1}, {}),
    ("scroll", {"percent_scrolled": "90"}, {}),
    ("scroll", {"percent_scrolled": True}, {}),
    ("web_vitals", {"name": "LCP", "value": 2500.5, "rating": "good"}, {"__web_vitals": {"lcp": 2500.5}}),
    ("web-vitals", {"metric": "cls", "value": 0.1}, {"__web_vitals": {"cls": 0.1}}),
    ("web_vitals", {"lcp": 1200, "CLS": 0, "inp": 64}, {"__web_vitals": {"lcp": 1200.0, "cls": 0.0, "inp": 64.0}}),
    ("web_vitals", {"name": "LCP", "value": 9e9}, {}),
    ("web_vitals", {"name": "Something", "value": 1}, {}),
    ("checkout", {"name": "LCP", "value": 1}, {}),
    (
        "$web_vitals",
        {"$web_vitals_LCP_value": 900, "$web_vitals_CLS_value": 0.02, "$web_vitals_FID_value": None},
        {"__web_vitals": {"lcp": 900.0, "cls": 0.02}},
    ),
]


@pytest.mark.parametrize(("name", "properties", "expected"), GOLDEN)
def test_golden(name: str, properties: dict[str, Any], expected: dict[str, Any]) -> None:
    assert measured(name, properties) == expected


@examples(JSON_OBJECTS)
def test_whatever_comes_nothing_is_raised(properties: dict[str, Any]) -> None:
    measured("web_vitals", {**properties, "name": properties, "scroll_depth": properties})
