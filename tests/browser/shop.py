"""The shop's web server: its pages, the SDK's files as npm installed them, and a way to the gateway under its own path.

The way is what `docs/ingest/proxy.md` has nginx do: the prefix is taken off, the client's address is put on.
"""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).parent
PREFIX = "/api/v1/analytics"
VISITOR = "81.2.69.142"
"""The address the proxy saw the visitor with; the browser itself is on this machine."""
_NOT_PASSED_ON = {"host", "connection", "transfer-encoding", "keep-alive"}


class Shop(ThreadingHTTPServer):
    """A site with a write client of its own."""

    daemon_threads = True

    def __init__(self, gateway_url: str, client_id: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.gateway = urlsplit(gateway_url).netloc
        self.client_id = client_id
        self.url = f"http://localhost:{self.server_port}"


class _Handler(SimpleHTTPRequestHandler):
    server: Shop
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.split("?", 1)[0]
        if path.startswith(f"{PREFIX}/"):
            self._pass_on()
        elif path.startswith("/node_modules/"):
            super().do_GET()
        else:
            page = HERE / "site" / f"{path.strip('/')}.html"
            text = (page if page.is_file() else HERE / "site" / "index.html").read_text()
            self._answer(
                200, [("content-type", "text/html")], text.replace("CLIENT_ID", self.server.client_id).encode()
            )

    def do_POST(self) -> None:
        self._pass_on()

    def translate_path(self, path: str) -> str:
        return str(HERE / path.split("?", 1)[0].lstrip("/"))

    def _pass_on(self) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
        headers["X-Forwarded-For"] = VISITOR
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        gateway = http.client.HTTPConnection(self.server.gateway, timeout=30)
        try:
            gateway.request(self.command, self.path.removeprefix(PREFIX), body or None, headers)
            answer = gateway.getresponse()
            passed = [(name, value) for name, value in answer.getheaders() if name.lower() not in _NOT_PASSED_ON]
            self._answer(answer.status, passed, answer.read())
        finally:
            gateway.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        """Quiet."""


@contextmanager
def open_shop(gateway_url: str, client_id: str) -> Iterator[Shop]:
    """The shop, open."""
    shop = Shop(gateway_url, client_id)
    threading.Thread(target=shop.serve_forever, daemon=True).start()
    try:
        yield shop
    finally:
        shop.shutdown()
        shop.server_close()
