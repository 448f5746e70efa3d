"""PostHog's operations."""

from collections.abc import Mapping

from ingest.openapi.operation import ANY_OBJECT, KEY, TIME, Operation, Sample, array, record, text

_SAID = {
    "distinct_id": text(200, 1),
    "properties": ANY_OBJECT,
    "timestamp": TIME,
    "uuid": {"type": "string", "format": "uuid"},
}
_EVENT = record(("event", "distinct_id"), event=text(200, 1), **_SAID)
_OF_KEY = record(("api_key", "event", "distinct_id"), api_key=KEY, event=text(200, 1), **_SAID)
_CAPTURE = {"oneOf": [_OF_KEY, record(("api_key", "batch"), api_key=KEY, batch=array(_EVENT, 10_000, 1), sent_at=TIME)]}
_PERSON = record(("api_key", "distinct_id"), api_key=KEY, **{"$set": ANY_OBJECT, "$set_once": ANY_OBJECT}, **_SAID)
_ASKS = record(("token",), token=KEY, distinct_id=text(200))
_AN_EVENT = {"event": "clicked", "distinct_id": "ann", "uuid": "0193f6a0-0000-7000-8000-0000000000aa"}
_CAPTURED = (Sample(_AN_EVENT), Sample(_AN_EVENT, "beacon=1"))
_SEEN = {"beacon": {"type": "string", "enum": ["0", "1"], "description": "1: answered 204, without a body."}}

_TAKES = Operation("Take an event, or a batch of them.", _CAPTURE, _SEEN, _CAPTURED)
_V1 = Operation(
    "Take events, with a verdict for each.",
    record(("batch",), batch=array(_EVENT, 10_000, 1)),
    samples=(Sample({"batch": [_AN_EVENT]}),),
)

OPERATIONS: Mapping[str, Operation] = {
    **dict.fromkeys(("/i/v0/e", "/e", "/capture", "/batch", "/track", "/i/v0/ai/batch"), _TAKES),
    "/engage": Operation("Say what is known of a person.", _PERSON, _SEEN, _CAPTURED),
    "/s": Operation("Understand a recording, count it, and keep nothing of it.", _CAPTURE, _SEEN, _CAPTURED),
    "/i/v1/analytics/events": _V1,
    "/i/v1/general/events": _V1,
    "/flags": Operation("Tell that there are no feature flags.", _ASKS),
    "/decide": Operation("Tell that there are no feature flags, as older libraries ask.", _ASKS),
    "/api/surveys": Operation("Tell that there are no surveys.", _ASKS),
}
