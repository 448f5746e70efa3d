"""The store process: one engine, one directory, one HTTP port on loopback."""

import asyncio
import logging
import os
import signal
import socket

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from sinks.errors import StoreError
from sinks.settings import StoreSettings
from sinks.store.app import QueryEndpoint, create_app
from sinks.store.directory import held, write_config
from sinks.store.engine import Engine
from sinks.store.guard import Guard
from sinks.store.memory import settled

_log = logging.getLogger(__name__)


def serve(settings: StoreSettings) -> None:
    """Serve until SIGTERM or SIGINT, then close the engine in order: Kafka consumers leave their groups, so that
    the next start consumes at once. Must be called in the main thread.

    :raises StoreInUseError: another process has the directory.
    :raises StoreError: the directory or the port cannot be used, or the data cannot be opened.
    """
    with held(settings.data) as directory:
        _must_be_free(settings.host, settings.port)
        memory = settled(settings.memory_bytes, settings.query_memory_bytes)
        config = write_config(settings, directory, memory)
        engine = Engine(directory / "engine", config, settings.log_level, memory)
        _log.info(
            "ClickHouse %s opened on %s, with %d MiB of memory", engine.version, directory, memory.engine // 1024**2
        )
        try:
            asyncio.run(_serve(settings, engine))
        finally:
            _close(engine)


async def _serve(settings: StoreSettings, engine: Engine) -> None:
    endpoint = QueryEndpoint(engine, settings.concurrency, settings.max_body_bytes, Guard(settings.allowed_hosts))
    server = Server(
        create_app(engine, endpoint),
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGINL,
        websockets=False,
        log_level=LogLevels.error,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    try:
        await server.serve()
    finally:
        # Closed here, while threads still hold calls: it stops them, and so lets the threads end.
        await asyncio.to_thread(_close, engine)
        endpoint.close()


def _close(engine: Engine) -> None:
    """Close in order; if that cannot be done, end the process: what is committed stays committed."""
    if engine.close():
        _log.info("ClickHouse closed")
        return
    _log.error("a query would not stop; the process ends without closing ClickHouse in order")
    logging.shutdown()
    os._exit(1)


def _must_be_free(host: str, port: int) -> None:
    """The HTTP server shares ports silently; two stores on one port would answer in turns."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StoreError(
                f"The store's port {port} on {host} cannot be used ({error.strerror}): "
                "stop what listens there or choose another port."
            ) from error
