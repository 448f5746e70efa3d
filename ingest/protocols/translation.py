"""From other trackers' words to Weir's: what several protocols translate in the same way.

Whatever JSON brought is taken: a value of another type than it should have says nothing.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any
from urllib.parse import quote_plus

from ingest.answers import bad_request
from ingest.limits import MAX_GIVEN_DEVICE_ID, MAX_PROFILE_ID
from ingest.protocols.event_names import RESERVED
from ingest.protocols.protocol import SentEvent
from schemas.money import currency_code, minor_units
from schemas.raw_event import RawKind

MAX_NAME = 200
"""Characters of an event's name, as on the raw topic; other trackers' senders know nothing of OpenPanel's 80."""
PAGE_VIEW = "screen_view"
OURS_ALONE = frozenset(
    {"__revenue", "__currency", "__timestamp", "__ip", "__deviceId", "__identify", "__bot", "__bot_reasons"}
)
"""Properties that mean something here and are said in other words by other protocols: theirs of these names go."""
_UTM = ("source", "medium", "campaign", "term", "content")


def text_of(value: object, longest: int | None = None) -> str:
    """A text, cut to ``longest`` characters; empty for anything else."""
    return value[:longest] if isinstance(value, str) else ""


def object_of(value: object) -> dict[str, Any]:
    """An object; empty for anything else."""
    return value if isinstance(value, dict) else {}


def own_properties(value: object) -> dict[str, Any]:
    """A sender's own properties in a new dict, without those that only we may set."""
    return {key: entry for key, entry in object_of(value).items() if key not in OURS_ALONE}


def id_text(value: object) -> str:
    """An id that is a text, or a number as JavaScript writes it: 12, not 12.0."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def device_of(value: object) -> str:
    """The device a sender named. A name that is too long is hashed: cut off, two could become one."""
    given = id_text(value)
    if len(given) <= MAX_GIVEN_DEVICE_ID:
        return given
    return blake2b(given.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def profile_of(value: object) -> str:
    """The person a sender named.

    :raises Refusal: ``invalid_profile_id`` for a name that is too long.
    """
    given = id_text(value)
    if len(given) > MAX_PROFILE_ID:
        raise bad_request("invalid_profile_id", f"A user id has at most {MAX_PROFILE_ID} characters.")
    return given


def event_name(value: object) -> str:
    """The name of an event.

    :raises Refusal: ``missing_name``, ``name_too_long``, ``name_reserved``.
    """
    if not isinstance(value, str) or not value:
        raise bad_request("missing_name", "An event needs a name: a text that is not empty.")
    if len(value) > MAX_NAME:
        raise bad_request("name_too_long", f"An event's name has at most {MAX_NAME} characters.")
    if value in RESERVED:
        raise bad_request("name_reserved", f"The name {value} is reserved.")
    return value


def address_with_campaign(url: str, campaign: Mapping[str, object]) -> str:
    """A page's address with the campaign in its query, unless the address names one itself. ``campaign``: source,
    medium, campaign, term and content.
    """
    if "utm_" in url:
        return url
    named = [(key, text) for key in _UTM if (text := text_of(campaign.get(key), 512))]
    if not named:
        return url
    address, mark, fragment = url.partition("#")
    query = "&".join(f"utm_{key}={quote_plus(text, errors='replace')}" for key, text in named)
    return f"{address}{'&' if '?' in address else '?'}{query}{mark}{fragment}"


def stated_agent(app: str, os: str, os_version: str, brand: str, model: str) -> str:
    """A user agent for a device that is described in fields, as apps without a browser's do."""
    parts = [f"{os} {os_version}".strip(), f"Model={model}" if model else "", f"Manufacturer={brand}" if brand else ""]
    return f"{app.replace(' ', '') or 'App'}/1.0 ({'; '.join(part for part in parts if part)})"


def revenue_event(order: SentEvent, amount: object, currency: object, assumed: str) -> SentEvent | None:
    """The event ``revenue`` that stands beside an order, with the order's page and the amount in minor units; None
    if there is no amount, or no such money. ``assumed`` is the currency that the protocol assumes.
    """
    code = currency_code(currency)
    if code is None:
        return None
    units = minor_units(amount, code or assumed)
    if not units:
        return None
    properties = {key: entry for key, entry in order.payload["properties"].items() if key.startswith("__")}
    payload = {
        "name": "revenue",
        "properties": {**properties, "event": order.payload["name"], "__revenue": units, "__currency": code or assumed},
        "groups": order.payload["groups"],
    }
    return order._replace(
        kind=RawKind.TRACK, payload=payload, event_id=f"{order.event_id}:revenue" if order.event_id else ""
    )
