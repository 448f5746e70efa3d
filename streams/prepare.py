"""From one line of the raw log to all that can be said of the event alone: parsed, bounded, enriched.

Everything that can be wrong with an event is found out here, before any state is touched: ``Rejected`` makes it a
dead letter and changes nothing else.
"""

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct as Layout
from typing import Any, NamedTuple, Protocol

import orjson
from msgspec import Struct
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from schemas.address import truncate_ip
from schemas.agent import HINT_NAMES, MAX_USER_AGENT, Agent, override_agent, parse_agent
from schemas.bots import bot_name
from schemas.control import BotPolicy, ProjectRecord
from schemas.event import Event, Source, Surroundings
from schemas.event_id import canonical_event_id, event_id_at
from schemas.event_time import MAX_UNDERWAY_MS, clickhouse_time, reception, time_refusal
from schemas.lenient_json import parse_lenient
from schemas.raw_event import RawEvent
from schemas.raw_line import RawLine, decode_line, raw_line
from streams.columns import Columns
from streams.enrich.geo import NOWHERE, Geo
from streams.enrich.measures import MEASURED, PREVIOUS, SINGLE_VITALS, measured
from streams.enrich.properties import safe_plain, safe_properties
from streams.enrich.referrer import MAX_REFERRER
from streams.enrich.revenue import NO_REVENUE, parse_revenue
from streams.enrich.source import settle_source
from streams.enrich.url import LONGEST_CACHED, Location, parse_location
from streams.payloads import Change, changes_of, read_payload
from streams.rejected import Rejected, first_error

_DAY_MS = 24 * 3_600_000
_CACHE_ENTRIES = 8_192
_MAX_HINT = 512
"""Characters of a hint that are looked at: what was looked up is remembered, and a foreign producer may send any."""
_HALVES, _HALF = Layout(">QQ"), Layout(">Q")
_TAKEN = frozenset(
    {"__path", "__referrer", "__title", "__timestamp", "__revenue", "__currency", "__deviceId", "__ip", "__identify"}
    | {"__language", "__screen", "__bot", "__bot_reasons", PREVIOUS}
)
"""Properties that have a column or a meaning of their own, or that only we may set: not stored as properties."""
_BELOW_PREVIOUS = f"{PREVIOUS}."
_PLACED = frozenset({"__query", "__hash", "__scroll_depth", "__web_vitals"})
"""Properties that we set; a sender's own of that name is put below what we say."""
_HINTS = frozenset(HINT_NAMES)
_OVERRIDES = frozenset({"__os", "__osVersion", "__browser", "__browserVersion", "__device", "__brand", "__model"})
"""What a sender may say of its device (``schemas.agent.override_agent``)."""
_SPECIAL = _OVERRIDES | _PLACED | MEASURED
_AROUND = frozenset({*Source.model_fields, *Surroundings.model_fields})
_OF_ITS_MESSAGE = frozenset({"raw_epoch", "raw_partition", "raw_offset", "log_epoch"})
BLANK_EVENT: Mapping[str, Any] = {
    **{name: "" for name in Event.model_fields if name not in _AROUND | _OF_ITS_MESSAGE},
    "groups": (),
    "duration_ms": 0,
    "revenue": 0,
    "properties": {},
    "synthesized": 0,
}
"""All columns of an event but those of its source, its surroundings and its message, to be copied and filled."""


class Locate(Protocol):
    """Where an address is (``enrich.geo.GeoDatabase.locate``)."""

    def __call__(self, ip: str) -> Geo: ...


class Place(Struct, frozen=True, gc=False):
    """Where in the raw log a line lies, and the broker's stamp of its message in milliseconds."""

    epoch: int
    partition: int
    offset: int
    line: int
    stamp: int


class Sender(NamedTuple):
    """What the user agent and the address of an event say. ``bot``: the crawler's name, empty for people; ``own``: the
    columns ``ip`` and ``bot``.
    """

    surroundings: Columns
    agent: Agent
    bot: str
    own: Columns


class Page(NamedTuple):
    """What an event's address and referrer say. ``own``: the columns ``path`` and ``origin``; ``properties``: what they
    add to the event's own, made safe; None if that takes the event's own to know.
    """

    location: Location
    own: Columns
    source: Columns
    properties: Mapping[str, Any] | None


class Prepared(Struct, gc=False):
    """An event before its device is known; ``time`` is in milliseconds. ``columns`` are those of
    ``schemas.event.Event`` that are its own, the session's left empty; those it has like other events are in ``page``
    (``path`` and ``origin``), ``source``, ``surroundings`` and ``more``, which together with those of its message are
    the whole row. ``payload`` is None for a plain track; ``changes`` are those to profiles and groups.
    """

    raw: RawLine
    payload: BaseModel | None
    event_id: str
    id_hash: bytes
    time: int
    is_screen_view: bool
    bot: str
    revenue: int
    currency: str
    page: Columns
    source: Columns
    surroundings: Columns
    more: tuple[Columns, ...]
    columns: dict[str, Any]
    changes: list[Change]


def parse_line(line: bytes) -> RawLine:
    """The raw event of a line. Raises Rejected (``not_json``, ``not_a_raw_event``)."""
    return decode_line(line) or raw_line(_parse_with_care(line))


def _parse_with_care(line: bytes) -> RawEvent:
    """What the model makes of a line that is not a raw event at first sight. Raises Rejected."""
    if b"{" not in line and not _is_json(line):
        raise _no_object()  # found out at a tenth of what it takes to try all that is tried below
    try:
        return RawEvent.model_validate_json(line)
    except ValidationError as error:
        kind, field, message = first_error(error)
        if kind != "json_invalid":
            raise _refused(field, message, line) from None
    try:
        data = parse_lenient(line)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise _no_object()
    try:
        return RawEvent.model_validate(data)
    except ValidationError as error:
        _, field, message = first_error(error)
        raise _refused(field, message, line) from None


def _is_json(line: bytes) -> bool:
    try:
        from_json(line)
    except ValueError:
        return False
    return True


def _no_object() -> Rejected:
    return Rejected("not_json", "The line is not a JSON object.")


def _refused(field: str, message: str, line: bytes) -> Rejected:
    return Rejected("not_a_raw_event", f"{field or 'the line'}: {message}", _project_of(line))


def _project_of(line: bytes) -> str:
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError:
        return ""
    project = data.get("project_id") if isinstance(data, dict) else None
    return project[:64] if isinstance(project, str) else ""


def event_id_of(raw: RawLine, place: Place) -> str:
    """The event's id in canonical form; the place in the log names what came without one."""
    if raw.event_id:
        return canonical_event_id(raw.project_id, raw.event_id)
    return event_id_at(place.epoch, place.partition, place.offset, place.line)


def id_hash(event_id: str) -> bytes:
    """8 bytes of a canonical UUID, both halves folded, since some versions keep their randomness in one half."""
    high, low = _HALVES.unpack(bytes.fromhex(event_id.replace("-", "")))
    return _HALF.pack(high ^ low)


def prepare(raw: RawLine, place: Place, project: ProjectRecord | None, locate: Locate) -> Prepared:
    """Enrich one raw event. Raises Rejected when it can't be stored: unknown project or kind, a payload that lacks
    what its kind needs, a time outside what the project keeps.
    """
    if project is None:
        raise Rejected("unknown_project", f"There is no project {raw.project_id}.", raw.project_id)
    received, time = _times(raw, place, project)
    event_id = event_id_of(raw, place)
    name, given, groups, payload = read_payload(raw)
    revenue = parse_revenue(given) if name == "revenue" else NO_REVENUE
    if revenue.refused:
        raise Rejected(revenue.refused, "A revenue event needs an amount in minor units.", raw.project_id)
    page = page_of(_text(given, "__path"), _text(given, "__referrer")[:MAX_REFERRER], project.origins)
    sender = _sender_of(raw, locate)
    surroundings, seen = sender.surroundings, sender.own
    is_plain = name not in SINGLE_VITALS and _SPECIAL.isdisjoint(given)
    if not is_plain and not _OVERRIDES.isdisjoint(given):
        surroundings = _surroundings(override_agent(sender.agent, given), locate(raw.ip) if raw.ip else NOWHERE)
    bot = sender.bot
    if bot and project.bot_policy is BotPolicy.KEEP:
        bot, seen = "", Columns({**seen, "bot": ""})
    properties = _properties(name, given, page, is_plain)
    amount, currency = revenue.amount, revenue.currency or (project.currency if revenue.amount else "")
    created_at = clickhouse_time(time)
    title = given.get("__title")
    return Prepared(
        raw,
        payload,
        event_id,
        id_hash(event_id),
        time,
        name == "screen_view",
        bot,
        amount,
        currency,
        page.own,
        page.source,
        surroundings,
        (page.own, surroundings, seen, _told(raw, given, groups, amount, currency)),
        {
            "project_id": raw.project_id,
            "event_id": event_id,
            "name": name,
            "device_id": raw.device_id,
            "session_id": "",
            "profile_id": raw.profile_id,
            "created_at": created_at,
            "received_at": created_at if received == time else clickhouse_time(received),
            "title": title[:512] if type(title) is str else "",
            "properties": properties,
            "raw_line": place.line,
        },
        changes_of(raw, payload, properties, surroundings) if payload is not None else [],
    )


def _told(raw: RawLine, given: Mapping[str, Any], groups: tuple[str, ...], revenue: int, currency: str) -> Columns:
    """What the sender says of itself and of the event's worth, and what is the same in every event that was sent."""
    language, screen = given.get("__language"), given.get("__screen")
    if type(language) is not str or not language:
        language = raw.hints.get("accept-language", "").split(",", 1)[0]
    of_sender = (language[:35], screen[:20] if type(screen) is str else "", raw.sdk_name, raw.sdk_version)
    return _plain(*of_sender) if not (groups or revenue or currency) else _worth(*of_sender, groups, revenue, currency)


@lru_cache(maxsize=_CACHE_ENTRIES)
def _plain(language: str, screen: str, sdk_name: str, sdk_version: str) -> Columns:
    return _worth(language, screen, sdk_name, sdk_version, (), 0, "")


def _worth(
    language: str,
    screen: str,
    sdk_name: str,
    sdk_version: str,
    groups: tuple[str, ...],
    revenue: int,
    currency: str,
) -> Columns:
    return Columns(
        {
            "language": language,
            "screen": screen,
            "sdk_name": sdk_name,
            "sdk_version": sdk_version,
            "groups": groups,
            "revenue": revenue,
            "currency": currency,
            "duration_ms": 0,
            "synthesized": 0,
        }
    )


def _times(raw: RawLine, place: Place, project: ProjectRecord) -> tuple[int, int]:
    """(received, event time) in milliseconds. Raises Rejected."""
    stamp, given = place.stamp, raw.received_at
    received = stamp if given is None else min(max(given, 0), stamp)
    time = raw.time if raw.time is not None else received
    if given == received >= stamp - MAX_UNDERWAY_MS and received - _DAY_MS <= time <= received:
        return received, time  # nearly all events: no project keeps less than a day
    refusal = time_refusal(time, reception(raw.received_at, stamp), project.retention_days * _DAY_MS)
    if refusal is not None:
        raise Rejected(refusal, f"The event's time is {time} ms, it came at {stamp} ms.", raw.project_id)
    return received, time


def _properties(name: str, given: Mapping[str, Any], page: Page, is_plain: bool) -> dict[str, Any]:
    """The sender's own properties, what the page measured, and the address's query and fragment, made safe together, in
    a new dict. ``is_plain``: nothing was measured, and none of the names is ours.
    """
    if is_plain and page.properties is not None:
        plain = safe_plain(given, _TAKEN, page.properties)
        if plain is not None:
            return plain
    own = {key: value for key, value in given.items() if key not in _TAKEN and not key.startswith(_BELOW_PREVIOUS)}
    # Put in before they are made safe: a sender's own "__query" beside "__query.a" is a row that no store can read.
    own |= _said_by(page.location)
    own |= measured(name, given)
    properties, _ = safe_properties(own)
    return properties


def _said_by(location: Location) -> dict[str, Any]:
    """What an address adds to an event's properties: its query and fragment."""
    said: dict[str, Any] = {}
    if location.query:
        said["__query"] = {key.replace(".", "_"): value for key, value in location.query}
    if location.hash:
        said["__hash"] = location.hash
    return said


def page_of(path: str, referrer: str, origins: tuple[str, ...]) -> Page:
    """What an event's address and referrer say on a site of those origins. Never raises."""
    return (_page if len(path) <= LONGEST_CACHED else _page.__wrapped__)(path, referrer, origins)


@lru_cache(maxsize=_CACHE_ENTRIES)
def _page(path: str, referrer: str, origins: tuple[str, ...]) -> Page:
    location = parse_location(path)
    properties, changed = safe_properties(_said_by(location))
    own = Columns({"path": location.path, "origin": location.origin})
    return Page(location, own, Columns(settle_source(referrer, location, origins)), None if changed else properties)


def _sender_of(raw: RawLine, locate: Locate) -> Sender:
    hints = raw.hints
    given = None
    if not _HINTS.isdisjoint(hints):
        given = tuple([None if (hint := hints.get(name)) is None else hint[:_MAX_HINT] for name in HINT_NAMES])
    return _sender(raw.user_agent[:MAX_USER_AGENT], given, raw.ip, locate(raw.ip) if raw.ip else NOWHERE)


@lru_cache(maxsize=2 * _CACHE_ENTRIES)
def _sender(user_agent: str, given: tuple[str | None, ...] | None, ip: str, geo: Geo) -> Sender:
    hints = {name: value for name, value in zip(HINT_NAMES, given or (), strict=False) if value is not None}
    agent = parse_agent(user_agent, hints)
    bot = bot_name(user_agent)
    return Sender(_surroundings(agent, geo), agent, bot, Columns({"ip": truncate_ip(ip), "bot": bot}))


@lru_cache(maxsize=_CACHE_ENTRIES)
def _surroundings(agent: Agent, geo: Geo) -> Columns:
    """Columns of ``schemas.event.Surroundings``."""
    columns = {**geo._asdict(), **agent._asdict()}
    del columns["is_server"]
    return Columns(columns)


def _text(properties: Mapping[str, Any], name: str) -> str:
    """A text among the properties, under its name or, as old senders do, without the two underscores."""
    value = properties.get(name)
    if value is None:
        value = properties.get(name[2:]) if name in ("__path", "__referrer") else None
    return value if isinstance(value, str) else ""
