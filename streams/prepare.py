"""From one line of the raw log to all that can be said of the event alone: parsed, bounded, enriched.

Everything that can be wrong with an event is found out here, before any state is touched: ``Rejected`` makes it a
dead letter and changes nothing else.
"""

from collections.abc import Mapping
from struct import Struct as Layout
from typing import Any

import orjson
from msgspec import Struct
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from schemas.control import BotPolicy, ProjectRecord
from schemas.event import Event, Source, Surroundings
from schemas.event_id import canonical_event_id, event_id_at
from schemas.event_time import MAX_UNDERWAY_MS, clickhouse_time, reception, time_refusal
from schemas.lenient_json import parse_lenient
from schemas.raw_event import RawEvent
from schemas.raw_line import RawLine, decode_line, raw_line
from streams.columns import Columns
from streams.enrich.referrer import MAX_REFERRER
from streams.enrich.revenue import parse_revenue
from streams.own_properties import own_properties, stored_names
from streams.page import page_of
from streams.payloads import Change, changes_of, read_payload
from streams.rejected import Rejected, first_error
from streams.sender import OVERRIDES, Locate, as_person, overridden, sender_of

_DAY_MS = 24 * 3_600_000
_HALVES, _HALF = Layout(">QQ"), Layout(">Q")
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


class Place(Struct, frozen=True, gc=False):
    """Where in the raw log a line lies, and the broker's stamp of its message in milliseconds."""

    epoch: int
    partition: int
    offset: int
    line: int
    stamp: int


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
    amount, currency = (0, "") if name != "revenue" else _revenue(given, raw, project)
    path, referrer = given.get("__path"), given.get("__referrer")
    if type(path) is not str or type(referrer) is not str:
        path, referrer = _text(given, "__path"), _text(given, "__referrer")
    page = page_of(path, referrer[:MAX_REFERRER], project.origins)
    sender = sender_of(raw, given, locate)
    stored = stored_names(tuple(given))
    if stored is None and not OVERRIDES.isdisjoint(given):
        sender = overridden(sender, given)
    if sender.bot and project.bot_policy is BotPolicy.KEEP:
        sender = as_person(sender)
    properties = own_properties(name, given, page, stored)
    surroundings = sender.surroundings
    worth = _worth(groups, amount, currency) if groups or amount or currency else _WORTH_NOTHING
    created_at = clickhouse_time(time)
    title = given.get("__title")
    return Prepared(
        raw,
        payload,
        event_id,
        id_hash(event_id),
        time,
        name == "screen_view",
        sender.bot,
        amount,
        currency,
        page.own,
        page.source,
        surroundings,
        (page.own, sender.columns, worth),
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
            "ip": sender.ip,
            "properties": properties,
            "raw_line": place.line,
        },
        changes_of(raw, payload, properties, surroundings) if payload is not None else [],
    )


def _worth(groups: tuple[str, ...], revenue: int, currency: str) -> Columns:
    """The columns in which nearly all events are alike."""
    return Columns({"groups": groups, "revenue": revenue, "currency": currency})


_WORTH_NOTHING = _worth((), 0, "")


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


def _revenue(given: Mapping[str, Any], raw: RawLine, project: ProjectRecord) -> tuple[int, str]:
    """Amount and currency. Raises Rejected."""
    revenue = parse_revenue(given)
    if revenue.refused:
        raise Rejected(revenue.refused, "A revenue event needs an amount in minor units.", raw.project_id)
    return revenue.amount, revenue.currency or (project.currency if revenue.amount else "")


def _text(properties: Mapping[str, Any], name: str) -> str:
    """A text among the properties, under its name or, as old senders do, without the two underscores."""
    value = properties.get(name)
    if value is None:
        value = properties.get(name[2:]) if name in ("__path", "__referrer") else None
    return value if isinstance(value, str) else ""
