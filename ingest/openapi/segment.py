"""Segment's and RudderStack's operations."""

from collections.abc import Mapping

from ingest.openapi.operation import ANY_OBJECT, KEY, TIME, Operation, Sample, Schema, array, record, text

_CONTEXT = record(
    ip={"type": "string", "format": "ipv4"},
    userAgent=text(),
    locale=text(16),
    page=record(url=text(), path=text(), referrer=text(), search=text(), title=text()),
    campaign=record(name=text(), source=text(), medium=text()),
    traits=ANY_OBJECT,
)
_SAID = {
    "writeKey": KEY,
    "messageId": text(100),
    "anonymousId": text(64),
    "userId": text(64, 1),
    "timestamp": TIME,
    "sentAt": TIME,
    "context": _CONTEXT,
}
_OWN: dict[str, tuple[tuple[str, ...], dict[str, Schema]]] = {
    "track": (("event",), {"event": text(100, 1), "properties": ANY_OBJECT}),
    "page": ((), {"name": text(), "category": text(), "properties": ANY_OBJECT}),
    "screen": ((), {"name": text(), "category": text(), "properties": ANY_OBJECT}),
    "identify": ((), {"traits": ANY_OBJECT}),
    "group": (("groupId",), {"groupId": text(100, 1), "traits": ANY_OBJECT}),
    "alias": (("previousId",), {"previousId": text(64, 1)}),
}
_MESSAGES: dict[str, Schema] = {
    kind: record(("userId", *required), **_SAID, **own) for kind, (required, own) in _OWN.items()
}
_BATCH = record(
    ("batch",),
    batch=array(
        {
            "oneOf": [
                record(("type", "userId", *required), type={"const": kind}, **_SAID, **own)
                for kind, (required, own) in _OWN.items()
            ]
        },
        2_500,
        1,
    ),
    writeKey=KEY,
    context=_CONTEXT,
    sentAt=TIME,
)
_A_MESSAGE = {"userId": "ann", "event": "Opened", "groupId": "acme", "previousId": "a"}
_A_BATCH = Sample({"batch": [{"type": "track", "event": "Opened", "userId": "ann"}]})
_BATCHES = Operation("Take many messages.", _BATCH, samples=(_A_BATCH,))


def _singles() -> dict[str, Operation]:
    found = {}
    for kind, message in _MESSAGES.items():
        operation = Operation(f"Take one {kind} message.", message, samples=(Sample(_A_MESSAGE),))
        found[f"/v1/{kind}"] = found[f"/v1/{kind[0]}"] = operation
    return found


_PIXEL_QUERY: dict[str, Schema] = {"writeKey": KEY, "userId": text(64, 1), "event": text(100, 1)}

OPERATIONS: Mapping[str, Operation] = {
    **_singles(),
    **dict.fromkeys(("/v1/batch", "/v1/b", "/v1/import", "/batch", "/beacon/v1/batch"), _BATCHES),
    "/v1/m": Operation("Take what analytics.js tells of itself, and keep nothing of it.", ANY_OBJECT),
    "/pixel/v1/track": Operation(
        "Take a track message that an image's address tells.",
        query=_PIXEL_QUERY,
        samples=(Sample(query="writeKey=k&userId=ann&event=Opened"),),
    ),
    "/pixel/v1/page": Operation(
        "Take a page message that an image's address tells.",
        query=_PIXEL_QUERY,
        samples=(Sample(query="writeKey=k&userId=ann"),),
    ),
    "/sourceConfig": Operation("Tell RudderStack's libraries that there are no destinations."),
}
