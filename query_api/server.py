"""The query API process."""

import asyncio
import logging
import signal

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from query_api.app import create_app
from query_api.settings import QueryApiSettings

log = logging.getLogger(__name__)


def serve(settings: QueryApiSettings) -> None:
    """Serve until SIGTERM or SIGINT, in the main thread of this process. Blocks.

    Starts without the store, the database or Kafka; what needs them answers 503 until they are there.
    """
    asyncio.run(_serve(settings))


async def _serve(settings: QueryApiSettings) -> None:
    server = Server(
        create_app(settings),
        address=settings.query_api_host,
        port=settings.query_api_port,
        interface=Interfaces.ASGI,
        websockets=True,
        log_level=LogLevels.warning,
    )
    # The server ends a worker without waiting for sockets that stay open longer than this.
    server.workers_kill_timeout = 5
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    log.info("listening on http://%s:%d", settings.query_api_host, settings.query_api_port)
    await server.serve()
