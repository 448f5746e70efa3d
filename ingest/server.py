"""Running the gateway: one process, or several that share the port."""

import asyncio
import errno
import gc
import logging
import os
import resource
import signal
import socket
import sys
import time

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from ingest.app import Front
from ingest.processes import run_processes
from ingest.settings import GatewaySettings

log = logging.getLogger(__name__)

_RELEASE_SECONDS = 3.0
"""How long to wait for processes of a gateway that was just killed to let go of the port."""
_BACKLOG = 2_048
_CONNECTIONS = 16_384
"""Open at once in one process, idle ones too: what comes beyond waits until one is closed."""
_OTHER_FILES = 512
_HEAD_BYTES = 64 * 1024
"""The longest head of a request. A connection may fill as much without having said anything."""


def serve(settings: GatewaySettings) -> int:
    """Serve until SIGTERM or SIGINT, then stop accepting and settle what was taken; blocks.

    :returns: the exit status: 0, or 1 when the address cannot be listened on, which the log says.
    """
    # Processes of one gateway share the port on purpose; two gateways would share it without anybody noticing.
    if not settings.gateway_child and not _address_is_free(settings.gateway_host, settings.gateway_port):
        return 1
    if settings.gateway_processes > 1:
        return run_processes(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_one(settings))
    return 0


async def _serve_one(settings: GatewaySettings) -> None:
    logging.getLogger("granian").setLevel(logging.ERROR)
    server = Server(
        Front(settings),
        address=settings.gateway_host,
        port=settings.gateway_port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_connections(),
        http1_settings=HTTP1Settings(keep_alive=True, max_buffer_size=_HEAD_BYTES),
        log_enabled=False,
    )
    calm_garbage_collection()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    if settings.gateway_child:
        loop.add_reader(sys.stdin.fileno(), _stop_at_end, loop, server)
    log.info("listening on %s port %d", settings.gateway_host, settings.gateway_port)
    await server.serve()
    log.info("stopped")


def _address_is_free(host: str, port: int) -> bool:
    deadline = time.monotonic() + _RELEASE_SECONDS
    while True:
        try:
            family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, number) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            log.error("cannot listen on %s port %d (WEIR_GATEWAY_PORT): %s", host, port, error.strerror)
            return False
        return True


def _connections() -> int:
    # Every connection is an open file. The soft limit is often 1,024, which is for programs that use select.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + _OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(min(_CONNECTIONS, allowed - _OTHER_FILES), 1)


def calm_garbage_collection() -> None:
    """Let the collector look around more rarely, and never again at what is there now."""
    # Requests make no cycles, but many objects: with the usual thresholds the collector looks through all live
    # sessions again and again, and every request waits for it.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def _stop_at_end(loop: asyncio.AbstractEventLoop, server: Server) -> None:
    # The other end is held by the process that started this one: when it is gone, so must this one be.
    if not os.read(sys.stdin.fileno(), 1_024):
        loop.remove_reader(sys.stdin.fileno())
        server.signal_handler_interrupt()  # type: ignore[no-untyped-call]  # the library has no types here
