"""A real gateway keeps what its OpenAPI document says, whatever is sent to it."""

import base64
import re
import uuid
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks, not_a_server_error

from ingest.openapi.document import PREFIXES
from tests.integration.ingest.gateway_process import BROWSER, GatewayProcess, Tenant, Topics, poll_until

pytestmark = pytest.mark.integration

EXAMPLES = {GenerationMode.POSITIVE: 4, GenerationMode.NEGATIVE: 2}
"""Requests for each operation."""
SAME = re.compile(rf"^({'|'.join(PREFIXES)})/|/v1/([a-z]|import)$")
DIFFERENT = ("/rudderstack/v1/track", "/rudderstack/v1/batch", "/v1/m")
DOMAIN = f"shop-{uuid.uuid4().hex[:8]}.example"


@pytest.fixture(scope="module")
def tenant(gateway_topics: Topics, gateway: GatewayProcess) -> Tenant:
    """A project that believes everything, so that what is sent gets as far as it can."""
    made = Tenant(origins=(f"https://{DOMAIN}",))
    gateway_topics.publish([made.project().model_copy(update={"unsafe_revenue": True}), made.client()])
    event = {"n": "pageview", "u": f"https://{DOMAIN}/"}
    poll_until("the gateway knows it", lambda: gateway.http.post("/api/event", json=event).status_code == 202)
    poll_until("and its client", lambda: gateway.track(made).status_code == 200)
    return made


@pytest.fixture(scope="module")
def described(gateway: GatewayProcess, tenant: Tenant) -> Any:
    """The document's operations without those that are the same by another name."""
    schemathesis.openapi.format("client-id", st.just(tenant.client_id))
    schemathesis.openapi.format("domain", st.just(DOMAIN))
    document = gateway.http.get("/openapi.json").json()
    paths = document["paths"]
    document["paths"] = {path: paths[path] for path in paths if path in DIFFERENT or not SAME.search(path)}
    load_all_checks()
    return schemathesis.openapi.from_dict(document)


def headers_of(tenant: Tenant, path: str) -> dict[str, str]:
    """The key where the operation's protocol looks for it."""
    if path.startswith("/i/v1/"):
        return {"authorization": f"Bearer {tenant.client_id}", "user-agent": BROWSER}
    if path.startswith(("/v1/", "/rudderstack/", "/beacon/", "/pixel/")):
        basic = base64.b64encode(f"{tenant.client_id}:".encode()).decode()
        return {"authorization": f"Basic {basic}", "user-agent": BROWSER}
    return tenant.headers()


def operations(described: Any) -> Iterator[Any]:
    for path in described:
        for method in described[path]:
            yield described[path][method]


def test_what_is_answered_is_what_is_said_and_what_is_taken_is_stored(
    gateway: GatewayProcess, gateway_topics: Topics, tenant: Tenant, described: Any
) -> None:
    wanted = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
    checks: list[Any] = [not_a_server_error, *CHECKS.get_by_names(wanted)]
    before = gateway.metric("weir_gateway_events_total")
    already = len(gateway_topics.raw_events(tenant.project_id))
    statuses: dict[int, int] = {}

    def send(case: Case[Any]) -> None:
        answer = case.call(base_url=gateway.url, headers=headers_of(tenant, case.path), timeout=30)
        case.validate_response(answer, checks=checks)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1

    for operation in operations(described):
        for mode, examples in EXAMPLES.items():
            check_operation(operation, mode, examples, send)
    taken = gateway.metric("weir_gateway_events_total") - before
    assert len(gateway_topics.raw_events(tenant.project_id)) - already == taken
    # Not all was refused, nor all taken.
    assert statuses[200] > 50
    assert statuses[400] > 30
    assert taken > 50


def check_operation(operation: Any, mode: GenerationMode, examples: int, send: Any) -> None:
    @seed(1)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Case[Any]) -> None:
        send(case)

    # What has neither body nor parameters can't be asked for wrongly.
    with nullcontext() if mode is GenerationMode.POSITIVE else suppress(Unsatisfiable):
        run()
