"""Whether the process lives and can serve, and its metrics. Without credentials: they say nothing of any project."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from query_api.errors import UnavailableError
from query_api.services import AppServices

router = APIRouter(include_in_schema=False)


class Readiness(BaseModel):
    """What the process needs, and whether it answers."""

    ready: bool
    store: bool
    database: bool


@router.get("/healthz")
async def get_health() -> dict[str, bool]:
    """The process answers."""
    return {"live": True}


@router.get("/readyz")
async def get_readiness(services: AppServices, response: Response) -> Readiness:
    """The store and the control database answer; 503 if not."""
    answers = []
    for ping in (services.store.ping, services.access.ping):
        try:
            await ping()
            answers.append(True)
        except UnavailableError:
            answers.append(False)
    store, database = answers
    response.status_code = 200 if all(answers) else 503
    return Readiness(ready=all(answers), store=store, database=database)


@router.get("/metrics")
async def get_own_metrics(services: AppServices) -> Response:
    """Prometheus' text format."""
    return Response(services.metrics.text(), media_type="text/plain; version=0.0.4")
