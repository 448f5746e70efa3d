"""The operations of Plausible, Umami and Google Analytics 4's Measurement Protocol."""

from collections.abc import Mapping

from ingest.openapi.operation import ANY_OBJECT, DOMAIN, KEY, Operation, Sample, Schema, array, record, text

_ADDRESS: Schema = {"type": "string", "format": "uri", "maxLength": 2_000}
_PROPS: Schema = {
    "type": "object",
    "maxProperties": 30,
    "additionalProperties": {"oneOf": [text(), {"type": "number"}, {"type": "boolean"}]},
}
_PLAUSIBLE = record(
    ("n", "u", "d"),
    n=text(120, 1),
    u=_ADDRESS,
    d=DOMAIN,
    r=text(2_000),
    p=_PROPS,
    **{"$": record(("currency", "amount"), currency={"type": "string", "enum": ["EUR", "USD"]}, amount=text(12))},
)
_UMAMI = record(
    ("type", "payload"),
    type={"type": "string", "enum": ["event", "identify", "performance"]},
    payload=record(
        ("website",),
        website=KEY,
        name=text(50, 1),
        url=text(500),
        hostname=text(100),
        referrer=text(500),
        title=text(),
        language=text(35),
        screen=text(11),
        id=text(50),
        ip={"type": "string", "format": "ipv4"},
        timestamp={"type": "integer", "minimum": 1, "maximum": 2**43},
        data=ANY_OBJECT,
    ),
)
_MICROS: Schema = {"oneOf": [{"type": "integer", "minimum": 0, "maximum": 10**18 - 1}, text(18)]}
_GA4 = record(
    ("client_id", "events"),
    client_id=text(64, 1),
    user_id=text(100),
    timestamp_micros=_MICROS,
    ip_override={"type": "string", "format": "ipv4"},
    user_properties={"type": "object", "additionalProperties": record(value=text())},
    events=array(record(("name",), name=text(40, 1), params=ANY_OBJECT, timestamp_micros=_MICROS), 1_000, 1),
)
_A_VIEW = {"type": "event", "payload": {"website": "k", "url": "/"}}
_AN_EVENT = {"client_id": "c", "events": [{"name": "page_view"}]}

OPERATIONS: Mapping[str, Operation] = {
    "/api/event": Operation(
        "Take an event of a domain (Plausible).",
        _PLAUSIBLE,
        samples=(Sample({"n": "pageview", "u": "https://shop.example/", "d": "shop.example"}),),
    ),
    "/api/send": Operation("Take an event (Umami).", _UMAMI, samples=(Sample(_A_VIEW),)),
    "/api/batch": Operation(
        "Take many events, with a verdict for each that is refused (Umami).",
        array(_UMAMI, 2_000, 1),
        samples=(Sample([_A_VIEW]),),
    ),
    "/api/heartbeat": Operation("Tell that the gateway lives (Umami)."),
    "/mp/collect": Operation(
        "Take one client's events (Measurement Protocol).",
        _GA4,
        {"api_secret": KEY, "measurement_id": text(20)},
        (Sample(_AN_EVENT),),
    ),
    "/debug/mp/collect": Operation(
        "Tell what is wrong with a request, and keep nothing of it (Measurement Protocol).",
        _GA4,
        samples=(Sample(_AN_EVENT),),
    ),
}
