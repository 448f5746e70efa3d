"""The package's error tree. Each error knows its answer; one handler (`query_api.answers`) sends it."""

from http import HTTPStatus


class QueryApiError(Exception):
    """A request that is answered with an error. ``str(error)`` is for whoever sent it."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    retry_after: int | None = None
    """Seconds after which it is worth trying again."""
    reason: str | None = None
    """One word for programs, where the status alone does not say what to do about it."""


class UnauthorizedError(QueryApiError):
    """The credentials are missing or wrong, or of a client that may not read."""

    status = HTTPStatus.UNAUTHORIZED


class NotFoundError(QueryApiError):
    """It does not exist, or belongs to somebody else: the two cannot be told apart from outside."""

    status = HTTPStatus.NOT_FOUND


class InvalidRequestError(QueryApiError):
    """The parameters make no sense together."""

    status = HTTPStatus.BAD_REQUEST


class QueryTooLargeError(QueryApiError):
    """The query needs more time, memory or rows than one query may. Safe to retry with less. ``reason``: of what."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnavailableError(QueryApiError):
    """The store or the control database does not answer. Safe to retry."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 5


class QueryFailedError(QueryApiError):
    """The store refused a query of ours: a defect. What it said is logged, never answered."""
