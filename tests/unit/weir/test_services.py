"""What a service says of itself: at work, not ready, or nothing at all; and what waits in its spool."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from weir.services import Condition, ask
from weir.spool import SpoolReport, spool_report

READY = "# HELP x\nweir_worker_ready 1.0\n"
SPOOL = "weir_gateway_spool_envelopes 3.0\nweir_gateway_spool_bytes 4096.0\n"
GAUGES = "# TYPE weir_gateway_spool_envelopes gauge\n# TYPE weir_gateway_spool_bytes gauge\n"


@contextmanager
def _server(status: int, body: str, hang: float = 0) -> Iterator[str]:
    """Answers everything so; ``hang``: seconds it says nothing."""
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if hang:
                done.wait(hang)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_request(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        done.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("name", "status", "body", "condition"),
    [
        ("gateway", 200, "{}", "up"),
        ("gateway", 503, "{}", "not ready"),
        ("store", 200, "Ok.", "up"),
        ("worker_2", 200, READY, "up"),
        ("worker", 200, READY.replace("1.0", "0.0"), "not ready"),
        ("worker", 200, "", "not ready"),
    ],
    ids=["gateway", "gateway not ready", "store", "worker", "worker loads", "worker starts"],
)
def test_a_service_that_answers_says_whether_it_is_at_work(
    name: str, status: int, body: str, condition: Condition
) -> None:
    with _server(status, body) as address:
        assert ask(name, address) == condition


@pytest.mark.parametrize("name", ["gateway", "worker", "broker"])
def test_one_that_hangs_does_not_answer(name: str) -> None:
    with _server(200, READY, hang=30) as address:
        where = address.removeprefix("http://") if name == "broker" else address
        assert ask(name, where, 0.2) == "not answering"


def test_a_spool_is_shown_while_something_is_in_it(tmp_path: Path) -> None:
    with _server(200, GAUGES + SPOOL) as address:
        assert spool_report(address, tmp_path) == SpoolReport(envelopes=3, bytes=4096)
    with _server(200, (GAUGES + SPOOL).replace("3.0", "0.0")) as address:
        assert spool_report(address, tmp_path) is None


def test_a_gateway_that_is_down_left_its_files(tmp_path: Path) -> None:
    assert spool_report("http://127.0.0.1:1", tmp_path) is None
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "0000000001.segment").write_bytes(b"x" * 70)
    assert spool_report("http://127.0.0.1:1", tmp_path) == SpoolReport(envelopes=None, bytes=70)
