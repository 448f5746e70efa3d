"""What Google's validation server would say of a Measurement Protocol request: nothing is stored, and no key asked."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ingest.protocols.event_names import RESERVED
from ingest.protocols.translation import id_text, object_of

MAX_EVENTS = 25
MAX_ENTRIES = 25
"""Parameters of an event, and user properties of a request."""
MAX_EVENT_NAME = 40
MAX_PROPERTY_NAME = 24
MAX_PARAM_VALUE = 100
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MAX_MESSAGES = 100


class _Found(NamedTuple):
    path: str
    code: str
    description: str


def validation_messages(body: Mapping[str, Any]) -> list[dict[str, str]]:
    """What is wrong with a request, in Google's words; empty if nothing is."""
    found: list[dict[str, str]] = []
    for path, code, description in _checked(body):
        found.append({"fieldPath": path, "description": description, "validationCode": code})
        if len(found) == _MAX_MESSAGES:
            break
    return found


def _checked(body: Mapping[str, Any]) -> Iterator[_Found]:
    if not (id_text(body.get("client_id")) or id_text(body.get("app_instance_id"))):
        yield _Found("client_id", "VALUE_REQUIRED", "Measurement requires a client_id or an app_instance_id.")
    events = body.get("events")
    if not isinstance(events, list) or not events:
        yield _Found("events", "VALUE_REQUIRED", "At least one event is required.")
        return
    if len(events) > MAX_EVENTS:
        yield _Found("events", "EXCEEDED_MAX_ENTITIES", f"A request has at most {MAX_EVENTS} events.")
    for index, event in enumerate(events):
        yield from _checked_event(index, object_of(event))
    properties = object_of(body.get("user_properties"))
    if len(properties) > MAX_ENTRIES:
        yield _Found("user_properties", "EXCEEDED_MAX_ENTITIES", f"There are at most {MAX_ENTRIES} user properties.")
    for name in properties:
        if len(name) > MAX_PROPERTY_NAME or not _NAME.fullmatch(name):
            yield _Found("user_properties", "NAME_INVALID", f"User property has invalid name [{name[:100]}].")


def _checked_event(index: int, event: Mapping[str, Any]) -> Iterator[_Found]:
    name = event.get("name")
    at = f"Event at index: [{index}]"
    if not isinstance(name, str) or not name:
        yield _Found("events", "VALUE_REQUIRED", f"{at} has no name.")
    elif not _NAME.fullmatch(name):
        description = f"{at} has invalid name [{name[:100]}]. Names must start with an alphabetic character."
        yield _Found("events", "NAME_INVALID", description)
    elif len(name) > MAX_EVENT_NAME:
        yield _Found("events", "NAME_INVALID", f"{at} has a name of more than {MAX_EVENT_NAME} characters.")
    elif name in RESERVED:
        yield _Found("events", "NAME_RESERVED", f"{at} has name [{name}] which is reserved.")
    params = object_of(event.get("params"))
    if len(params) > MAX_ENTRIES:
        yield _Found("events", "EXCEEDED_MAX_ENTITIES", f"{at} has more than {MAX_ENTRIES} parameters.")
    for key, value in params.items():
        if not _NAME.fullmatch(key) or len(key) > MAX_EVENT_NAME:
            yield _Found("events.params", "NAME_INVALID", f"{at} has invalid parameter name [{key[:100]}].")
        elif isinstance(value, str) and len(value) > MAX_PARAM_VALUE and not key.startswith("page_"):
            yield _Found("events.params", "VALUE_OUT_OF_BOUNDS", f"{at} has a parameter [{key}] that is too long.")
