"""Reading SQL text without parsing it: words, quotes, comments and parentheses."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    rb"""
      (?P<skip>\s+ | --[^\n]* | \#[!\ ][^\n]* | /\*.*?\*/)
    | (?P<quoted>'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*`)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<mark>[();])
    | (?P<other>[0-9.,=<>+*\[\]{}!?:|&%^~@$]+ | .)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A word (upper case), a mark or a quoted text, where it stands, and how deep in parentheses."""

    text: bytes
    kind: str
    start: int
    end: int
    depth: int


def tokens(sql: bytes) -> Iterator[Token]:
    """The tokens of ``sql`` without blanks and comments. Lazy: data behind an INSERT is not read."""
    depth = 0
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or "other"
        if kind == "skip":
            continue
        text = match.group()
        if text == b")":
            depth -= 1
        yield Token(text.upper() if kind == "word" else text, kind, match.start(), match.end(), depth)
        if text == b"(":
            depth += 1


def statements(script: str) -> list[str]:
    """The statements of a script, split at the semicolons that stand outside quotes, comments and parentheses."""
    raw = script.encode()
    found: list[str] = []
    start: int | None = None
    for token in tokens(raw):
        if token.text == b";" and token.depth == 0:
            if start is not None:
                found.append(raw[start : token.start].decode().strip())
            start = None
        elif start is None:
            start = token.start
    if start is not None:
        found.append(raw[start:].decode().strip())
    return found


def identifier(name: str) -> str:
    """``name`` quoted as an identifier."""
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def literal(text: str) -> str:
    """``text`` quoted as a string. For DDL only, where parameters cannot be bound."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
