"""What PostHog's clients ask before they send: no feature flags, no recordings, nothing that runs by itself."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from ingest.answers import Answer, Refusal, refusal_json
from ingest.protocols.protocol import Protocol, Request, Verdict

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SECONDS = 300

_CONFIG: Mapping[str, Any] = {
    "supportedCompression": ["gzip", "gzip-js", "base64"],
    "hasFeatureFlags": False,
    "sessionRecording": False,
    "surveys": False,
    "productTours": False,
    "conversations": False,
    "heatmaps": False,
    "captureDeadClicks": False,
    "capturePerformance": False,
    "autocapture_opt_out": False,
    "autocaptureExceptions": False,
    "errorTracking": {"autocaptureExceptions": False, "suppressionRules": []},
    "logs": {"captureConsoleLogs": False},
    "analytics": {"endpoint": "/i/v0/e/"},
    "elementsChainAsString": True,
    "defaultIdentifiedOnly": True,
    "toolbarParams": {},
    "isAuthenticated": False,
    "siteApps": [],
}
_NO_FLAGS: Mapping[str, Any] = {
    "flags": {},
    "featureFlags": {},
    "featureFlagPayloads": {},
    "errorsWhileComputingFlags": False,
}
_FLAGS_ANSWER = Answer(200, orjson.dumps({**_CONFIG, **_NO_FLAGS}))
_SURVEYS_ANSWER = Answer(200, b'{"surveys":[]}')


def _always(answer: Answer) -> Protocol:
    def parse(_: Request) -> Answer:
        return answer

    def accepted(_: Request, __: Sequence[Verdict]) -> Answer:
        return answer

    return Protocol("posthog", parse, accepted, _refused, methods=("POST", "GET"))


def _refused(refusal: Refusal) -> Answer:
    return refusal_json(refusal)


ASKED: Mapping[str, Protocol] = {
    "/flags": _always(_FLAGS_ANSWER),
    "/decide": _always(_FLAGS_ANSWER),
    "/api/surveys": _always(_SURVEYS_ANSWER),
}
"""Questions whose answer is the same for everybody."""


async def _config(request: HttpRequest) -> Response:
    token = _checked(request)
    return _answer(orjson.dumps({"token": token, **_CONFIG}), "application/json")


async def _config_script(request: HttpRequest) -> Response:
    token = _checked(request)
    config = orjson.dumps({"token": token, **_CONFIG}).decode()
    script = (
        "(function(w){var c=w._POSTHOG_REMOTE_CONFIG=w._POSTHOG_REMOTE_CONFIG||{};"
        f'c["{token}"]={{config:{config},siteApps:[]}}}})(window);'
    )
    return _answer(script.encode(), "text/javascript")


def _checked(request: HttpRequest) -> str:
    # It is written into a script: nothing but what a key is made of.
    token: str = request.path_params["token"]
    if not _TOKEN.fullmatch(token):
        raise Refusal(404, "no_such_route", "There is no such key.")
    return token


def _answer(body: bytes, media_type: str) -> Response:
    headers = {"access-control-allow-origin": "*", "cache-control": f"public, max-age={_SECONDS}"}
    return Response(body, 200, headers, media_type)


def config_routes() -> list[Route]:
    """Routes whose path names the key: what ``posthog-js`` loads when a page opens."""
    return [
        route
        for prefix in ("", "/posthog")
        for route in (
            Route(f"{prefix}/array/{{token}}/config", _config, methods=["GET"]),
            Route(f"{prefix}/array/{{token}}/config.js", _config_script, methods=["GET"]),
        )
    ]
