"""What a visit came from: the referrer, what the link says of itself, and the id of the click, settled into one."""

from functools import lru_cache

from schemas.origins import Origins
from streams.enrich.referrer import DIRECT, Referrer, parse_referrer, referrer_from_source
from streams.enrich.url import Location, split_origin

CACHE_ENTRIES = 8_192
_PAID_MEDIUMS = frozenset(
    {"cpc", "ppc", "cpm", "cpv", "cpa", "cpp", "paid", "retargeting", "display", "banner", "expandable", "interstitial"}
)
"""Media that are paid for; those that begin with ``paid`` too. The list of Google Analytics' default channels, which is
what campaigns are tagged for."""
_MEDIUM_TYPES = {
    "email": "email",
    "e-mail": "email",
    "e_mail": "email",
    "newsletter": "email",
    "social": "social",
    "social-network": "social",
    "social-media": "social",
    "social_media": "social",
    "sm": "social",
    "organic": "search",
}
"""The type of a source that has no name here, by its medium."""


def settle_source(raw_referrer: str, location: Location, origins: tuple[str, ...] = ()) -> dict[str, str]:
    """Columns of ``schemas.event.Source`` for an event on that page. Shared: never change it.

    ``origins`` are those of the project (``schemas.control.ProjectRecord.origins``): a referrer among them is the site
    itself, and so no referrer. Otherwise, from strong to weak, the name is that of ``utm_source`` (``ref``,
    ``utm_referrer``), that of the click id, that of the referrer. A paid medium or an ad's click id makes it ``ads``,
    whatever the name; the medium also gives a source its type that has none by its name.
    """
    return _settle(raw_referrer, location, origins)


@lru_cache(maxsize=CACHE_ENTRIES)
def _settle(raw_referrer: str, location: Location, origins: tuple[str, ...]) -> dict[str, str]:
    referrer = parse_referrer(raw_referrer, location.origin)
    if referrer.url and origins and _is_own(referrer.url, origins):
        referrer = DIRECT
    click = referrer_from_source(location.click_source)
    named = referrer_from_source(location.source) if location.source else click if location.click_source else referrer
    return {
        "referrer": referrer.url,
        "referrer_name": named.name,
        "referrer_type": _type(named, click, location.utm_medium.strip().lower()),
        "utm_source": location.utm_source,
        "utm_medium": location.utm_medium,
        "utm_campaign": location.utm_campaign,
        "utm_term": location.utm_term,
        "utm_content": location.utm_content,
    }


def _type(named: Referrer, click: Referrer, medium: str) -> str:
    if not named.name:
        return named.type
    if click.type == "ads" or medium in _PAID_MEDIUMS or medium.startswith("paid"):
        return "ads"
    return named.type or _MEDIUM_TYPES.get(medium, "")


def _is_own(url: str, origins: tuple[str, ...]) -> bool:
    origin, _ = split_origin(url)
    return bool(origin) and _named(origins).allow(origin)


@lru_cache(maxsize=1_024)
def _named(origins: tuple[str, ...]) -> Origins:
    # A star for any origin names no site: it would make every referrer the site's own.
    return Origins(tuple(entry for entry in origins if entry.strip() != "*"))
