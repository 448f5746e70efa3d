"""Reading JSON as browsers write it: half of a surrogate pair or a NaN must not cost somebody an event.

How long a body takes to parse depends on how many values it holds, far more than on its bytes, and a few kilobytes
that were compressed can hold millions. They are counted first, so that no body holds up all others for more than about
50 ms.
"""

from typing import Any

import orjson

from ingest.answers import Refusal, bad_request
from ingest.protocols.protocol import Request
from schemas.lenient_json import TooMuch, has_more_tokens, parse_lenient

MAX_TOKENS = 400_000
"""Values and keys of a body: 2,000 events of 90 properties each. The costliest take 0.12 us each (keys that all
differ), most half of that.
"""


def read_json(body: bytes) -> Any:
    """The JSON value in ``body``; all its texts are valid Unicode and its numbers finite.

    :raises Refusal: ``not_json``; ``too_many_values`` (413) for one that takes too long to parse.
    """
    # Each takes a byte at least.
    if len(body) > MAX_TOKENS and has_more_tokens(body, MAX_TOKENS):
        raise _too_many_values()
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _read_leniently(body)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``; all its texts are valid Unicode and its numbers finite.

    :raises Refusal: as `read_json`; ``not_an_object``.
    """
    return _object(read_json(body))


def request_json(request: Request) -> Any:
    """As `read_json` of the request's body, which may have been read already to tell whose it is."""
    return read_json(request.body) if request.value is None else request.value


def request_object(request: Request) -> dict[str, Any]:
    """As `read_object` of the request's body, which may have been read already to tell whose it is."""
    return _object(request_json(request))


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_request("not_an_object", "The body must be a JSON object.")
    return value


def _read_leniently(body: bytes) -> Any:
    try:
        return parse_lenient(body)
    except TooMuch as error:
        raise _too_many_values() from error
    except ValueError as error:
        raise bad_request("not_json", "The body is not JSON.") from error


def _too_many_values() -> Refusal:
    return Refusal(413, "too_many_values", "The body holds too many values: send it in parts.")
