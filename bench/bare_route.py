"""The gateway's bare baseline: an ASGI route that makes the body durable as it is and answers a constant.

It has the gateway's server, producer and envelopes, and nothing else: no framework, no parsing, no authentication.
``python -m bench.bare_route PORT BOOTSTRAP PROCESSES``; several share the port as the gateway's do.
"""

import asyncio
import signal
import subprocess
import sys
from itertools import count
from uuid import uuid4

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from ingest.answers import Receive, Scope, Send
from ingest.envelopes import Envelopes
from ingest.metrics import Metrics
from ingest.raw_producer import RawProducer

_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"2")]


class BareRoute:
    """The ASGI application."""

    def __init__(self, bootstrap: str) -> None:
        self.producer = RawProducer(bootstrap, timeout_ms=5_000, queue_bytes=24 * 1024 * 1024)
        self._envelopes = Envelopes(
            self.producer.send, uuid4(), Metrics(None), linger_ms=4.0, in_flight_bytes=24 * 1024 * 1024
        )
        self._turn = count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        await self._envelopes.add(next(self._turn) % self.producer.partitions, [message["body"]])
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": b"{}"})


async def serve(port: int, bootstrap: str) -> None:
    """Serve until SIGTERM."""
    app = BareRoute(bootstrap)
    await app.producer.find_partitions(lambda: None)
    server = Server(
        app,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=2_048,
        backpressure=2_048,
        log_enabled=False,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve()


def main() -> None:
    port, bootstrap, processes = sys.argv[1:]
    command = [sys.executable, "-m", "bench.bare_route", port, bootstrap, "1"]
    others = [subprocess.Popen(command) for _ in range(int(processes) - 1)]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(port), bootstrap))
    for other in others:
        other.terminate()
        other.wait(60)


if __name__ == "__main__":
    main()
