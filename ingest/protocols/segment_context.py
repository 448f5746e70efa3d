"""The ``context`` of Segment's and RudderStack's messages: what a library says of the page, the app and the device."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ingest.limits import MAX_GROUP_ID, MAX_SDK_TEXT
from ingest.protocols.translation import (
    address_with_campaign,
    id_text,
    object_of,
    own_properties,
    stated_agent,
    text_of,
)

PAGE_FIELDS = ("url", "path", "search", "referrer", "title")
"""What a page says of itself, in ``context.page`` and again in a page call's properties."""
_SAID_OTHERWISE = frozenset(
    {"page", "campaign", "library", "locale", "screen", "os", "device", "ip", "userAgent", "userAgentData", "referrer"}
    | {"traits", "groupId", "direct"}
)
"""Parts of a context that become something else, or that are a person's and belong into no event."""
_NO_REFERRER = "$direct"
"""What RudderStack's browser library says for none."""
_DEVICE_FIELDS = ("type", "name")
"""What is kept of a device beside brand and model; its ids and tokens are not."""


class Context(NamedTuple):
    """A context in Weir's words. ``properties``: those with a meaning, and ``context`` with all that has none."""

    properties: dict[str, Any]
    groups: list[str]
    ip: str
    user_agent: str
    sdk_name: str
    sdk_version: str


def read_context(given: Mapping[str, Any], page: Mapping[str, Any]) -> Context:
    """What a context says. ``page``: what the message itself says of the page, which goes before the context's."""
    library, os, device = (object_of(given.get(key)) for key in ("library", "os", "device"))
    group = id_text(given.get("groupId"))
    ip = text_of(given.get("ip"), 64)
    return Context(
        {**_rest(given, device), **_place(given, page), **_surroundings(given, os, device)},
        [group] if 0 < len(group) <= MAX_GROUP_ID else [],
        ip,
        text_of(given.get("userAgent")) or _agent(object_of(given.get("app")), os, device),
        text_of(library.get("name"), MAX_SDK_TEXT),
        text_of(library.get("version"), MAX_SDK_TEXT),
    )


def _place(given: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    page = {**object_of(given.get("page")), **{key: said[key] for key in PAGE_FIELDS if text_of(said.get(key))}}
    address = text_of(page.get("url"))
    if not address and text_of(page.get("path")):
        address = text_of(page["path"]) + text_of(page.get("search"))
    campaign = object_of(given.get("campaign"))
    place: dict[str, Any] = {}
    if address:
        place["__path"] = address_with_campaign(address, {**campaign, "campaign": campaign.get("name")})
    elif campaign:
        place["campaign"] = campaign  # of an app that has no addresses
    referrer = text_of(page.get("referrer")) or text_of(object_of(given.get("referrer")).get("url"))
    if referrer and referrer != _NO_REFERRER:
        place["__referrer"] = referrer
    if title := text_of(page.get("title")):
        place["__title"] = title
    return place


def _surroundings(given: Mapping[str, Any], os: Mapping[str, Any], device: Mapping[str, Any]) -> dict[str, Any]:
    screen = object_of(given.get("screen"))
    width, height = id_text(screen.get("width")), id_text(screen.get("height"))
    said = {
        "__language": text_of(given.get("locale")),
        "__screen": f"{width}x{height}" if width and height else "",
        "__os": text_of(os.get("name")),
        "__osVersion": id_text(os.get("version")),
        "__brand": text_of(device.get("manufacturer")),
        "__model": text_of(device.get("model")),
    }
    return {key: text for key, text in said.items() if text}


def _rest(given: Mapping[str, Any], device: Mapping[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in own_properties(given).items() if key not in _SAID_OTHERWISE}
    if kept := {key: device[key] for key in _DEVICE_FIELDS if text_of(device.get(key))}:
        rest["device"] = kept
    return {"context": rest} if rest else {}


def _agent(app: Mapping[str, Any], os: Mapping[str, Any], device: Mapping[str, Any]) -> str:
    # Apps whose libraries send no user agent describe the device instead; a server describes none.
    model, brand = text_of(device.get("model"), 100), text_of(device.get("manufacturer"), 100)
    if not text_of(os.get("name")) or not (model or brand):
        return ""
    return stated_agent(
        text_of(app.get("name"), 64), text_of(os["name"], 64), id_text(os.get("version"))[:32], brand, model
    )
