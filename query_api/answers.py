"""The one shape of an error, and the handlers that give it."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from query_api.errors import QueryApiError

log = logging.getLogger(__name__)


class ErrorAnswer(BaseModel):
    """Every error looks like this."""

    status: int = Field(description="The HTTP status.", examples=[401])
    error: str = Field(description="The status in words.", examples=["Unauthorized"])
    message: str = Field(description="What went wrong, for people.")


_STATUSES = {
    400: "The parameters make no sense.",
    401: "The credentials are missing or wrong, or the client may not read.",
    404: "There is no such project, or it belongs to somebody else.",
    422: "The query needs more time, memory or rows than one query may: ask for a shorter period.",
    503: "The store or the control database does not answer at the moment.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": description} for status, description in _STATUSES.items()
}
"""For the OpenAPI document: what every route that reads a project may answer."""


def add_error_handlers(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(QueryApiError, _known)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


def _answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = ErrorAnswer(status=status, error=HTTPStatus(status).phrase, message=message)
    return JSONResponse(body.model_dump(), status, headers)


async def _known(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, QueryApiError):
        raise error
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    if error.reason is not None:
        headers["X-Weir-Reason"] = error.reason
    return _answer(error.status, str(error), headers)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return _answer(error.status_code, str(error.detail), error.headers)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    problems: Sequence[Any] = error.errors()
    # What stands in the path is part of the address: a wrong one is no page, and the message says which there are.
    in_path = [problem for problem in problems if problem["loc"][0] == "path"]
    sentences = (
        f"{'.'.join(str(part) for part in problem['loc'][1:])}: {problem['msg']}" for problem in in_path or problems
    )
    return _answer(404 if in_path else 400, "; ".join(sentences))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # Starlette raises the error again after this answer, so that the server logs it.
    log.error("%s %s failed: %s", request.method, request.scope.get("path"), type(error).__name__)
    return _answer(500, "Internal server error")
