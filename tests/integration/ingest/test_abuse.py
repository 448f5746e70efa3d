"""Clients that would hold the gateway up: it goes on serving the others."""

import asyncio
import gzip
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import orjson
import pytest

from tests.integration.ingest.gateway_process import BROWSER, GatewayProcess, Tenant

pytestmark = pytest.mark.integration

IDLE = 5_000
SLOW = 300
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(autouse=True)
def open_files() -> Iterator[None]:
    """Room for the connections of these tests: the usual soft limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + 1_000
    assert hard == resource.RLIM_INFINITY or hard >= wanted, f"these tests need {wanted} open files"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def connections(gateway: GatewayProcess, count: int) -> AsyncIterator[list[Connection]]:
    """Connections to the gateway, opened a hundred at a time."""
    url = gateway.http.base_url
    opened: list[Connection] = []
    try:
        while len(opened) < count:
            some = min(100, count - len(opened))
            opened += await asyncio.gather(*(asyncio.open_connection(url.host, url.port) for _ in range(some)))
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


def request_of(tenant: Tenant, client_id: str | None = None, address: str = "81.2.69.142") -> bytes:
    """A whole request that tracks an event, as a proxy passes it on from this address."""
    body = orjson.dumps({"type": "track", "payload": {"name": "clicked", "properties": {}}})
    head = (
        f"POST /track HTTP/1.1\r\nhost: gateway\r\nuser-agent: {BROWSER}\r\nx-forwarded-for: {address}\r\n"
        f"openpanel-client-id: {client_id or tenant.client_id}\r\nopenpanel-client-secret: {tenant.secret}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def status_of(reader: asyncio.StreamReader) -> int:
    """The status of the next answer, its body read away."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return int(head.split(b" ", 2)[1])


async def serves(gateway: GatewayProcess, tenant: Tenant, times: int = 20) -> None:
    """Events of an honest client are taken, one after the other."""
    async with connections(gateway, 1) as [(reader, writer)]:
        for _ in range(times):
            writer.write(request_of(tenant))
            assert await status_of(reader) == 200


async def test_thousands_of_idle_connections(gateway: GatewayProcess, tenant: Tenant) -> None:
    async with connections(gateway, IDLE) as idle:
        await serves(gateway, tenant)
        # They were waiting and not turned away: each is served when it speaks at last.
        for reader, writer in idle[:: IDLE // 50]:
            writer.write(request_of(tenant))
            assert await status_of(reader) == 200


async def test_heads_and_bodies_that_come_a_byte_at_a_time(gateway: GatewayProcess, tenant: Tenant) -> None:
    request = request_of(tenant)
    body_begins = request.index(b"\r\n\r\n") + 4
    async with connections(gateway, SLOW) as slow:
        for number, (_, writer) in enumerate(slow):
            writer.write(request[: body_begins + 5 if number % 2 else 40])
        for position in range(3):
            for number, (_, writer) in enumerate(slow):
                start = (body_begins + 5 if number % 2 else 40) + position
                writer.write(request[start : start + 1])
            await serves(gateway, tenant)
        # One that hurries up in the end is served like everybody.
        reader, writer = slow[1]
        writer.write(request[body_begins + 8 :])
        assert await status_of(reader) == 200


async def test_a_flood_of_wrong_keys_from_one_address(gateway: GatewayProcess, tenant: Tenant) -> None:
    async with connections(gateway, 20) as flood:
        refused: dict[int, int] = {}
        for _ in range(100):
            for _, writer in flood:
                writer.write(request_of(tenant, str(uuid4()), address="89.160.20.112"))
            for reader, _ in flood:
                status = await status_of(reader)
                refused[status] = refused.get(status, 0) + 1
        await serves(gateway, tenant)
    assert set(refused) <= {401, 429}
    assert sum(refused.values()) == 2_000


async def test_a_flood_of_small_bodies_that_hold_millions_of_values(gateway: GatewayProcess, tenant: Tenant) -> None:
    """Ten kilobytes each, and no key: whoever sends them is soon not listened to, and nobody else is kept waiting."""
    bomb = gzip.compress(b"[NaN" + b",{}" * 3_495_000 + b"]")
    address = "2.125.160.216"
    answers = set()
    async with connections(gateway, 1) as [(reader, writer)]:
        for path in ["/posthog/e", "/track", "/batch", "/v1/batch", "/track/batch"] * 40:
            head = f"POST {path} HTTP/1.1\r\nhost: gateway\r\nx-forwarded-for: {address}\r\n"
            if path not in ("/posthog/e", "/track", "/batch"):
                head += "content-encoding: gzip\r\n"
            writer.write(f"{head}content-length: {len(bomb)}\r\n\r\n".encode() + bomb)
            answers.add(await status_of(reader))
            if 429 in answers:
                break
        assert answers == {413, 429}
        # Honest senders are not shut out, not even a server at the same address, which shows its secret.
        await serves(gateway, tenant)
        writer.write(request_of(tenant, address=address))
        assert await status_of(reader) == 200


async def test_bodies_whose_end_is_held_back(gateway: GatewayProcess, tenant: Tenant) -> None:
    """Without a key and 9 MB each: the first are given up for the later ones, and others are served meanwhile."""
    part = b"x" * 9_000_000
    head = b"POST /posthog/e HTTP/1.1\r\nhost: gateway\r\ncontent-length: 9000001\r\n\r\n"
    async with connections(gateway, 10) as held:
        for _, writer in held:
            writer.write(head + part)
            await writer.drain()
        assert await status_of(held[0][0]) == 503
        await serves(gateway, tenant)
        # The last one may end what it began: it is read, and is no JSON.
        reader, writer = held[-1]
        writer.write(b"x")
        assert await status_of(reader) == 400
