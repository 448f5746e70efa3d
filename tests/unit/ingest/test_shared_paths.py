"""Whose request it is on a path that several protocols use."""

import gzip

import pytest

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
    assert choose(request(body, headers)).name == expected
    assert expected in {protocol.name for protocol in ROUTES[path].among}
