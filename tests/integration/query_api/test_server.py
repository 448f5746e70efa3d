"""The process as it is run: sockets, the page, and an end in order."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from control.clients import NewClient
from tests.integration.query_api.conftest import World, credentials, insert_rows, wait_until
from tests.integration.query_api.dataset import Hit, event_row
from weir.local.ports import free_ports

pytestmark = pytest.mark.integration

_SERVE = """
from query_api.server import serve
from query_api.settings import QueryApiSettings
serve(QueryApiSettings())
"""


@dataclass(frozen=True)
class Running:
    """A query API process and its page's directory."""

    process: "subprocess.Popen[bytes]"
    port: int
    page: Path

    @property
    def url(self) -> str:
        """Address of the API."""
        return f"http://127.0.0.1:{self.port}"

    def socket(self, project: str) -> connect:
        """A socket for a project's live counter."""
        return connect(f"ws://127.0.0.1:{self.port}/live/{project}")


@pytest.fixture(scope="module")
def running(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(world, tmp_path_factory.mktemp("page")) as started:
        yield started


@contextmanager
def serving(world: World, folder: Path) -> Iterator[Running]:
    """A query API process of its own."""
    (port,) = free_ports(1)
    page = folder / "dist"
    environment = {
        **os.environ,
        "WEIR_QUERY_API_PORT": str(port),
        "WEIR_CLICKHOUSE_URL": world.settings.clickhouse_url.get_secret_value(),
        "WEIR_DATABASE_URL": world.settings.database_url.get_secret_value(),
        "WEIR_PUBLISH_CONTROL": "false",
        "WEIR_DASHBOARD_DIR": str(page),
        "WEIR_LIVE_SECONDS": "0.2",
        "WEIR_LIVE_FEED": "false",
        "WEIR_LIVE_SOCKETS": "3",
    }
    process = subprocess.Popen([sys.executable, "-c", _SERVE], env=environment, start_new_session=True)
    started = Running(process, port, page)
    try:
        wait_until(lambda: httpx.get(f"{started.url}/readyz").status_code == 200, process)
        yield started
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


async def hello(socket: ClientConnection, client: NewClient) -> None:
    await socket.send(json.dumps({"clientId": client.client_id, "clientSecret": client.client_secret}))


async def test_the_live_counter_follows_what_is_stored(running: Running, world: World) -> None:
    url = world.settings.clickhouse_url.get_secret_value()
    async with running.socket("empty") as socket, asyncio.timeout(30):
        await hello(socket, world.read["empty"])
        assert json.loads(await socket.recv()) == {"visitors": 0, "seen": [], "left": []}
        assert httpx.get(f"{running.url}/healthz").json() == {"live": True}
        time_ms = round(time.time() * 1000)
        hits = [Hit("empty", time_ms, "ping", "/", device, "") for device in ("a", "a", "b")]
        hits += [Hit("rival", time_ms, "ping", "/", "c", ""), Hit("empty", time_ms - 400_000, "ping", "/", "d", "")]
        hits += [Hit("empty", time_ms, "ping", "/", "bot", "", bot="Googlebot")]
        insert_rows(url, "events", [event_row(hit) for hit in hits])
        while (visitors := json.loads(await socket.recv())["visitors"]) == 0:
            continue
        assert visitors == 2
    metrics = httpx.get(f"{running.url}/metrics").text
    assert "weir_query_api_live_sockets" in metrics
    assert 'weir_query_api_requests_total{method="GET",route="/healthz",status="200"}' in metrics


async def test_a_binary_first_message_is_unauthorized(running: Running) -> None:
    async with running.socket("shop") as socket, asyncio.timeout(30):
        await socket.send(b"\x00\xff")
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4401


async def test_sockets_open_only_to_whom_the_project_belongs(running: Running, world: World) -> None:
    shop = world.read["shop"]
    for first, project, code in (
        ({"clientId": shop.client_id, "clientSecret": "wrong"}, "shop", 4401),
        ({"clientId": world.write.client_id, "clientSecret": world.write.client_secret}, "shop", 4401),
        ({"clientId": shop.client_id, "clientSecret": shop.client_secret}, "rival", 4404),
        ({"clientId": shop.client_id, "clientSecret": shop.client_secret}, "nowhere", 4404),
        ({"hello": 1}, "shop", 4401),
        ([], "shop", 4401),
    ):
        async with running.socket(project) as socket, asyncio.timeout(30):
            await socket.send(json.dumps(first))
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == code, first


async def test_no_more_sockets_than_set(running: Running, world: World) -> None:
    async with asyncio.timeout(30), running.socket("shop") as one, running.socket("shop") as two:
        async with running.socket("blog") as three:
            for socket, name in ((one, "shop"), (two, "shop"), (three, "blog")):
                await hello(socket, world.read[name])
                assert "visitors" in json.loads(await socket.recv())
            async with running.socket("shop") as four:
                with pytest.raises(ConnectionClosed):
                    await four.recv()
                assert four.close_code == 1013
        assert "visitors" in json.loads(await one.recv())


def test_the_page_is_served_with_headers_that_protect_it(running: Running, world: World) -> None:
    with httpx.Client(base_url=running.url) as http:
        missing = http.get("/")
        assert missing.status_code == 503
        assert "npm run build" in missing.text
        assert http.get("/docs").status_code == 503
        (running.page / "assets").mkdir(parents=True)
        (running.page / "index.html").write_text("<!doctype html><title>Weir</title>")
        (running.page / "assets" / "app-1a2b.js").write_text("0;" * 1_000)
        (running.page.parent / "secret.txt").write_text("secret")
        page = http.get("/")
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-cache"
        policy = page.headers["content-security-policy"]
        assert "unsafe-eval" not in policy
        assert "script-src 'self';" in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        script = http.get("/assets/app-1a2b.js")
        assert "immutable" in script.headers["cache-control"]
        assert script.headers["content-encoding"] == "gzip"
        for path in ("/assets/none.js", "/nothing", "/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt"):
            answer = http.get(path)
            assert answer.status_code == 404, path
            assert answer.json()["status"] == 404
        assert http.post("/projects").status_code == 405
        assert http.get("/openapi.json").json()["info"]["title"] == "Weir"
        projects = http.get("/projects", headers=credentials(world.read["shop"]))
        assert projects.headers["x-content-type-options"] == "nosniff"


async def test_it_ends_on_a_signal_though_sockets_are_open(world: World, tmp_path: Path) -> None:
    with serving(world, tmp_path) as own:
        async with own.socket("shop") as socket, asyncio.timeout(60):
            await hello(socket, world.read["shop"])
            await socket.recv()
            os.kill(own.process.pid, signal.SIGTERM)
            code = await asyncio.to_thread(own.process.wait, 30)
    assert code == 0
