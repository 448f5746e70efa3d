"""OpenPanel's operations and Weir's batches of them."""

from collections.abc import Mapping

from ingest.limits import MAX_GROUP_ID, MAX_PROFILE_ID
from ingest.openapi.operation import ANY_OBJECT, KEY, TIME, Operation, Sample, Schema, array, record, text
from schemas.raw_event import MAX_AVATAR, MAX_GROUP_TYPE, MAX_GROUPS, MAX_PROPERTY_PATH, MAX_TRAIT

_MAX_NAME = 80
_PROFILE_ID: Schema = {"oneOf": [text(MAX_PROFILE_ID, 1), {"type": "integer"}]}
_GROUP_ID = text(MAX_GROUP_ID, 1)
_PROPERTIES: Schema = {
    **ANY_OBJECT,
    "description": "Names with two underscores mean something: __path, __referrer, __title, __timestamp, __revenue …",
}
_TRACK = record(
    ("name",),
    name=text(_MAX_NAME, 1),
    profileId=_PROFILE_ID,
    properties=_PROPERTIES,
    groups=array(_GROUP_ID, MAX_GROUPS),
)
_IDENTIFY = record(
    ("profileId",),
    profileId=_PROFILE_ID,
    firstName=text(MAX_TRAIT),
    lastName=text(MAX_TRAIT),
    email={"type": "string", "format": "email"},
    avatar={"type": "string", "format": "uri", "maxLength": MAX_AVATAR},
    properties=ANY_OBJECT,
)
_COUNTER = record(
    ("profileId", "property"),
    profileId=_PROFILE_ID,
    property=text(MAX_PROPERTY_PATH, 1),
    value={"type": "number", "exclusiveMinimum": 0, "maximum": 2**53},
)
_GROUP = record(
    ("id", "type", "name"),
    id=_GROUP_ID,
    type=text(MAX_GROUP_TYPE, 1),
    name=text(MAX_TRAIT, 1),
    properties=ANY_OBJECT,
)
_ASSIGN_GROUP = record(("groupIds",), groupIds=array(_GROUP_ID, MAX_GROUPS), profileId=_PROFILE_ID)
_REPLAY = record(
    ("chunk_index", "events_count", "is_full_snapshot", "started_at", "ended_at", "payload"),
    chunk_index={"type": "integer", "minimum": 0, "maximum": 65_535},
    events_count={"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    is_full_snapshot={"type": "boolean"},
    started_at=TIME,
    ended_at=TIME,
    payload={"type": "string", "description": "The recorder's events: the JSON of an array."},
)
_UNLINK = {"oneOf": [record(("deviceId",), deviceId=text(128, 1)), record(("alias",), alias=text(MAX_PROFILE_ID, 1))]}
_PAYLOADS = {
    "track": _TRACK,
    "identify": _IDENTIFY,
    "increment": _COUNTER,
    "decrement": _COUNTER,
    "group": _GROUP,
    "assign_group": _ASSIGN_GROUP,
    "replay": _REPLAY,
    "unlink": _UNLINK,
}
OPERATION: Schema = {
    "oneOf": [record(("type", "payload"), type={"const": kind}, payload=payload) for kind, payload in _PAYLOADS.items()]
}
_MOMENT: Schema = {"oneOf": [TIME, {"type": "integer", "minimum": 0, "maximum": 2**53}]}
_BATCHED: Schema = {
    "allOf": [OPERATION, record(id=text(256, 1), timestamp=_MOMENT, sentAt=_MOMENT)],
}
_A_TRACK = {"name": "clicked", "properties": {"__path": "https://shop.example/"}}
_A_COUNT = {"profileId": "ann", "property": "visits", "value": 1}
_A_PERSON = {"profileId": "ann", "firstName": "Ann"}

_IDENTIFIES = "Say what is known of a person."
_INCREMENTS = "Add to a property of a profile."
_DECREMENTS = "Take from a property of a profile."

OPERATIONS: Mapping[str, Operation] = {
    "/track": Operation("Take one operation.", OPERATION, samples=(Sample({"type": "track", "payload": _A_TRACK}),)),
    "/track/batch": Operation(
        "Take many operations, with a verdict for each.",
        record(("events",), events=array(_BATCHED, 2_000, 1), sentAt=_MOMENT),
        samples=(Sample({"events": [{"type": "track", "payload": _A_TRACK}]}),),
    ),
    "/track/device-id": Operation("Tell the sender's device and session."),
    "/track/pixel.gif": Operation(
        "Take an event that an image's address tells.",
        query={"client_id": KEY, "name": text(_MAX_NAME, 1), "path": text(), "title": text(), "profile_id": text(64)},
        samples=(Sample(query="client_id=k&name=opened"),),
    ),
    "/event": Operation("Take an event.", _TRACK, samples=(Sample(_A_TRACK),)),
    "/profile": Operation(_IDENTIFIES, _IDENTIFY, samples=(Sample(_A_PERSON),)),
    "/profile/increment": Operation(_INCREMENTS, _COUNTER, samples=(Sample(_A_COUNT),)),
    "/profile/decrement": Operation(_DECREMENTS, _COUNTER, samples=(Sample(_A_COUNT),)),
    "/profile/unlink": Operation(
        "Take back a link of a device or of another id; with a secret only.",
        _UNLINK,
        samples=(Sample({"alias": "ann@example.com"}),),
    ),
    "/identify": Operation(_IDENTIFIES, _IDENTIFY, samples=(Sample(_A_PERSON),)),
    "/increment": Operation(_INCREMENTS, _COUNTER, samples=(Sample(_A_COUNT),)),
    "/decrement": Operation(_DECREMENTS, _COUNTER, samples=(Sample(_A_COUNT),)),
}
