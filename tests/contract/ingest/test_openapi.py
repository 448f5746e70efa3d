"""The gateway's OpenAPI document: every route is in it, and no other."""

import asyncio
from typing import Any

import orjson
import pytest

from ingest.app import COLLECTING, other_routes
from ingest.gateway import Gateway
from ingest.openapi.document import document, operation_of
from ingest.protocols.protocol import Protocol, Request
from ingest.settings import GatewaySettings

SPOKEN = {
    f"{path} ({spoken.name})": (path, spoken)
    for path, protocol in sorted(COLLECTING.items())
    for spoken in protocol.among or (protocol,)
}


def paths_of_others() -> list[str]:
    return asyncio.run(_paths())


async def _paths() -> list[str]:
    return [route.path for route in other_routes(Gateway(GatewaySettings(kafka_bootstrap="127.0.0.1:1")))]


def test_every_route_is_described_with_its_methods() -> None:
    others = paths_of_others()
    described = document(COLLECTING, others)["paths"]
    assert set(described) == {*COLLECTING, *others}
    for path, protocol in COLLECTING.items():
        assert set(described[path]) == {method.lower() for method in protocol.methods}
    # Nothing is said of what is not there, and a route of which nothing is said stops the document.
    with pytest.raises(KeyError):
        document(COLLECTING, ["/unheard-of"])


def test_every_answer_is_described() -> None:
    for path, operations in document(COLLECTING, [])["paths"].items():
        for method, operation in operations.items():
            assert {"400", "405", "500", "503"} <= set(operation["responses"]), (path, method)
            assert any(status < "300" for status in operation["responses"]), (path, method)


@pytest.mark.parametrize(("path", "protocol"), SPOKEN.values(), ids=SPOKEN)
def test_each_body_that_is_described_has_a_sample_that_is_taken(path: str, protocol: Protocol) -> None:
    operation = operation_of(path, protocol)
    for sample in operation.samples:
        if operation.body is None or sample.body is None:
            continue
        required: Any = operation.body.get("required", [])
        # What the key is told by stands for itself.
        assert [name for name in required if name not in {*sample.body, "api_key", "token"}] == []
        protocol.parse(Request("POST", path, sample.query.encode(), {}, orjson.dumps(sample.body), 0))
