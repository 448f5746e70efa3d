"""What a query text is: its first word, its output format, and the data that follows an INSERT."""

from collections.abc import Iterator
from dataclasses import dataclass

from sinks.sql_text import Token, tokens

_READS = {"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK", "FROM"}
_ANSWERS = _READS | {"KILL", "BACKUP", "RESTORE"}


@dataclass(frozen=True, slots=True)
class Statement:
    """A query text taken apart.

    ``sql``: the text, for an INSERT without its data. ``data``: the bytes behind ``INSERT … FORMAT x`` or
    ``VALUES``, None when the statement carries none. ``format``: the format named in the text.
    """

    keyword: str
    sql: bytes
    format: str | None = None
    data: bytes | None = None
    settings_at: int | None = None

    @property
    def reads(self) -> bool:
        """Whether it only reads, so that it may be stopped when nobody waits for it."""
        return self.keyword in _READS

    @property
    def answers(self) -> bool:
        """Whether it has a result, even an empty one."""
        return self.keyword in _ANSWERS

    def from_file(self, path: str) -> str:
        """The INSERT with its data in a file: binary data cannot be part of the text."""
        head = f"FROM INFILE '{path}' COMPRESSION 'none' "
        sql = self.sql.decode()
        if self.settings_at is None:
            return f"{sql} {head} FORMAT {self.format}"
        at = len(self.sql[: self.settings_at].decode())
        return f"{sql[:at]} {head} {sql[at:]} FORMAT {self.format}"


def read_statement(text: bytes) -> Statement:
    """Take ``text`` apart. Never raises: what it cannot make out is the engine's to refuse."""
    stream = tokens(text)
    keyword = next((token.text.decode() for token in stream if token.kind == "word"), "")
    words = (token for token in stream if token.kind == "word" and token.depth == 0)
    if keyword == "INSERT":
        return _read_insert(text, words)
    named: str | None = None
    for token in words:
        if token.text == b"FORMAT":
            follower = next(words, None)
            named = text[follower.start : follower.end].decode() if follower else None
    return Statement(keyword, text, named)


def _read_insert(text: bytes, words: Iterator[Token]) -> Statement:
    settings_at: int | None = None
    for token in words:
        if token.text == b"SETTINGS":
            settings_at = token.start
        elif token.text in (b"SELECT", b"WITH", b"INFILE"):
            break
        elif token.text == b"VALUES":
            return Statement("INSERT", text[: token.start], "Values", text[token.end :], settings_at)
        elif token.text == b"FORMAT" and (named := next(words, None)) is not None:
            name = text[named.start : named.end].decode()
            return Statement("INSERT", text[: token.start], name, _data(text[named.end :]), settings_at)
    return Statement("INSERT", text)


def _data(rest: bytes) -> bytes:
    """What follows the format's name: blanks up to the first line break belong to neither."""
    at = 0
    while at < len(rest) and rest[at : at + 1] in (b" ", b"\t", b"\r", b";"):
        at += 1
    if rest[at : at + 1] == b"\n":
        return rest[at + 1 :]
    return rest[at:] if at else rest
