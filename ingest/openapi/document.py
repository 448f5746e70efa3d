"""The OpenAPI document, made of the routes there are.

People say what an operation is for and what its clients send (``ingest/openapi``, a module a protocol). What it answers
is asked of the protocol: it answers a good request, and every kind of refusal, and that is what is written down.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from ingest.answers import Answer, Refusal
from ingest.openapi import openpanel, others, posthog, segment
from ingest.openapi.operation import Operation, Sample, text
from ingest.openapi.own import Told, told
from ingest.protocols.protocol import Protocol, Request, Settled
from schemas.bots import Bot

_OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "openpanel": openpanel.OPERATIONS,
    "batch": openpanel.OPERATIONS,
    "pixel": openpanel.OPERATIONS,
    "segment": segment.OPERATIONS,
    "rudderstack": segment.OPERATIONS,
    "posthog": posthog.OPERATIONS,
    "plausible": others.OPERATIONS,
    "umami": others.OPERATIONS,
    "ga4": others.OPERATIONS,
}
PREFIXES = ("/openpanel", "/segment", "/rudderstack", "/posthog", "/plausible", "/umami", "/ga4")
_REFUSALS = (
    *((status, "x") for status in (400, 401, 405, 408, 413, 415, 429, 500, 503)),
    (401, "filtered_ip"),
)
"""A status that the gateway refuses with, and a reason where it makes a difference."""
_MEANINGS = {
    400: "It cannot be understood or stored as it is.",
    401: "The key, the secret or the origin is not right, or the project's rules leave it out.",
    403: "The project's rules leave it out.",
    405: "Another method.",
    408: "The body took too long.",
    413: "It is too large.",
    415: "It is compressed in an unknown way.",
    429: "Too much, for the moment.",
    500: "An error of the gateway's own.",
    503: "Not now.",
}
_INFO = {
    "title": "Weir's gateway",
    "version": "1",
    "description": (
        "Takes events in the words of seven trackers. A success says that the events are durable. Every refusal has "
        "one word for programs in the header X-Weir-Reason. A POST's JSON may come as any content type, and compressed "
        "with gzip, deflate, br or zstd. OPTIONS is answered 204 everywhere."
    ),
}
_SECURITY = {
    "clientId": {"type": "apiKey", "in": "header", "name": "openpanel-client-id"},
    "clientSecret": {"type": "apiKey", "in": "header", "name": "openpanel-client-secret"},
    "writeKey": {"type": "http", "scheme": "basic", "description": "The key as user; a secret may be the password."},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_REASON = {"X-Weir-Reason": {"schema": {"type": "string"}, "description": "One word for programs."}}
_SETTLED = Settled("0193f6a0-0000-7000-8000-0000000000aa", "device", "session")
_BROWSER = {b"user-agent": b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}

Described = dict[str, Any]


def document(collecting: Mapping[str, Protocol], others: Iterable[str]) -> Described:
    """The whole document. ``collecting``: where events are taken; ``others``: paths of all other routes.

    :raises KeyError: a route of which nothing is said.
    """
    paths: dict[str, Described] = {path: {"get": _told(path, told(path))} for path in others}
    for path, protocol in collecting.items():
        described = [_spoken(path, spoken) for spoken in protocol.among or (protocol,)]
        paths[path] = {
            method.lower(): _together([each[method] for each in described if method in each])
            for method in protocol.methods
        }
    schemas: dict[str, Described] = {}
    for path, operations in paths.items():
        for operation in operations.values():
            _share_body(operation, path, schemas)
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }


def _share_body(operation: Described, path: str, schemas: dict[str, Described]) -> None:
    """Routes with the same body refer to one description of it, under the name of the first of them."""
    if "requestBody" not in operation:
        return
    content = operation["requestBody"]["content"]["application/json"]
    named = next((name for name, schema in schemas.items() if schema == content["schema"]), "")
    if not named:
        named = re.sub(r"\W+", "-", path.strip("/"))
        schemas[named] = content["schema"]
    operation["requestBody"]["content"]["application/json"] = {"schema": {"$ref": f"#/components/schemas/{named}"}}


def operation_of(path: str, protocol: Protocol) -> Operation:
    """What is said of a protocol's route.

    :raises KeyError: nothing is.
    """
    operations = _OPERATIONS[protocol.name]
    prefix = next((prefix for prefix in PREFIXES if path.startswith(prefix + "/")), "")
    return operations[path.removeprefix(prefix)]


def _spoken(path: str, protocol: Protocol) -> dict[str, Described]:
    """By method, an operation in one protocol's words."""
    operation = operation_of(path, protocol)
    found: dict[str, Described] = {}
    for method in protocol.methods:
        answers = [*_successes(path, protocol, operation, method), *_refusals(protocol)]
        described: Described = {
            "summary": operation.summary,
            "tags": [protocol.name],
            "parameters": _parameters(operation, method),
            "responses": _responses(answers),
        }
        if method == "POST" and operation.body is not None:
            described["requestBody"] = {"required": True, "content": {"application/json": {"schema": operation.body}}}
        found[method] = described
    return found


def _parameters(operation: Operation, method: str) -> list[Described]:
    query = dict(operation.query)
    if method == "GET" and operation.body is not None:
        query["data"] = {**text(2_000), "description": "The body, as JSON or base64 of it."}
    return [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]


def _successes(path: str, protocol: Protocol, operation: Operation, method: str) -> Iterator[Answer]:
    for sample in operation.samples:
        request = _request(path, method, sample)
        parsed = protocol.parse(request)
        if isinstance(parsed, Answer):
            yield parsed
            continue
        yield protocol.accepted(request, [_SETTLED] * (1 if parsed.asks else len(parsed.events)))
        yield protocol.dropped(Bot("Crawler", "crawler"))


def _request(path: str, method: str, sample: Sample) -> Request:
    body = b"" if sample.body is None else orjson.dumps(sample.body)
    query = sample.query
    if method == "GET" and body:
        query, body = f"{query}&data={quote(body)}".lstrip("&"), b""
    return Request(method, path, query.encode(), _BROWSER, body or b"{}", 0)


def _refusals(protocol: Protocol) -> Iterator[Answer]:
    for status, reason in _REFUSALS:
        yield protocol.refused(Refusal(status, reason, "A sentence for people."))


def _responses(answers: Iterable[Answer]) -> Described:
    responses: Described = {}
    for answer in answers:
        status = answer.status
        response = responses.setdefault(str(status), {"description": _MEANINGS.get(status, "Taken."), "content": {}})
        if status >= 400:
            response["headers"] = _REASON
        if answer.body:
            response["content"].setdefault(answer.content_type.decode(), _content(answer))
    return dict(sorted(responses.items()))


def _content(answer: Answer) -> Described:
    if not answer.content_type.startswith(b"application/json"):
        return {"schema": {"type": "string"}}
    example = orjson.loads(answer.body)
    return {"schema": {"type": "object"}, "example": example}


def _together(described: list[Described]) -> Described:
    """One operation of several protocols that share a path: the body's shape says whose it is."""
    first, *more = described
    for other in more:
        first["summary"] += f" Or: {other['summary']}"
        first["tags"] += other["tags"]
        known = {parameter["name"] for parameter in first["parameters"]}
        first["parameters"] += [each for each in other["parameters"] if each["name"] not in known]
        body, other_body = (each["requestBody"]["content"]["application/json"] for each in (first, other))
        body["schema"] = {"anyOf": [body["schema"], other_body["schema"]]}
        for status, response in other["responses"].items():
            own = first["responses"].setdefault(status, response)
            own["content"] = {**response["content"], **own["content"]}
    return first


def _told(path: str, described: Told) -> Described:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    responses = {
        str(status): {
            "description": _MEANINGS.get(status, "As asked." if status < 400 else "There is none."),
            "content": {kind: {"schema": {"type": "object" if kind == "application/json" else "string"}}}
            if kind
            else {},
        }
        for status, kind in described.answers.items()
    }
    return {"summary": described.summary, "tags": ["gateway"], "parameters": parameters, "responses": responses}
