"""Money in minor units."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.money import MAX_REVENUE
from streams.enrich.revenue import NO_REVENUE, Revenue, parse_revenue

GOLDEN: list[tuple[dict[str, Any], Revenue]] = [
    ({}, NO_REVENUE),
    ({"__revenue": None}, NO_REVENUE),
    ({"__currency": "nonsense"}, NO_REVENUE),
    ({"__revenue": 0}, Revenue(0)),
    ({"__revenue": 4_990}, Revenue(4_990)),
    ({"__revenue": 4_990.0}, Revenue(4_990)),
    ({"__revenue": 4_990, "__currency": "EUR"}, Revenue(4_990, "EUR")),
    ({"__revenue": 4_990, "__currency": " usd "}, Revenue(4_990, "USD")),
    ({"__revenue": 4_990, "__currency": ""}, Revenue(4_990)),
    ({"__revenue": 4_990, "__currency": "ABC"}, Revenue(refused="currency_unknown")),
    ({"__revenue": 4_990, "__currency": 978}, Revenue(refused="currency_unknown")),
    ({"__revenue": 49.9}, Revenue(refused="revenue_not_an_integer")),
    ({"__revenue": "4990"}, Revenue(refused="revenue_not_an_integer")),
    ({"__revenue": True}, Revenue(refused="revenue_not_an_integer")),
    ({"__revenue": float("nan")}, Revenue(refused="revenue_not_an_integer")),
    ({"__revenue": float("inf")}, Revenue(refused="revenue_not_an_integer")),
    ({"__revenue": -1}, Revenue(refused="revenue_negative")),
    ({"__revenue": MAX_REVENUE}, Revenue(MAX_REVENUE)),
    ({"__revenue": MAX_REVENUE + 1}, Revenue(refused="revenue_too_large")),
]


@pytest.mark.parametrize(("properties", "revenue"), GOLDEN)
def test_golden(properties: dict[str, Any], revenue: Revenue) -> None:
    assert parse_revenue(properties) == revenue


@given(st.from_type(object), st.from_type(object))
def test_anything_is_answered(amount: object, currency: object) -> None:
    revenue = parse_revenue({"__revenue": amount, "__currency": currency})
    assert 0 <= revenue.amount <= MAX_REVENUE
