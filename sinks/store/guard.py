"""Who may ask the store: programs of this machine, never a page in its browser. The engine has no passwords."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace

from sinks.sql_text import tokens
from sinks.store.engine import Call, QueryError

READONLY = 164
_HINT = "A GET request only reads: use POST for what changes anything."
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::[0-9]+)?")


class Guard:
    """Refuses what browsers send, and names that are not this machine's (a foreign name may point here)."""

    def __init__(self, allowed_hosts: str = "") -> None:
        self._allowed = {name.strip().lower() for name in allowed_hosts.split(",") if name.strip()}

    def refusal(self, headers: Mapping[str, str]) -> str | None:
        """Why a request with these headers is not answered, in a sentence; None when it is."""
        if "origin" in headers or "sec-fetch-site" in headers:
            return "The store does not answer browsers: ask it from a program."
        if not self._is_known(headers.get("host", "")):
            return "The store does not go by this Host: use 127.0.0.1, or add the name to WEIR_STORE_ALLOWED_HOSTS."
        return None

    def _is_known(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match["name"].lower()
        if name == "localhost" or name in self._allowed:
            return True
        try:
            return ipaddress.ip_address(name.strip("[]")).is_loopback
        except ValueError:
            return False


def reading(call: Call) -> Call:
    """The call as a GET may make it. Raises QueryError for what the engine's readonly mode lets through: a result
    written into a file, queries stopped, and several statements, which may hide one of these.
    """
    stream = list(tokens(call.statement.sql))
    end = next((at for at, token in enumerate(stream) if token.text == b";"), len(stream))
    if (
        not call.statement.reads
        or any(token.text != b";" for token in stream[end:])
        or any(token.kind == "word" and token.text == b"OUTFILE" for token in stream)
    ):
        raise QueryError(f"Code: {READONLY}. DB::Exception: Cannot execute query in readonly mode. {_HINT} (READONLY)")
    settings = {name: value for name, value in call.settings.items() if name != "readonly"}
    return replace(call, settings=settings, readonly=True)


def explained(error: QueryError, method: str) -> QueryError:
    """The error, which for a GET that tried to change something says what to do."""
    if error.code != READONLY or method == "POST" or _HINT in error.message:
        return error
    return QueryError(f"{error.message} {_HINT}", error.code)
