"""A real store with two organisations' traffic in it, and the API in front of it."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import clickhouse_connect
import httpx
import pytest
from pydantic import BaseModel, SecretStr
from sqlalchemy.orm import Session

from control.clients import NewClient, create_client
from control.database import migrate as migrate_control
from control.database import open_database
from control.projects import create_organization, create_project
from query_api.app import create_app
from query_api.settings import QueryApiSettings
from schemas.control import ClientType
from sinks.migrate import migrate
from sinks.settings import SinkSettings
from tests.integration.query_api.dataset import Hit, Visit, event_row, noise, session_rows, visits
from weir.local.ports import free_ports

NOW = datetime(2026, 3, 30, 15, 20, 30, tzinfo=UTC)
"""The present of these tests: the day after Europe's clocks went forward."""


@dataclass(frozen=True)
class World:
    """What is stored, and the keys to it.

    ``shop`` (Berlin, weeks from Monday) and ``blog`` (New York, from Sunday) belong to one organisation, ``rival``
    to another; each has the same devices and pages, so that a leak between them changes numbers.
    """

    settings: QueryApiSettings
    visits: dict[str, list[Visit]]
    server_hits: list[Hit]
    read: dict[str, NewClient]
    write: NewClient
    root: NewClient


@pytest.fixture(scope="package")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store with all tables and nothing that consumes."""
    (port,) = free_ports(1)
    folder = tmp_path_factory.mktemp("query-store")
    log = (folder / "log.txt").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "sinks.store"],
        env={**os.environ, "WEIR_STORE_DATA": str(folder / "data"), "WEIR_STORE_PORT": str(port)},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: httpx.get(f"{url}/ping").status_code == 200, process)
        client = clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False)
        migrate(client, SinkSettings(clickhouse_url=SecretStr(url)), pipes=False)
        client.close()
        yield url
    finally:
        process.terminate()
        process.wait(30)
        log.close()


@pytest.fixture(scope="package")
def world(store_url: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Ninety days of traffic of three projects, up to NOW."""
    url = f"sqlite:///{tmp_path_factory.mktemp('query-control') / 'control.db'}"
    engine = open_database(url)
    migrate_control(engine)
    with Session(engine) as session:
        for organization, projects in {"acme": ("shop", "blog", "empty"), "other": ("rival",)}.items():
            create_organization(session, organization, organization.title())
            for name in projects:
                project = create_project(session, organization, name, name.title())
                if name == "shop":
                    project.timezone = "Europe/Berlin"
                if name == "blog":
                    project.timezone, project.week_start = "America/New_York", 7
        read = {
            name: create_client(session, organization, ClientType.READ, project_id=name)
            for name, organization in (("shop", "acme"), ("blog", "acme"), ("empty", "acme"), ("rival", "other"))
        }
        write = create_client(session, "acme", ClientType.WRITE, project_id="shop")
        root = create_client(session, "acme", ClientType.ROOT, project_id=None)
        session.commit()
    engine.dispose()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    traffic = {
        name: [visit for visit in visits(name, start, 90, 12, seed) if visit.hits[-1].time_ms < NOW.timestamp() * 1000]
        for seed, name in enumerate(("shop", "blog", "rival"))
    }
    server_hits = [
        Hit("shop", round((NOW - timedelta(days=2, hours=hour)).timestamp() * 1000), "invoice_paid", "", "", "")
        for hour in range(5)
    ]
    insert_rows(
        store_url,
        "events",
        (event_row(hit, visit) for all_ in traffic.values() for visit in all_ for hit in visit.hits),
    )
    insert_rows(store_url, "events", (event_row(hit) for visit in traffic["shop"] for hit in noise(visit)))
    insert_rows(store_url, "events", (event_row(hit) for hit in server_hits))
    insert_rows(
        store_url, "sessions", (row for all_ in traffic.values() for visit in all_ for row in session_rows(visit))
    )
    settings = QueryApiSettings(
        clickhouse_url=SecretStr(store_url),
        database_url=SecretStr(url),
        publish_control=False,
        live_feed=False,
        dashboard_dir=tmp_path_factory.mktemp("dist"),
        live_seconds=0.2,
    )
    return World(settings, traffic, server_hits, read, write, root)


OpenApi = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def open_api(world: World) -> OpenApi:
    """Opens the API in this test's event loop, at the time NOW, for a client (default: the shop's read client)."""

    @asynccontextmanager
    async def opened(
        client: NewClient | None = None, now: datetime = NOW, settings: QueryApiSettings | None = None
    ) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(settings or world.settings, now=lambda: now)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        headers = credentials(client or world.read["shop"])
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://weir", headers=headers) as http,
        ):
            yield http

    return opened


def credentials(client: NewClient) -> dict[str, str]:
    """The headers of a client."""
    return {"openpanel-client-id": client.client_id, "openpanel-client-secret": client.client_secret}


def insert_rows(url: str, table: str, rows: Iterable[BaseModel]) -> None:
    """Insert rows as they travel on their topic."""
    block = b"\n".join(row.model_dump_json().encode() for row in rows)
    client = clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False)
    client.raw_insert(f"weir.{table}", insert_block=block, fmt="JSONEachRow")
    client.close()


def wait_until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", seconds: float = 60) -> None:
    """Wait until a process that was started is ready."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the process ended with {process.returncode}")
        try:
            if ready():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError("the process did not become ready")
