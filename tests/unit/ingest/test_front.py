"""What the gateway answers beside events: no address of it leads to another."""

import asyncio

import httpx
import pytest

from ingest.app import Front, other_routes
from ingest.gateway import Gateway
from ingest.settings import GatewaySettings

SETTINGS = GatewaySettings(kafka_bootstrap="127.0.0.1:1")


async def ask(path: str, headers: dict[str, str]) -> httpx.Response:
    front = Front(SETTINGS)
    front._starlette.router.routes.extend(other_routes(Gateway(SETTINGS)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://gateway.example") as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/healthz", 200),
        ("/healthz/", 200),
        ("/healthz/live/", 200),
        ("/array/x/config/", 200),
        ("/openapi.json/", 200),
        ("/nowhere/", 404),
    ],
)
def test_a_slash_at_the_end_makes_no_difference(path: str, status: int) -> None:
    answer = asyncio.run(ask(path, {"host": "elsewhere.example"}))
    assert answer.status_code == status
    assert "location" not in answer.headers
