"""What one event of PostHog's means: whose it is, and what it asks for."""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from ingest.answers import Refusal, bad_request
from ingest.limits import MAX_GROUP_ID, MAX_SDK_TEXT
from ingest.protocols.protocol import SentEvent
from ingest.protocols.translation import PAGE_VIEW, device_of, event_name, id_text, object_of, own_properties, text_of
from schemas.event_time import parse_iso_ms
from schemas.raw_event import (
    MAX_AVATAR,
    MAX_GROUP_TYPE,
    MAX_GROUPS,
    MAX_PROPERTY_PATH,
    MAX_TRAIT,
    MAX_UNSET,
    RawKind,
)

_MAX_DISTINCT_ID = 200
"""Characters; the rest is cut off, as PostHog does."""
_MAX_EVENT_ID = 256
_MAX_OFFSET = 2**53
_COOKIELESS = "$posthog_cookieless"
_NOWHERE = "0.0.0.0"
_SCREEN_VIEWS = frozenset({"$pageview", "$screen"})
_RECORDINGS = frozenset({"$snapshot", "$snapshot_items", "$performance_event"})
_NOBODY = frozenset(
    {"anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email", "undefined", "true"}
    | {"false", "null", "none", "nan", "0", "[object object]", '""', "''", "00000000-0000-0000-0000-000000000000"}
)
"""What programs send for a person they don't know: taken as an id, it would make one person of everybody."""
_TAKEN = frozenset(
    {"token", "distinct_id", "$distinct_id", "$device_id", "$is_identified", "$process_person_profile", "$is_server"}
    | {"$set", "$set_once", "$unset", "$groups", "$ip", "$geoip_disable", "$ignore_sent_at", "$raw_user_agent"}
    | {"$lib", "$lib_version", "$current_url", "$referrer", "$browser_language", "$screen_width", "$screen_height"}
)
"""Properties that have a place of their own in an event."""
_OF_THE_LIBRARY = re.compile(
    r"\$(?:sdk_debug_\w+|lib_\w+|\w+_server_side|sdk_dist_channel|config_defaults|configured_session_timeout_ms"
    r"|initialization_time|recording_status|time|insert_id)"
)
"""What posthog-js says of itself, with every event."""
_PERSON = (
    ("first_name", ("first_name", "firstName", "firstname"), MAX_TRAIT),
    ("last_name", ("last_name", "lastName", "lastname"), MAX_TRAIT),
    ("email", ("email", "$email"), MAX_TRAIT),
    ("avatar", ("avatar", "avatar_url"), MAX_AVATAR),
)

Object = dict[str, Any]


@lru_cache(maxsize=1_024)
def _of_the_library(name: str) -> bool:
    return _OF_THE_LIBRARY.fullmatch(name) is not None


class _Who(NamedTuple):
    """``profile_id`` and ``device_id`` as in `SentEvent`; ``distinct_id`` as it came."""

    distinct_id: str
    profile_id: str
    device_id: str


def read_event(given: object, received_ms: int, sent_ms: int | None) -> SentEvent | Refusal:
    """One event, or why it can't be taken. Never raises."""
    try:
        if not isinstance(given, dict):
            raise bad_request("not_an_object", "An event must be a JSON object.")
        return _read(given, object_of(given.get("properties")), received_ms, sent_ms)
    except Refusal as refusal:
        return refusal


def _read(given: Object, properties: Object, received_ms: int, sent_ms: int | None) -> SentEvent:
    name = given.get("event")
    if isinstance(name, str) and name in _RECORDINGS:
        raise bad_request("recording_not_stored", "Recordings of PostHog's are not stored.")
    who = _who(given, properties)
    frame = _frame(given, properties, who, received_ms, sent_ms)
    if name == "$identify":
        return _identify(given, properties, who, frame)
    if name == "$set":
        return frame._replace(kind=RawKind.IDENTIFY, profile_id=_known(who), payload=_person(given, properties))
    if name in ("$create_alias", "$merge_dangerously"):
        return _alias(properties, who, frame)
    if name == "$groupidentify":
        return frame._replace(kind=RawKind.GROUP, payload=_group(properties))
    return _track(event_name(name), given, properties, who, frame)


def _who(given: Object, properties: Object) -> _Who:
    distinct_id = ""
    for source in (given, properties):
        distinct_id = distinct_id or _id(source.get("distinct_id")) or _id(source.get("$distinct_id"))
    if not distinct_id:
        raise bad_request("missing_distinct_id", "An event needs a distinct_id.")
    device_id = device_of(properties.get("$device_id"))
    if distinct_id == _COOKIELESS:
        return _Who(distinct_id, "", "")
    stated = properties.get("$is_identified")
    if isinstance(stated, bool):
        identified = stated
    else:
        identified = properties.get("$process_person_profile") is not False and distinct_id != device_id
    if identified:
        return _Who(distinct_id, "" if distinct_id.lower() in _NOBODY else distinct_id, device_id)
    if device_id or properties.get("$is_server") is True:
        # A server's event about nobody carries an id made for it alone: that is no device.
        return _Who(distinct_id, "", device_id)
    return _Who(distinct_id, "", device_of(distinct_id))


def _frame(given: Object, properties: Object, who: _Who, received_ms: int, sent_ms: int | None) -> SentEvent:
    """All of an event but its kind and payload."""
    client_ms, stated, offset = None, given.get("timestamp"), given.get("offset")
    if isinstance(stated, str):
        client_ms = parse_iso_ms(stated)
        sent_ms = None if properties.get("$ignore_sent_at") is True else sent_ms
    elif isinstance(offset, int | float) and not isinstance(offset, bool) and 0 <= offset <= _MAX_OFFSET:
        client_ms, sent_ms = received_ms - int(offset), None
    event_id = given.get("uuid") or properties.get("$insert_id")
    ip = text_of(properties.get("$ip"))
    if not ip and properties.get("$geoip_disable") is True:
        ip = _NOWHERE  # it comes from a server, and where that stands says nothing of the person
    user_agent = properties.get("$raw_user_agent")
    return SentEvent(
        RawKind.TRACK,
        {},
        event_id if isinstance(event_id, str) and len(event_id) <= _MAX_EVENT_ID else "",
        who.profile_id,
        who.device_id,
        ip,
        sent_ms,
        user_agent if isinstance(user_agent, str) and user_agent else None,
        client_ms=client_ms,
        sdk_name=text_of(properties.get("$lib"), MAX_SDK_TEXT),
        sdk_version=text_of(properties.get("$lib_version"), MAX_SDK_TEXT),
    )


def _track(name: str, given: Object, properties: Object, who: _Who, frame: SentEvent) -> SentEvent:
    own = {
        key: value
        for key, value in own_properties(properties).items()
        # It also names dozens of advertisers' keys that a page might have been reached with, as null.
        if value is not None and key not in _TAKEN and (key[:1] != "$" or not _of_the_library(key[:64]))
    }
    where = properties.get("$screen_name") if name == "$screen" else properties.get("$current_url")
    referrer = properties.get("$referrer")
    width, height = properties.get("$screen_width"), properties.get("$screen_height")
    meant = {
        "__path": where,
        "__referrer": None if referrer == "$direct" else referrer,
        "__title": properties.get("title"),
        "__language": properties.get("$browser_language"),
        "__screen": f"{width}x{height}" if isinstance(width, int) and isinstance(height, int) else None,
    }
    for key, value in meant.items():
        if isinstance(value, str) and value:
            own.setdefault(key, value)
    if name in _SCREEN_VIEWS:
        own.pop("title", None)
    if not who.profile_id and not who.device_id and who.distinct_id != _COOKIELESS:
        own["distinct_id"] = who.distinct_id
    payload = {
        "name": PAGE_VIEW if name in _SCREEN_VIEWS else name,
        "properties": own,
        "groups": _groups(properties.get("$groups")),
    }
    return frame._replace(payload=payload, also=_told_beside(given, properties, who, frame))


def _told_beside(given: Object, properties: Object, who: _Who, frame: SentEvent) -> SentEvent | None:
    """What an event says of its person in passing."""
    if not who.profile_id or properties.get("$process_person_profile") is False:
        return None
    person = _person(given, properties)
    if not (len(person) > 3 or person["properties"] or person["set_once"] or person["unset"]):
        return None
    return frame._replace(kind=RawKind.IDENTIFY, payload=person)


def _identify(given: Object, properties: Object, who: _Who, frame: SentEvent) -> SentEvent:
    # Whatever its other properties say: from now on the distinct id is the person's.
    profile_id = _known(who._replace(profile_id=who.distinct_id))
    before = _id(properties.get("$anon_distinct_id"))
    person = frame._replace(kind=RawKind.IDENTIFY, profile_id=profile_id, payload=_person(given, properties))
    if who.device_id and who.device_id != who.distinct_id:
        return person
    # Without a device, the earlier id may have been taken for a device's or for a person's: both are linked.
    person = person._replace(device_id=device_of(before) if before != profile_id else "")
    if not before or before == profile_id or before.lower() in _NOBODY:
        return person
    return person._replace(also=person._replace(kind=RawKind.ALIAS, payload={"alias": before}))


def _alias(properties: Object, who: _Who, frame: SentEvent) -> SentEvent:
    alias = _id(properties.get("alias"))
    if not alias or alias.lower() in _NOBODY:
        raise bad_request("missing_alias", "An alias needs the other id of the person.")
    if not who.profile_id and who.device_id:
        # The one who is given a name was a device so far: it becomes that person's.
        return frame._replace(kind=RawKind.IDENTIFY, profile_id=alias, payload={"properties": {}})
    if alias == _known(who):
        raise bad_request("alias_of_itself", "The two ids of an alias are the same.")
    return frame._replace(kind=RawKind.ALIAS, payload={"alias": alias})


def _known(who: _Who) -> str:
    if not who.profile_id or who.profile_id.lower() in _NOBODY:
        raise bad_request("missing_profile_id", "This needs the distinct_id of a known person.")
    return who.profile_id


def _person(given: Object, properties: Object) -> Object:
    """An IdentifyPayload; what can't be kept of it is left out or cut, because it rides on what is worth keeping."""
    told = {**object_of(properties.get("$set")), **object_of(given.get("$set"))}
    once = {**object_of(properties.get("$set_once")), **object_of(given.get("$set_once"))}
    # Set to null for good, it could never be told.
    once = {key: value for key, value in once.items() if value is not None}
    unset = properties.get("$unset", given.get("$unset"))
    paths = [path for path in unset if isinstance(path, str)] if isinstance(unset, list) else []
    person: Object = {
        "set_once": once,
        "unset": [path for path in paths if 0 < len(path) <= MAX_PROPERTY_PATH][:MAX_UNSET],
    }
    for ours, names, longest in _PERSON:
        for name in names:
            if isinstance(value := told.get(name), str):
                person.setdefault(ours, value[:longest])
                del told[name]
    return {**person, "properties": told}


def _group(properties: Object) -> Object:
    kind, told = text_of(properties.get("$group_type")), object_of(properties.get("$group_set"))
    group_id = _group_id(kind, properties.get("$group_key"))
    if not group_id:
        raise bad_request("invalid_group", "A group needs a $group_type and a $group_key, not too long.")
    return {
        "id": group_id,
        "type": kind[:MAX_GROUP_TYPE],
        "name": text_of(told.get("name"), MAX_TRAIT),
        "properties": told,
    }


def _groups(given: object) -> list[str]:
    ids = [_group_id(kind, key) for kind, key in object_of(given).items()]
    return [group_id for group_id in ids if group_id][:MAX_GROUPS]


def _group_id(kind: str, key: object) -> str:
    # Keys are unique within their type only.
    text = _id(key)
    group_id = f"{kind}:{text}" if kind and text else ""
    return group_id if len(group_id) <= MAX_GROUP_ID else ""


def _id(value: object) -> str:
    return id_text(value)[:_MAX_DISTINCT_ID]
