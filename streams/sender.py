"""Who sent an event: device, place, language and SDK, looked up once for all events of one sender."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from schemas.address import truncate_ip
from schemas.agent import HINT_NAMES, MAX_USER_AGENT, Agent, override_agent, parse_agent
from schemas.bots import bot_name
from schemas.raw_line import RawLine
from streams.columns import Columns
from streams.enrich.geo import NOWHERE, Geo

CACHE_ENTRIES = 8_192
_MAX_HINT = 512
"""Characters of a hint that are looked at: what was looked up is remembered, and a foreign producer may send any."""
_HINTS = frozenset(HINT_NAMES)
OVERRIDES = frozenset({"__os", "__osVersion", "__browser", "__browserVersion", "__device", "__brand", "__model"})
"""What a sender may say of its device (``schemas.agent.override_agent``)."""

Told = tuple[str, str, str, str]
"""Language, screen, the SDK and its version."""


class Locate(Protocol):
    """Where an address is (``enrich.geo.GeoDatabase.locate``)."""

    def __call__(self, ip: str) -> Geo: ...


class Sender(NamedTuple):
    """``bot``: the crawler's name, empty for people; ``ip``: without what tells its holder from the neighbours;
    ``surroundings``: columns of ``schemas.event.Surroundings``; ``columns``: these, and the others that all events of
    such senders have alike.
    """

    bot: str
    ip: str
    surroundings: Columns
    columns: Columns
    agent: Agent
    geo: Geo
    told: Told


def sender_of(raw: RawLine, properties: Mapping[str, Any], locate: Locate) -> Sender:
    """Who sent an event with these properties of its own. Never raises."""
    hints, given = raw.hints, None
    if not _HINTS.isdisjoint(hints):
        given = tuple([None if (hint := hints.get(name)) is None else hint[:_MAX_HINT] for name in HINT_NAMES])
    language, screen = properties.get("__language"), properties.get("__screen")
    if type(language) is not str or not language:
        language = hints.get("accept-language", "").partition(",")[0]
    return _sender(
        raw.user_agent[:MAX_USER_AGENT],
        given,
        raw.ip,
        locate(raw.ip) if raw.ip else NOWHERE,
        language[:35],
        screen[:20] if type(screen) is str else "",
        raw.sdk_name,
        raw.sdk_version,
    )


def overridden(sender: Sender, properties: Mapping[str, Any]) -> Sender:
    """The sender with the device that it says it is (``OVERRIDES``)."""
    agent, geo = override_agent(sender.agent, properties), sender.geo
    columns = _columns(agent, geo, sender.bot, *sender.told)
    return sender._replace(agent=agent, surroundings=_surroundings(agent, geo), columns=columns)


def as_person(sender: Sender) -> Sender:
    """The sender as nobody's crawler."""
    return sender._replace(bot="", columns=_columns(sender.agent, sender.geo, "", *sender.told))


@lru_cache(maxsize=2 * CACHE_ENTRIES)
def _sender(user_agent: str, given: tuple[str | None, ...] | None, ip: str, geo: Geo, *told: *Told) -> Sender:
    hints = {name: value for name, value in zip(HINT_NAMES, given or (), strict=False) if value is not None}
    agent, bot = parse_agent(user_agent, hints), bot_name(user_agent)
    columns = _columns(agent, geo, bot, *told)
    return Sender(bot, truncate_ip(ip), _surroundings(agent, geo), columns, agent, geo, told)


@lru_cache(maxsize=CACHE_ENTRIES)
def _columns(agent: Agent, geo: Geo, bot: str, language: str, screen: str, sdk_name: str, sdk_version: str) -> Columns:
    return Columns(
        {
            **_surroundings(agent, geo),
            "bot": bot,
            "language": language,
            "screen": screen,
            "sdk_name": sdk_name,
            "sdk_version": sdk_version,
            "duration_ms": 0,
            "synthesized": 0,
        }
    )


@lru_cache(maxsize=CACHE_ENTRIES)
def _surroundings(agent: Agent, geo: Geo) -> Columns:
    columns = {**geo._asdict(), **agent._asdict()}
    del columns["is_server"]
    return Columns(columns)
