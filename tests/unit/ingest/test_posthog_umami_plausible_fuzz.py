"""Whatever is sent to PostHog's, Umami's and Plausible's routes is refused, or becomes raw events that workers read."""

import base64
import gzip
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.answers import Answer, Refusal
from ingest.protocols.plausible import ROUTES as PLAUSIBLE
from ingest.protocols.posthog import ROUTES as POSTHOG
from ingest.protocols.protocol import Protocol, Request, Settled, Submission
from ingest.protocols.shared_paths import ROUTES as SHARED
from ingest.protocols.umami import ROUTES as UMAMI
from tests.unit.ingest.requests import request
from tests.unit.ingest.test_foreign_fuzz import ANY, SCALARS, check, shaped

ROUTES = {**POSTHOG, **UMAMI, **PLAUSIBLE, **SHARED}
SETTLED = Settled("e", "d", "s")

PERSON = shaped("email name first_name avatar a.b", SCALARS)
TOLD = shaped(
    "distinct_id token $device_id $is_identified $process_person_profile $is_server $set $set_once $unset $groups $ip"
    " $geoip_disable $current_url $referrer $screen_width $screen_height $screen_name title $lib $anon_distinct_id"
    " alias $group_type $group_key $group_set __revenue __path $raw_user_agent",
    SCALARS | PERSON | st.lists(SCALARS, max_size=3),
)
NAMES = st.sampled_from(
    ["$pageview", "$screen", "$identify", "$set", "$create_alias", "$groupidentify", "$snapshot", "revenue", "a"]
)
CAPTURED = st.fixed_dictionaries(
    {"event": NAMES | SCALARS, "distinct_id": SCALARS, "properties": TOLD},
    optional={
        **dict.fromkeys(("api_key", "uuid", "timestamp", "offset", "sent_at", "$set", "$unset", "type"), ANY),
        "options": TOLD,
        "batch": ANY,
    },
)
BATCHES = st.fixed_dictionaries({"batch": st.lists(CAPTURED | ANY, max_size=3)}, optional={"sent_at": SCALARS})
SENT = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["event", "identify", "performance"]) | SCALARS,
        "payload": shaped(
            "website hostname url referrer title language screen name tag data id timestamp ip userAgent browser lcp",
            SCALARS | shaped("revenue currency a __currency"),
        ),
    }
)
VIEWED = st.fixed_dictionaries(
    {"n": SCALARS, "u": st.just("https://a.example/#b") | SCALARS, "d": SCALARS},
    optional={
        **dict.fromkeys(("name", "r", "h", "i", "v", "sd", "e"), SCALARS),
        **dict.fromkeys(("p", "m", "$"), shaped("currency amount a __path", SCALARS) | SCALARS),
    },
)
BODIES = CAPTURED | BATCHES | SENT | st.lists(SENT | CAPTURED, max_size=3) | VIEWED | ANY
WRAPPERS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    gzip.compress,
    base64.b64encode,
    lambda body: b"data=" + base64.b64encode(body),
)
QUERIES = st.sampled_from([b"compression=gzip-js", b"compression=base64&_=1763724000000", b"beacon=1"])


@st.composite
def requests(draw: st.DrawFn) -> tuple[Protocol, Request]:
    """A route, and a body that has something of what some route expects."""
    path = draw(st.sampled_from(sorted(ROUTES)))
    # With NaN and halves of surrogate pairs, as browsers send them.
    body = json.dumps(draw(BODIES)).encode("utf-8", "surrogatepass")
    asked = request(draw(st.sampled_from(WRAPPERS))(body), path=path, query=draw(QUERIES | st.binary(max_size=30)))
    return ROUTES[path], asked


def spoken(protocol: Protocol, asked: Request) -> tuple[Protocol, Request]:
    return (protocol, asked) if protocol.choose is None else protocol.choose(asked)


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_every_route_refuses_what_is_no_json(path: str) -> None:
    for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", b"data=%ff", b"\x1f\x8b", b'{"batch":' + b"[" * 5_000):
        asked = request(body, path=path)
        check(*spoken(ROUTES[path], asked))


@given(requests())
def test_any_request_is_refused_or_becomes_raw_events(sent: tuple[Protocol, Request]) -> None:
    protocol, asked = spoken(*sent)
    check(protocol, asked)
    try:
        parsed = protocol.parse(asked)
    except Refusal:
        return
    if isinstance(parsed, Submission):
        verdicts = [event if isinstance(event, Refusal) else SETTLED for event in parsed.events]
        if protocol.partial or not any(isinstance(verdict, Refusal) for verdict in verdicts):
            answer: Answer = protocol.accepted(asked, verdicts)
            assert answer.status < 500


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_bytes(body: bytes, query: bytes) -> None:
    for path in ("/e", "/batch", "/track", "/s", "/api/send", "/api/batch", "/api/event"):
        for method in ("POST", "GET"):
            asked = request(body, path=path, query=query, method=method)
            check(*spoken(ROUTES[path], asked))
