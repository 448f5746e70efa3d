"""Live visitors over a socket. Credentials come as its first message, never in the address, which is logged."""

import asyncio
import logging
from contextlib import suppress

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, ValidationError
from starlette.types import Message

from query_api.access import Credentials
from query_api.errors import NotFoundError, QueryApiError, UnauthorizedError
from query_api.services import Services

router = APIRouter()
log = logging.getLogger(__name__)

UNAUTHORIZED = 4401
NOT_FOUND = 4404
TOO_LATE = 4408
TOO_MANY = 1013
UNAVAILABLE = 1011

_HELLO_SECONDS = 10
_RECHECK_SECONDS = 60.0


class _Hello(BaseModel):
    client_id: str = Field(alias="clientId", max_length=256)
    client_secret: str = Field(alias="clientSecret", max_length=256)


@router.websocket("/live/{project_id}")
async def watch_live(socket: WebSocket, project_id: str) -> None:
    """First message from the client: ``{"clientId": …, "clientSecret": …}`` within ten seconds. Then, now and every
    few seconds, ``{"visitors": n, "seen": […], "left": […]}`` (``live_hub.Watcher``), the number null while it cannot
    be counted. Closed with 4401 (not allowed), 4404 (no
    such project), 4408 (no first message), 1013 (too many sockets, come back later) or 1011 (the store is away).
    """
    services = socket.app.state.services
    if not isinstance(services, Services):
        raise TypeError("the application was not made by create_app")
    await socket.accept()
    if services.metrics.open_sockets >= services.settings.live_sockets:
        await socket.close(TOO_MANY, "Too many live counters are open")
        return
    with services.metrics.socket(), suppress(WebSocketDisconnect):
        try:
            await _serve(socket, services, project_id)
        except UnauthorizedError as error:
            await socket.close(UNAUTHORIZED, str(error))
        except NotFoundError as error:
            await socket.close(NOT_FOUND, str(error))
        except TimeoutError:
            await socket.close(TOO_LATE, "The first message did not come")
        except QueryApiError as error:
            await socket.close(UNAVAILABLE, str(error))


async def _serve(socket: WebSocket, services: Services, project_id: str) -> None:
    async with asyncio.timeout(_HELLO_SECONDS):
        credentials = _credentials(await socket.receive())
    await services.access.project(credentials, project_id)
    gone = asyncio.create_task(_until_gone(socket))
    sending = asyncio.create_task(_send(socket, services, project_id, credentials))
    try:
        await asyncio.wait((gone, sending), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        sending.cancel()
        results = await asyncio.gather(gone, sending, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _send(socket: WebSocket, services: Services, project_id: str, credentials: Credentials) -> None:
    clock = asyncio.get_running_loop().time
    checked = clock()
    async with services.hub.watch(project_id) as watcher:
        while True:
            news = await watcher.next()
            if clock() - checked > _RECHECK_SECONDS:
                # A client that was revoked meanwhile sees nothing more.
                await services.access.project(credentials, project_id)
                checked = clock()
            await socket.send_json(news)


async def _until_gone(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


def _credentials(message: Message) -> Credentials:
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    try:
        # A binary message has no text, and is no more a first message than any other wrong one.
        hello = _Hello.model_validate_json(message.get("text") or "")
    except ValidationError as error:
        raise UnauthorizedError("The first message must be clientId and clientSecret") from error
    return Credentials(hello.client_id, hello.client_secret)
