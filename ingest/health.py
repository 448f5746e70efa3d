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
        """200 when events would be taken: control data and sessions were read, and Kafka answers; else 503."""
        missing = self._gateway.missing()
        if not await self._gateway.kafka_reachable():
            missing.append("kafka")
        if missing:
            headers = {"retry-after": "1", "x-weir-reason": "not_ready"}
            return JSONResponse({"ready": False, "missing": missing}, 503, headers)
        return JSONResponse({"ready": True, "missing": []})

    async def metrics(self, _: Request) -> Response:
        """All numbers in Prometheus' text format."""
        return Response(await asyncio.to_thread(self._gateway.metrics.render), media_type=CONTENT_TYPE)
