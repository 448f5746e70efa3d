"""Health, readiness and numbers, for supervisors, balancers and Prometheus."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest.gateway import Gateway
from ingest.metrics import CONTENT_TYPE


class Health:
    """The endpoints that speak of the gateway itself."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def alive(self, _: Request) -> Response:
        """200 as long as the process can answer at all."""
        return JSONResponse({"alive": True})

    async def ready(self, _: Request) -> Response:
        """200 when events would be taken: control data and sessions were read, and there is a spool or Kafka answers;
        else 503.
        """
        missing = [] if self._gateway.serving else self._gateway.missing()
        if not self._gateway.spools and not await self._gateway.kafka_reachable():
            missing.append("kafka")
        if missing:
            headers = {"retry-after": "1", "x-weir-reason": "not_ready"}
            return JSONResponse({"ready": False, "missing": missing}, 503, headers)
        return JSONResponse({"ready": True, "missing": []})

    async def metrics(self, _: Request) -> Response:
        """All numbers in Prometheus' text format."""
        return Response(await asyncio.to_thread(self._gateway.metrics.render), media_type=CONTENT_TYPE)

    async def greet(self, _: Request) -> Response:
        """What OpenPanel's root says, for checks that were made for it."""
        return JSONResponse({"status": "ok", "message": "Weir takes events here."})

    async def openpanel_live(self, _: Request) -> Response:
        """OpenPanel's ``/healthz/live``."""
        return JSONResponse({"live": True})

    async def openpanel_ready(self, request: Request) -> Response:
        """OpenPanel's ``/healthz/ready``: as `ready`."""
        if (status := (await self.ready(request)).status_code) == 200:
            return JSONResponse({"ready": True})
        return JSONResponse({"ready": False, "reason": "not ready"}, status)

    async def openpanel_check(self, request: Request) -> Response:
        """OpenPanel's ``/healthcheck``, of what the gateway itself depends on; its status is `ready`'s."""
        missing = self._gateway.missing()
        states = {"kafka": await self._gateway.kafka_reachable()}
        states |= {name: name not in missing for name in ("control", "sessions")}
        status = (await self.ready(request)).status_code
        body = {
            "ready": status == 200,
            **states,
            "failedDependencies": [name for name, works in states.items() if not works],
            "workingDependencies": [name for name, works in states.items() if works],
        }
        return JSONResponse(body, status)
