"""Requests as a protocol's parser gets them."""

from collections.abc import Mapping

from ingest.protocols.protocol import Protocol, Request, SentEvent, Submission

NOW = 1_763_724_000_000


def request(
    body: bytes = b"",
    headers: Mapping[bytes, bytes] | None = None,
    *,
    path: str = "/",
    query: bytes = b"",
    method: str = "POST",
    received_ms: int = NOW,
) -> Request:
    """A request with this body."""
    return Request(method, path, query, headers or {}, body, received_ms)


def submission(
    protocol: Protocol,
    body: bytes = b"",
    headers: Mapping[bytes, bytes] | None = None,
    *,
    path: str = "/",
    query: bytes = b"",
    method: str = "POST",
) -> Submission:
    """What a protocol reads out of a request that brings events."""
    parsed = protocol.parse(request(body, headers, path=path, query=query, method=method))
    assert isinstance(parsed, Submission)
    return parsed


def events_of(
    protocol: Protocol, body: bytes, headers: Mapping[bytes, bytes] | None = None, *, path: str = "/"
) -> list[SentEvent]:
    """The events of a request all of whose events can be taken."""
    events = submission(protocol, body, headers, path=path).events
    sent = [event for event in events if isinstance(event, SentEvent)]
    assert len(sent) == len(events)
    return sent
