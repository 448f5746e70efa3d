"""Whose request it is on a path that several protocols use."""

import gzip

import pytest

from ingest.answers import Refusal
from ingest.protocols.protocol import Submission
from ingest.protocols.shared_paths import ROUTES
from tests.unit.ingest.requests import request


@pytest.mark.parametrize(
    ("path", "body", "headers", "expected"),
    [
        ("/track", b'{"type":"track","payload":{"name":"a"}}', {}, "openpanel"),
        ("/track", b'{ "payload": {}, "type": "track" }', {}, "openpanel"),
        ("/track", b'{"clientId":"a","type":"track","payload":{}}', {}, "openpanel"),
        ("/track", b'{"event":"a","type":"track"}', {}, "openpanel"),
        ("/track", b"{}", {}, "openpanel"),
        ("/track", b"", {}, "openpanel"),
        ("/track", b"{", {}, "openpanel"),
        ("/track", b"no", {}, "openpanel"),
        ("/track", b'{"api_key":"a","event":"b","distinct_id":"c"}', {}, "posthog"),
        ("/track", b' {"event":"b","properties":{"token":"a","type":"x"}}', {}, "posthog"),
        ("/track", b'[{"event":"b"}]', {}, "posthog"),
        ("/track", b'{"batch":[]}', {}, "posthog"),
        ("/track", b"data=eyJ9", {}, "posthog"),
        ("/track", gzip.compress(b"{}", mtime=0), {}, "posthog"),
        ("/batch", b'{"api_key":"a","batch":[{"event":"b"}]}', {}, "posthog"),
        ("/batch", b'{"api_key":"a","batch":[{"event":"b","properties":{"writeKey":"c"}}]}', {}, "posthog"),
        ("/batch", b'{"writeKey":"a","batch":[{"type":"track"}]}', {}, "segment"),
        ("/batch", b'{"batch":[{"type":"track"}]}', {b"authorization": b"Basic YTo="}, "segment"),
        ("/batch", b'{"writeKey', {}, "posthog"),
        ("/batch", b"", {}, "posthog"),
    ],
)
def test_the_bodys_shape_decides(path: str, body: bytes, headers: dict[bytes, bytes], expected: str) -> None:
    choose = ROUTES[path].choose
    assert choose is not None
    assert choose(request(body, headers))[0].name == expected
    assert expected in {protocol.name for protocol in ROUTES[path].among}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/track", b'{"event":"a","type":"track","payload":{"name":"b"}}'),
        ("/track", b' {"api_key":"a","event":"b","distinct_id":"c"}'),
        ("/track", b'[{"event":"b","distinct_id":"c"}]'),
        ("/batch", b'{"writeKey":"a","batch":[{"type":"track","event":"b","userId":"c"}]}'),
        ("/batch", b'{"api_key":"a","batch":[{"event":"writeKey","distinct_id":"c","properties":{"writeKey":1}}]}'),
    ],
)
def test_a_body_that_was_read_to_choose_is_not_read_again(path: str, body: bytes) -> None:
    choose = ROUTES[path].choose
    assert choose is not None
    protocol, read = choose(request(body))
    # Nothing is left to read it from.
    parsed, again = protocol.parse(read._replace(body=b"{")), protocol.parse(request(body))
    assert isinstance(parsed, Submission)
    assert isinstance(again, Submission)
    assert parsed._replace(events=list(parsed.events)) == again._replace(events=list(again.events))
    assert isinstance(parsed, Submission)


def test_what_holds_too_much_is_refused_before_it_is_chosen() -> None:
    choose = ROUTES["/track"].choose
    assert choose is not None
    with pytest.raises(Refusal) as refused:
        choose(request(b"[" + b"{}," * 3_495_000 + b"{}]"))
    assert (refused.value.status, refused.value.reason) == (413, "too_many_values")
