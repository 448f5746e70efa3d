"""Reading JSON as browsers write it: half of a surrogate pair or a NaN must not cost somebody an event."""

from typing import Any

import orjson

from ingest.answers import bad_request
from schemas.lenient_json import parse_lenient


def read_json(body: bytes) -> Any:
    """The JSON value in ``body``; all its texts are valid Unicode and its numbers finite.

    :raises Refusal: ``not_json``.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _read_leniently(body)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``; all its texts are valid Unicode and its numbers finite.

    :raises Refusal: ``not_json`` or ``not_an_object``.
    """
    value = read_json(body)
    if not isinstance(value, dict):
        raise bad_request("not_an_object", "The body must be a JSON object.")
    return value


def _read_leniently(body: bytes) -> Any:
    try:
        return parse_lenient(body)
    except ValueError as error:
        raise bad_request("not_json", "The body is not JSON.") from error
