"""What one message of Segment's or RudderStack's means: the raw events it becomes."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ingest.answers import bad_request
from ingest.limits import MAX_GROUP_ID, MAX_PROFILE_ID
from ingest.protocols.protocol import SentEvent
from ingest.protocols.segment_context import PAGE_FIELDS, Context, read_context
from ingest.protocols.translation import (
    PAGE_VIEW,
    device_of,
    event_name,
    id_text,
    object_of,
    own_properties,
    profile_of,
    revenue_event,
    text_of,
)
from schemas.event_time import parse_iso_ms
from schemas.raw_event import MAX_AVATAR, MAX_GROUP_TYPE, MAX_TRAIT, RawKind

ASSUMED_CURRENCY = "USD"
"""Segment's specification of ``revenue``: without a currency it is in US dollars."""
_ORDERS = frozenset({"Order Completed", "Completed Order"})
_NOT_MONEY = frozenset(
    {"Checkout Started", "Order Updated", "Order Refunded", "Order Cancelled", "Payment Info Entered", "Cart Viewed"}
)
"""Events of the e-commerce specification that name an amount which nobody has paid, or has paid already."""
_TRAITS = (
    ("first_name", ("firstName", "first_name", "firstname"), MAX_TRAIT),
    ("last_name", ("lastName", "last_name", "lastname"), MAX_TRAIT),
    ("email", ("email",), MAX_TRAIT),
    ("avatar", ("avatar",), MAX_AVATAR),
)
"""Our name, their names, and how many characters it may have."""


class Shared(NamedTuple):
    """What a batch says for all its messages."""

    context: Mapping[str, Any]
    sent_ms: int | None


class Message(NamedTuple):
    """A message, what it brings, and an event of its sender that has no meaning yet."""

    given: Mapping[str, Any]
    context: Context
    blank: SentEvent


def translate(given: Mapping[str, Any], kind: str, shared: Shared) -> list[SentEvent]:
    """The raw events of one message.

    :raises Refusal: 400 for a message that lacks what its kind needs.
    """
    translator = _TRANSLATORS.get(kind)
    if translator is None:
        raise bad_request("unknown_type", "A message's type is track, identify, page, screen, group or alias.")
    page = object_of(given.get("properties")) if kind == "page" else {}
    context = read_context({**shared.context, **object_of(given.get("context"))}, page)
    return translator(Message(given, context, _blank(given, context, shared)))


def _blank(given: Mapping[str, Any], context: Context, shared: Shared) -> SentEvent:
    device_id = device_of(given.get("anonymousId"))
    return SentEvent(
        RawKind.TRACK,
        {},
        event_id=id_text(given.get("messageId")),
        profile_id=profile_of(given.get("userId")),
        device_id=device_id,
        ip=context.ip,
        client_ms=time_of(given.get("timestamp")) or time_of(given.get("originalTimestamp")),
        sent_ms=time_of(given.get("sentAt")) or shared.sent_ms,
        # A visitor's user agent beside a server's own address would make one device of all who have the same browser.
        user_agent=context.user_agent or None if device_id or context.ip else None,
        sdk_name=context.sdk_name,
        sdk_version=context.sdk_version,
    )


def time_of(value: object) -> int | None:
    """Milliseconds of an ISO 8601 time, None for anything else."""
    return parse_iso_ms(value) if isinstance(value, str) else None


def _event(message: Message, name: str, properties: dict[str, Any]) -> SentEvent:
    payload = {"name": name, "properties": properties, "groups": message.context.groups}
    return message.blank._replace(payload=payload)


def _track(message: Message) -> list[SentEvent]:
    name = event_name(message.given.get("event"))
    properties = own_properties(message.given.get("properties"))
    event = _event(message, name, {**message.context.properties, **properties})
    amount = properties.get("revenue")
    if name in _ORDERS:
        amount = next((properties[key] for key in ("revenue", "total", "value") if properties.get(key)), None)
    money = None
    if name not in _NOT_MONEY:
        money = revenue_event(event, amount, properties.get("currency"), ASSUMED_CURRENCY)
    return [event] if money is None else [event, money]


def _page(message: Message) -> list[SentEvent]:
    properties = own_properties(message.given.get("properties"))
    for key in PAGE_FIELDS:
        properties.pop(key, None)
    return [_event(message, PAGE_VIEW, {**message.context.properties, **_named(message.given), **properties})]


def _screen(message: Message) -> list[SentEvent]:
    named = _named(message.given)
    place = {"__path": named["name"], "__title": named["name"]} if "name" in named else {}
    properties = own_properties(message.given.get("properties"))
    return [_event(message, PAGE_VIEW, {**message.context.properties, **place, **named, **properties})]


def _named(given: Mapping[str, Any]) -> dict[str, str]:
    return {key: text for key in ("name", "category") if (text := text_of(given.get(key)))}


def _identify(message: Message) -> list[SentEvent]:
    person = message.blank
    if not person.profile_id:
        # A device that nobody has named yet has a record of its own, under its own id. It is not linked to that: what
        # it did would be nobody's but its own when it is named.
        person = person._replace(profile_id=person.device_id, device_id="", user_agent="")
    if not person.profile_id:
        raise bad_request("missing_ids", "An identify needs a userId or an anonymousId.")
    # RudderStack's libraries put what is known of a person into the context.
    known = object_of(object_of(message.given.get("context")).get("traits"))
    traits = {**known, **object_of(message.given.get("traits"))}
    return [person._replace(kind=RawKind.IDENTIFY, payload=_person(traits))]


def _person(traits: Mapping[str, Any]) -> dict[str, Any]:
    properties = dict(traits)
    person: dict[str, Any] = {}
    for ours, theirs, longest in _TRAITS:
        for key in theirs:
            value = properties.get(key)
            if isinstance(value, str):
                person.setdefault(ours, value[:longest])
                del properties[key]
    name = text_of(properties.get("name"), MAX_TRAIT)
    if name and not ("first_name" in person or "last_name" in person):
        person["first_name"], _, person["last_name"] = name.strip().partition(" ")
    return {**person, "properties": properties}


def _group(message: Message) -> list[SentEvent]:
    group_id = id_text(message.given.get("groupId"))
    if not 0 < len(group_id) <= MAX_GROUP_ID:
        raise bad_request("invalid_group_id", f"A group needs a groupId of 1 to {MAX_GROUP_ID} characters.")
    traits = dict(object_of(message.given.get("traits")))
    group = {
        "id": group_id,
        "type": text_of(traits.pop("type", ""), MAX_GROUP_TYPE),
        "name": text_of(traits.pop("name", ""), MAX_TRAIT),
        "properties": traits,
    }
    blank = message.blank
    events = [blank._replace(kind=RawKind.GROUP, payload=group)]
    if blank.profile_id or blank.device_id:
        assigned = {"group_ids": [group_id]}
        events.append(_beside(blank, "assign")._replace(kind=RawKind.ASSIGN_GROUP, payload=assigned))
    return events


def _alias(message: Message) -> list[SentEvent]:
    blank = message.blank
    anonymous = id_text(message.given.get("anonymousId"))
    previous = id_text(message.given.get("previousId")) or anonymous
    if not blank.profile_id or not previous:
        raise bad_request("missing_ids", "An alias needs a userId and a previousId.")
    if len(previous) > MAX_PROFILE_ID:
        raise bad_request("invalid_profile_id", f"A previousId has at most {MAX_PROFILE_ID} characters.")
    if previous == blank.profile_id:
        return []
    if previous == anonymous:
        return [blank._replace(kind=RawKind.IDENTIFY, payload={"properties": {}})]
    # Whether the former id was a person's or a device's the message does not tell. An alias means either; a device's
    # link beside it would stay when the alias is taken back. Nor is a device derived of who only tells of ids.
    alias = blank._replace(kind=RawKind.ALIAS, payload={"alias": previous})
    return [alias if alias.device_id else alias._replace(user_agent="")]


def _beside(blank: SentEvent, what: str) -> SentEvent:
    # An id of its own, made of the message's: a repeated message repeats it.
    return blank._replace(event_id=f"{blank.event_id}:{what}") if blank.event_id else blank


_TRANSLATORS: Mapping[str, Callable[[Message], list[SentEvent]]] = {
    "track": _track,
    "page": _page,
    "screen": _screen,
    "identify": _identify,
    "group": _group,
    "alias": _alias,
}
