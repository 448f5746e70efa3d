"""The money an event brought."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.money import MAX_REVENUE, currency_code


class Revenue(NamedTuple):
    """``amount`` in minor units (cents) of ``currency`` (ISO 4217, or empty: the project's own).

    ``refused`` is empty, or the reason the event can't be stored; then amount and currency mean nothing.
    """

    amount: int = 0
    currency: str = ""
    refused: str = ""


NO_REVENUE = Revenue()


def parse_revenue(properties: Mapping[str, Any]) -> Revenue:
    """``__revenue`` and ``__currency`` of an event's properties, as they came. Never raises.

    Reasons: ``revenue_not_an_integer`` (a text, a fraction, a boolean), ``revenue_negative``, ``revenue_too_large``,
    ``currency_unknown``. A null amount is none. A currency without an amount is not looked at.
    """
    amount = properties.get("__revenue")
    if amount is None:
        return NO_REVENUE
    if isinstance(amount, float) and amount.is_integer():
        amount = int(amount)  # 100.0 is how some languages write 100
    if not isinstance(amount, int) or isinstance(amount, bool):
        return Revenue(refused="revenue_not_an_integer")
    if amount < 0:
        return Revenue(refused="revenue_negative")
    if amount > MAX_REVENUE:
        return Revenue(refused="revenue_too_large")
    currency = currency_code(properties.get("__currency"))
    return Revenue(refused="currency_unknown") if currency is None else Revenue(amount, currency)
