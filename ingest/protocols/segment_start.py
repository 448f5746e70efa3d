"""What browser libraries of Segment and RudderStack ask for before they send anything: their settings.

There are no destinations to tell of, so that the same is said to everybody who asks, whatever the key.
"""

import orjson
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response

from ingest.answers import Answer, refusal_json
from ingest.protocols.protocol import Protocol, Request

SETTINGS_PATHS = ("/v1/projects/{write_key}/settings", "/segment/v1/projects/{write_key}/settings")

_SOURCE = {
    "source": {
        "id": "weir",
        "name": "weir",
        "workspaceId": "weir",
        "enabled": True,
        "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
        "destinations": [],
        "connections": [],
        "dataplanes": {},
    }
}


async def settings(request: StarletteRequest) -> Response:
    """What analytics.js reads with ``cdnURL`` set to this gateway: events go to the host it asked."""
    prefix = "/segment" if request.url.path.startswith("/segment/") else ""
    # Behind a proxy the connection does not tell, but a page that came by https may send by nothing else.
    said = [request.headers.get(name, "") for name in ("x-forwarded-proto", "origin", "referer")]
    integration = {
        "apiKey": request.path_params["write_key"],
        "apiHost": f"{request.url.netloc}{prefix}/v1",
        "protocol": "https" if any(given.startswith("https") for given in said) else request.url.scheme,
        "unbundledIntegrations": [],
        "addBundledMetadata": True,
    }
    body = {
        "integrations": {"Segment.io": integration},
        "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "remotePlugins": [],
        "analyticsNextEnabled": True,
    }
    headers = {"access-control-allow-origin": "*", "cache-control": "no-store"}
    return Response(orjson.dumps(body), 200, headers, "application/json")


def _source_config(_: Request) -> Answer:
    return Answer(200, orjson.dumps(_SOURCE))


SOURCE_CONFIG = Protocol("rudderstack", _source_config, lambda _, __: Answer(200, b""), refusal_json, methods=("GET",))
"""RudderStack's libraries take their data plane's address from whoever starts them, and the rest from here."""
