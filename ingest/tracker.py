"""The tracker script, served from the gateway itself: `sdks/tracker` builds it, this answers with its files.

A script is asked for by ``op1.js`` or by a name of the site's own choice, plainly or with the version in the name. The
plain name is cached for an hour and then asked again, the version's name for ever. The recorder of sessions has the
same names with ``-replay``, as OpenPanel's tracker derives them.
"""

import asyncio
import hashlib
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.answers import Refusal

OPENPANEL_NAME = "op1.js"
FOREVER = "public, max-age=31536000, immutable"
BRIEFLY = "public, max-age=3600, stale-while-revalidate=86400"
_REPLAY = "op1-replay.js"
_LICENCES = "op1.LICENSE.txt"
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"), ("identity", ""))
"""Best first."""
_VERSION_CHARACTERS = 10
_SUFFIX = re.compile(r"(?P<version>[0-9a-f]{10}(?=-|$))?-?(?P<replay>replay)?")
"""Of an address, between name and ``.js``: an earlier version's name gets today's script, but not for ever."""


class Scripts(NamedTuple):
    """What one build made: each file as it is and compressed, by (name, encoding)."""

    version: str
    files: dict[tuple[str, str], bytes]


class TrackerScripts:
    """The endpoints of the script. It may be built, or built anew, while the gateway runs."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._stems = dict.fromkeys((OPENPANEL_NAME.removesuffix(".js"), name.removesuffix(".js")))
        self._built = 0
        self._scripts: Scripts | None = None

    def routes(self) -> list[Route]:
        """Where the script is."""
        routes = [Route(f"/{_LICENCES}", self.licences, methods=["GET"])]
        for stem in self._stems:
            answer = partial(self.script, stem)
            routes.append(Route(f"/{stem}.js", answer, methods=["GET"]))
            routes.append(Route(f"/{stem}-{{suffix}}.js", answer, methods=["GET"]))
        return routes

    async def script(self, stem: str, request: Request) -> Response:
        """One of the scripts, compressed as the browser likes it best; 304 when it has it already."""
        found = _SUFFIX.fullmatch(request.path_params.get("suffix", ""))
        if found is None:
            raise Refusal(404, "no_such_route", "There is no such script.")
        scripts = await self._current()
        replay = found["replay"] or ""
        etag = f'W/"{scripts.version}"'
        headers = {
            "cache-control": FOREVER if found["version"] == scripts.version else BRIEFLY,
            "etag": etag,
            "vary": "accept-encoding",
            "access-control-allow-origin": "*",
            # Pages that shut themselves off from other origins may load it all the same.
            "cross-origin-resource-policy": "cross-origin",
            "x-content-type-options": "nosniff",
            # The name under which it may be kept for ever; relative, for it may be reached through a proxy's path.
            "content-location": f"{stem}-{scripts.version}{'-replay' if replay else ''}.js",
        }
        if etag in (given.strip() for given in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        encoding = best_encoding(request.headers.get("accept-encoding", ""))
        if encoding != "identity":
            headers["content-encoding"] = encoding
        body = scripts.files[_REPLAY if replay else OPENPANEL_NAME, encoding]
        return Response(body, 200, headers, "text/javascript")

    async def licences(self, _: Request) -> Response:
        """The licences of what the scripts are made of."""
        scripts = await self._current()
        return Response(scripts.files[_LICENCES, "identity"], media_type="text/plain")

    async def _current(self) -> Scripts:
        try:
            built = (self._directory / OPENPANEL_NAME).stat().st_mtime_ns
            if self._scripts is None or built != self._built:
                self._scripts = await asyncio.to_thread(_read, self._directory)
                self._built = built
        except FileNotFoundError:
            message = "The tracker script is not built: run `make page`, then ask again."
            raise Refusal(404, "script_not_built", message) from None
        return self._scripts


def best_encoding(accepted: str) -> str:
    """The best of our encodings among those of an Accept-Encoding header."""
    refused: set[str] = set()
    taken: set[str] = set()
    for entry in accepted.lower().split(","):
        name, _, weight = entry.partition(";")
        zero = re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight) is not None
        (refused if zero else taken).add(name.strip())
    return next(name for name, _ in _ENCODINGS if name == "identity" or (name in taken and name not in refused))


def _read(directory: Path) -> Scripts:
    files = {
        (name, encoding): (directory / f"{name}{ending}").read_bytes()
        for name in (OPENPANEL_NAME, _REPLAY)
        for encoding, ending in _ENCODINGS
    }
    files[_LICENCES, "identity"] = (directory / _LICENCES).read_bytes()
    plain = files[OPENPANEL_NAME, "identity"] + files[_REPLAY, "identity"]
    return Scripts(hashlib.sha256(plain).hexdigest()[:_VERSION_CHARACTERS], files)
