"""The gateway's routes, as data, and the application made of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ingest.answers import Receive, Refusal, Scope, Send, refusal_headers, refusal_json, send_preflight, unforeseen
from ingest.collect import Collect
from ingest.gateway import Gateway
from ingest.health import Health
from ingest.openapi.document import document
from ingest.protocols.ga4 import ROUTES as GA4_ROUTES
from ingest.protocols.openpanel_routes import ROUTES as OPENPANEL_ROUTES
from ingest.protocols.plausible import ROUTES as PLAUSIBLE_ROUTES
from ingest.protocols.posthog import ROUTES as POSTHOG_ROUTES
from ingest.protocols.posthog_config import config_routes
from ingest.protocols.protocol import Protocol
from ingest.protocols.segment import ROUTES as SEGMENT_ROUTES
from ingest.protocols.segment_start import SETTINGS_PATHS, settings
from ingest.protocols.shared_paths import ROUTES as SHARED_ROUTES
from ingest.protocols.umami import ROUTES as UMAMI_ROUTES
from ingest.settings import GatewaySettings
from ingest.tracing import TracedRequests
from ingest.tracker import TrackerScripts

COLLECTING: Mapping[str, Protocol] = {
    **OPENPANEL_ROUTES,
    **SEGMENT_ROUTES,
    **GA4_ROUTES,
    **POSTHOG_ROUTES,
    **UMAMI_ROUTES,
    **PLAUSIBLE_ROUTES,
    **SHARED_ROUTES,
}
"""Where events are taken, and in which protocol; a slash at the end makes no difference."""

DOCUMENT_PATH = "/openapi.json"
_REASONS = {404: "no_such_route", 405: "method_not_allowed"}


def other_routes(gateway: Gateway) -> list[Route]:
    """All routes that bring no events."""
    health = Health(gateway)
    routes = [
        Route("/healthz", health.alive, methods=["GET"]),
        Route("/readyz", health.ready, methods=["GET"]),
        Route("/metrics", health.metrics, methods=["GET"]),
        Route("/", health.greet, methods=["GET"]),
        Route("/healthz/live", health.openpanel_live, methods=["GET"]),
        Route("/healthz/ready", health.openpanel_ready, methods=["GET"]),
        Route("/healthcheck", health.openpanel_check, methods=["GET"]),
        *(Route(path, settings, methods=["GET"]) for path in SETTINGS_PATHS),
        *config_routes(),
        *TrackerScripts(gateway.settings.gateway_scripts, gateway.settings.gateway_script_name).routes(),
    ]
    return [*routes, Route(DOCUMENT_PATH, _document_endpoint([*(route.path for route in routes), DOCUMENT_PATH]))]


def _document_endpoint(paths: list[str]) -> Callable[[HttpRequest], Awaitable[Response]]:
    @cache
    def described() -> bytes:
        return orjson.dumps(document(COLLECTING, paths))

    async def answer(_: HttpRequest) -> Response:
        return Response(described(), 200, {"access-control-allow-origin": "*"}, "application/json")

    return answer


class Front:
    """The outermost ASGI application. Requests that bring events go straight to their endpoint, because the framework
    costs as much as all their own work; everything else is Starlette's.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._collecting: Mapping[str, ASGIApp] = {}
        self._starlette = Starlette(
            lifespan=self._lifespan,
            exception_handlers={HTTPException: _http_error, Refusal: refused, Exception: _unexpected},
        )
        self._starlette.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's life."""
        if scope["type"] != "http":
            await self._starlette(scope, receive, send)
            return
        path = scope["path"]
        endpoint = self._collecting.get(path) or self._collecting.get(path.rstrip("/"))
        if endpoint is not None:
            await endpoint(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await send_preflight(send, dict(scope["headers"]).get(b"access-control-request-headers"))
        else:
            # A slash at the end makes no difference; a redirect would lead astray behind a proxy.
            await self._starlette({**scope, "path": path.rstrip("/") or "/"}, receive, send)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        gateway = Gateway(self._settings)
        app.router.routes.extend(other_routes(gateway))
        self._collecting = {path: _endpoint(protocol, gateway) for path, protocol in COLLECTING.items()}
        gateway.start()
        try:
            yield
        finally:
            await gateway.stop()


def _endpoint(protocol: Protocol, gateway: Gateway) -> ASGIApp:
    collect = Collect(protocol, gateway)
    return collect if gateway.tracing is None else TracedRequests(collect, gateway.tracing, protocol.name)


def _answer(refusal: Refusal, extra: Mapping[str, str] | None = None) -> Response:
    answer = refusal_json(refusal)
    headers = {name.decode(): value.decode() for name, value in refusal_headers(refusal)}
    headers |= extra or {}
    headers["access-control-allow-origin"] = "*"
    return Response(answer.body, answer.status, headers, answer.content_type.decode())


async def _http_error(_: HttpRequest, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    # What it says of the methods that are allowed, for one.
    headers = error.headers if isinstance(error, HTTPException) else None
    return _answer(Refusal(status, _REASONS.get(status, "http_error"), detail), headers)


async def refused(_: HttpRequest, refusal: Exception) -> Response:
    """Starlette's handler of a `Refusal` that an endpoint raised."""
    return _answer(refusal if isinstance(refusal, Refusal) else unforeseen())


async def _unexpected(_: HttpRequest, __: Exception) -> Response:
    # The server logs the exception; its text is nobody else's business.
    return _answer(unforeseen())
