"""Whose events a PostHog request brings: the project's key, which clients of all ages put into different places."""

import re
from collections.abc import Iterable
from typing import Any

from ingest.answers import Refusal, bad_request

_TOKENS = ("api_key", "token", "$token")
_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A client's id, which is what a key is here."""


def token_of(given: dict[str, Any]) -> str:
    """The key that a request or an event names; empty if it names none."""
    for name in _TOKENS:
        token = given.get(name)
        if isinstance(token, str) and token:
            return token.strip()
    return ""


def token_of_events(events: Iterable[Any]) -> str:
    """The key of the first event that names one, among its properties too: it speaks for all."""
    for event in events:
        if isinstance(event, dict) and (token := token_of(event) or _token_of_properties(event)):
            return token
    return ""


def is_of_another_key(event: Any, token: str) -> bool:
    """Whether an event says to be of another key than its request, so that it belongs into another project."""
    if not isinstance(event, dict):
        return False
    if token_of(event) not in ("", token):
        return True
    # Among the properties a token may be one of the sender's own, which is no key at all.
    inner = _token_of_properties(event)
    return inner != token and _KEY.fullmatch(inner) is not None


def another_key() -> Refusal:
    """For what `is_of_another_key`."""
    return bad_request("another_key", "The events of one request have one API key.")


def _token_of_properties(event: dict[str, Any]) -> str:
    properties = event.get("properties")
    return token_of(properties) if isinstance(properties, dict) else ""
