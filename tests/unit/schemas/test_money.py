"""Amounts in major units become minor ones exactly."""

from typing import Any

import pytest

from schemas.money import MAX_REVENUE, minor_units


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (29.99, "EUR", 2999),
        ("29.99", "EUR", 2999),
        (0.29, "", 29),
        (1000, "JPY", 1000),
        (1.2345, "KWD", 1234),
        (0, "USD", 0),
        (MAX_REVENUE / 100, "USD", MAX_REVENUE),
        (MAX_REVENUE, "JPY", MAX_REVENUE),
    ],
)
def test_an_amount_in_minor_units(amount: Any, currency: str, expected: int) -> None:
    assert minor_units(amount, currency) == expected


@pytest.mark.parametrize(
    "amount", [None, True, "", "12 EUR", "NaN", "inf", -1, MAX_REVENUE, 1e300, "1e999999999", "9" * 5_000, [1], {}]
)
def test_what_is_no_amount(amount: Any) -> None:
    assert minor_units(amount, "EUR") is None
