"""From one line of the raw log to all that can be said of the event alone: parsed, bounded, enriched.

Everything that can be wrong with an event is found out here, before any state is touched: ``Rejected`` makes it a
dead letter and changes nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import orjson
from pydantic import BaseModel, ValidationError

from schemas.address import truncate_ip
from schemas.agent import Agent, override_agent, parse_agent
from schemas.bots import bot_name
from schemas.control import BotPolicy, ProjectRecord
from schemas.event_id import canonical_event_id, event_id_at
from schemas.event_time import clickhouse_time, reception, time_refusal
from schemas.lenient_json import parse_lenient
from schemas.raw_event import RawEvent
from streams.enrich.geo import NOWHERE, Geo
from streams.enrich.measures import measured
from streams.enrich.properties import safe_properties
from streams.enrich.referrer import MAX_REFERRER
from streams.enrich.revenue import NO_REVENUE, parse_revenue
from streams.enrich.source import settle_source
from streams.enrich.url import Location, parse_location
from streams.payloads import Change, changes_of, read_payload
from streams.rejected import Rejected

_DAY_MS = 24 * 3_600_000
_CACHE_ENTRIES = 8_192
_TAKEN = frozenset(
    {"__path", "__referrer", "__title", "__timestamp", "__revenue", "__currency", "__deviceId", "__ip", "__identify"}
    | {"__language", "__screen", "__bot", "__bot_reasons"}
)
"""Properties that have a column or a meaning of their own, or that only we may set: not stored as properties."""


class Locate(Protocol):
    """Where an address is (``enrich.geo.GeoDatabase.locate``)."""

    def __call__(self, ip: str) -> Geo: ...


class Place(NamedTuple):
    """Where in the raw log a line lies, and the broker's stamp of its message in milliseconds."""

    epoch: int
    partition: int
    offset: int
    line: int
    stamp: int


@dataclass(slots=True)
class Prepared:
    """An event before its device is known: times in milliseconds, ``columns`` as in ``schemas.event.Event``.
    ``payload`` is None for a plain track; ``changes`` are those to profiles and groups.
    """

    raw: RawEvent
    payload: BaseModel | None
    event_id: str
    id_hash: bytes
    time: int
    name: str
    is_screen_view: bool
    bot: str
    revenue: int
    currency: str
    surroundings: dict[str, Any]
    source: dict[str, str]
    columns: dict[str, Any]
    properties: dict[str, Any]
    changes: list[Change]


def parse_line(line: bytes) -> RawEvent:
    """The raw event of a line. Raises Rejected (``not_json``, ``not_a_raw_event``)."""
    try:
        return RawEvent.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] != "json_invalid":
            raise _refused(first, line) from None
    try:
        data = parse_lenient(line)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise Rejected("not_json", "The line is not a JSON object.")
    try:
        return RawEvent.model_validate(data)
    except ValidationError as error:
        raise _refused(error.errors(include_url=False, include_context=False, include_input=False)[0], line) from None


def _refused(first: Mapping[str, Any], line: bytes) -> Rejected:
    field = ".".join(str(part) for part in first["loc"]) or "the line"
    return Rejected("not_a_raw_event", f"{field}: {first['msg']}", _project_of(line))


def _project_of(line: bytes) -> str:
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError:
        return ""
    project = data.get("project_id") if isinstance(data, dict) else None
    return project[:64] if isinstance(project, str) else ""


def event_id_of(raw: RawEvent, place: Place) -> str:
    """The event's id in canonical form; the place in the log names what came without one."""
    if raw.event_id:
        return canonical_event_id(raw.project_id, raw.event_id)
    return event_id_at(place.epoch, place.partition, place.offset, place.line)


def id_hash(event_id: str) -> bytes:
    """8 bytes of a canonical UUID, both halves folded, since some versions keep their randomness in one half."""
    value = bytes.fromhex(event_id.replace("-", ""))
    return (int.from_bytes(value[:8], "big") ^ int.from_bytes(value[8:], "big")).to_bytes(8, "big")


def prepare(raw: RawEvent, place: Place, project: ProjectRecord | None, locate: Locate) -> Prepared:
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
    location = parse_location(_text(given, "__path"))
    agent = override_agent(parse_agent(raw.user_agent, raw.hints), given)
    surroundings = _surroundings(agent, locate(raw.ip) if raw.ip else NOWHERE)
    properties = _properties(name, given, location)
    return Prepared(
        raw=raw,
        payload=payload,
        event_id=event_id,
        id_hash=id_hash(event_id),
        time=time,
        name=name,
        is_screen_view=name == "screen_view",
        bot="" if project.bot_policy is BotPolicy.KEEP else bot_name(raw.user_agent),
        revenue=revenue.amount,
        currency=revenue.currency or (project.currency if revenue.amount else ""),
        surroundings=surroundings,
        source=settle_source(_text(given, "__referrer")[:MAX_REFERRER], location, project.origins),
        columns={
            "created_at": clickhouse_time(time),
            "received_at": clickhouse_time(received),
            "path": location.path,
            "origin": location.origin,
            "title": _text(given, "__title")[:512],
            "language": (_text(given, "__language") or raw.hints.get("accept-language", "").split(",", 1)[0])[:35],
            "screen": _text(given, "__screen")[:20],
            "sdk_name": raw.sdk_name,
            "sdk_version": raw.sdk_version,
            "ip": truncate_ip(raw.ip),
            "groups": groups,
        },
        properties=properties,
        changes=changes_of(raw, payload, properties, surroundings) if payload is not None else [],
    )


def _times(raw: RawEvent, place: Place, project: ProjectRecord) -> tuple[int, int]:
    """(received, event time) in milliseconds. Raises Rejected."""
    received = place.stamp if raw.received_at is None else min(max(raw.received_at, 0), place.stamp)
    time = raw.time if raw.time is not None else received
    refusal = time_refusal(time, reception(raw.received_at, place.stamp), project.retention_days * _DAY_MS)
    if refusal is not None:
        raise Rejected(refusal, f"The event's time is {time} ms, it came at {place.stamp} ms.", raw.project_id)
    return received, time


def _properties(name: str, given: Mapping[str, Any], location: Location) -> dict[str, Any]:
    """The sender's own properties, what the page measured, and the address's query and fragment, made safe together."""
    own = {key: value for key, value in given.items() if key not in _TAKEN}
    # Put in before they are made safe: a sender's own "__query" beside "__query.a" is a row that no store can read.
    if location.query:
        own["__query"] = {key.replace(".", "_"): value for key, value in location.query}
    if location.hash:
        own["__hash"] = location.hash
    if measures := measured(name, given):
        own |= measures
    properties, _ = safe_properties(own)
    return properties


@lru_cache(maxsize=_CACHE_ENTRIES)
def _surroundings(agent: Agent, geo: Geo) -> dict[str, Any]:
    """Columns of ``schemas.event.Surroundings``. Shared: never change it."""
    columns = {**geo._asdict(), **agent._asdict()}
    del columns["is_server"]
    return columns


def _text(properties: Mapping[str, Any], name: str) -> str:
    """A text among the properties, under its name or, as old senders do, without the two underscores."""
    value = properties.get(name)
    if value is None:
        value = properties.get(name[2:]) if name in ("__path", "__referrer") else None
    return value if isinstance(value, str) else ""
