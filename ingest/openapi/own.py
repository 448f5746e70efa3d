"""The operations that bring no events: health, numbers, settings of libraries, the tracker script, this document."""

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.metrics import CONTENT_TYPE

_JSON = "application/json"
_SCRIPT = "text/javascript; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Told:
    """What a GET answers: content type by status, empty for no body."""

    summary: str
    answers: Mapping[int, str]


_TRACKER = Told("The tracker script.", {200: _SCRIPT, 304: "", 404: _JSON})
_SETTINGS = Told("Settings of analytics.js: there are no destinations.", {200: _JSON})

_TOLD: Mapping[str, Told] = {
    "/": Told("A greeting.", {200: _JSON}),
    "/healthz": Told("The process lives.", {200: _JSON}),
    "/readyz": Told("Whether events would be taken.", {200: _JSON, 503: _JSON}),
    "/metrics": Told("All numbers, for Prometheus.", {200: CONTENT_TYPE}),
    "/healthz/live": Told("As OpenPanel's.", {200: _JSON}),
    "/healthz/ready": Told("As OpenPanel's.", {200: _JSON, 503: _JSON}),
    "/healthcheck": Told("As OpenPanel's.", {200: _JSON, 503: _JSON}),
    "/openapi.json": Told("This document.", {200: _JSON}),
    "/v1/projects/{write_key}/settings": _SETTINGS,
    "/segment/v1/projects/{write_key}/settings": _SETTINGS,
    "/array/{token}/config": Told("Settings of posthog-js: nothing runs by itself.", {200: _JSON, 404: _JSON}),
    "/array/{token}/config.js": Told("The same as a script.", {200: _SCRIPT, 404: _JSON}),
    "/op1.LICENSE.txt": Told("Licences of what the script is made of.", {200: _TEXT, 404: _JSON}),
}


def told(path: str) -> Told:
    """What is to be said of a route.

    :raises KeyError: nothing is: it is to be described here.
    """
    # The script has a name of the site's own choice beside its own.
    if path.endswith(".js") and path.count("/") == 1:
        return _TRACKER
    return _TOLD[path.removeprefix("/posthog")]
