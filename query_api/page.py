"""The page and the interactive documentation, from files of ours: nothing is loaded from anywhere else."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

_NOT_BUILT = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Weir</title></head>
<body><h1>Weir</h1><p>The page is not built yet. If it is being built just now, come back in a minute; else run
<code>npm ci &amp;&amp; npm run build</code> in <code>dashboard/</code>. The API is up.</p></body></html>"""

_DOCS = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Weir API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/swagger/swagger-ui.css"><link rel="icon" href="/favicon.svg"></head>
<body><div id="swagger-ui"></div><script src="/swagger/swagger-ui-bundle.js"></script>
<script src="/swagger/start.js"></script></body></html>"""

FOREVER = "public, max-age=31536000, immutable"


class Page:
    """ASGI application: the files of the built page. It may be built after the process has started."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = StaticFiles(directory=directory, html=True, check_dir=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one file; the page itself is asked for anew each time, its parts have names of their own."""
        if scope["type"] != "http":
            raise HTTPException(404)
        if not (self._directory / "index.html").is_file():
            if self._files.get_path(scope) not in (".", "index.html"):
                raise HTTPException(404)
            await HTMLResponse(_NOT_BUILT, 503)(scope, receive, send)
            return
        # Sent by us and not by the server from the file, or it would go out uncompressed.
        extensions = {name: value for name, value in scope.get("extensions", {}).items() if "pathsend" not in name}
        scope = {**scope, "extensions": extensions}
        response = await self._files.get_response(self._files.get_path(scope), scope)
        hashed = scope["path"].startswith("/assets/") and isinstance(response, FileResponse)
        response.headers["Cache-Control"] = FOREVER if hashed else "no-cache"
        await response(scope, receive, send)


def docs(directory: Path) -> Response:
    """The interactive documentation, or a sentence while the page is not built."""
    if not (directory / "swagger" / "swagger-ui-bundle.js").is_file():
        return HTMLResponse(_NOT_BUILT, 503)
    return HTMLResponse(_DOCS)
