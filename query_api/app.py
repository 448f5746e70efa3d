"""The application: its routes, and what they share, opened when it starts and closed when it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import Mount

from control.database import open_database
from control.publish import keep_published
from query_api.access import Access
from query_api.answers import add_error_handlers
from query_api.folded_days import FoldedDaysReader
from query_api.live_feed import LiveFeed
from query_api.live_hub import LiveHub
from query_api.live_visitors import LiveView
from query_api.metrics import Metrics
from query_api.middleware import CountRequests, SecurityHeaders
from query_api.page import Page, docs
from query_api.reader import Reader
from query_api.routes import audit, export, health, lists, live, overview, profiles, projects, properties
from query_api.services import Services
from query_api.settings import QueryApiSettings
from query_api.store import Store

# The lists take whatever name is left under /insights/{projectId}/, and so come last.
ROUTERS = (
    *(health.router, projects.router, audit.router, overview.router, profiles.router, properties.router, lists.router),
    *(export.router, live.router),
)

_DESCRIPTION = """Numbers of your projects, and the events behind them.

Every request carries the headers `openpanel-client-id` and `openpanel-client-secret` of a read or a root client.
"""


def _now() -> datetime:
    return datetime.now(UTC)


def create_app(settings: QueryApiSettings, now: Callable[[], datetime] = _now) -> FastAPI:
    """The application. Nothing is connected until it starts; ``now`` gives the aware time that ranges refer to."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = open_database(settings.database_url.get_secret_value())
        store = Store(settings, metrics)
        feed = LiveFeed(settings.kafka_bootstrap)
        hub = LiveHub(lambda project_id: _who_is_live(services, feed, project_id), settings.live_seconds)
        if settings.live_feed:
            feed.start()
        services = Services(settings, Access(engine), store, _reader(settings, store, metrics), hub, metrics, now)
        app.state.services = services
        publishing = asyncio.create_task(keep_published(engine, settings.kafka_bootstrap)) if publishes else None
        try:
            yield
        finally:
            if publishing is not None:
                publishing.cancel()
                with suppress(asyncio.CancelledError):
                    await publishing
            await hub.close()
            await asyncio.to_thread(feed.stop)
            await store.close()
            engine.dispose()

    publishes = settings.publish_control
    app = FastAPI(
        title="Weir",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        middleware=[
            Middleware(CountRequests, metrics=metrics),
            Middleware(SecurityHeaders),
            Middleware(GZipMiddleware, minimum_size=1_000),
        ],
    )
    add_error_handlers(app)
    for router in ROUTERS:
        app.include_router(router)

    async def get_docs() -> Response:
        return docs(settings.dashboard_dir)

    app.add_api_route("/docs", get_docs, methods=["GET", "HEAD"], include_in_schema=False)
    app.router.routes.append(Mount("/", Page(settings.dashboard_dir)))
    return app


def _reader(settings: QueryApiSettings, store: Store, metrics: Metrics) -> Reader:
    database = settings.clickhouse_database
    days = FoldedDaysReader(store.rows, database, settings.query_daily_events)
    return Reader(store.rows, database, days, metrics.folded)


async def _who_is_live(services: Services, feed: LiveFeed, project_id: str) -> LiveView:
    """As the workers tell it; while they can't be heard, as many as the store counts."""
    view = feed.view(project_id, round(services.now().timestamp() * 1000))
    return LiveView(await overview.count_live(services, project_id)) if view is None else view


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document; needs no service and no settings."""
    return create_app(QueryApiSettings.model_construct()).openapi()
