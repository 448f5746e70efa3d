"""The embedded engine: one connection a call, so that settings of one call never reach another."""

import re
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sinks.errors import StoreError
from sinks.sql_text import identifier, literal
from sinks.store.directory import CONFIGURED
from sinks.store.memory import Memory
from sinks.store.statement import Statement

# The engine encodes a streamed result block by block; put together, these formats are whole again. Others have
# a head or a foot, and are made in one piece.
_STREAMABLE = {"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow"}
_CODE = re.compile(r"Code: (\d+)\. ")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class QueryError(Exception):
    """The engine refused or broke off a query. ``code`` is ClickHouse's."""

    def __init__(self, message: str, code: int | None = None) -> None:
        at = message.find("Code: ")
        self.message = message[at:].strip() if at > 0 else message.strip()
        found = _CODE.search(self.message)
        self.code = code if code is not None else int(found.group(1)) if found else 1002
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: a statement and what applies to it alone."""

    statement: Statement
    default_format: str = "TabSeparated"
    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    """Make the whole result before the first byte of it is sent, so that an error becomes the status."""
    readonly: bool = False
    """Let the engine refuse everything that changes anything, whatever the settings say."""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def format(self) -> str:
        """The format of the result."""
        return self.statement.format or self.default_format

    @property
    def streams(self) -> bool:
        """Whether the result may be sent in pieces."""
        return self.statement.reads and not self.whole and self.format in _STREAMABLE


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole result and ClickHouse's counts of the work."""

    body: bytes
    summary: Mapping[str, str]


class Engine:
    """The engine opened on a directory, for the life of this object. All methods may be called from any thread
    and block; none starts a thread of its own.
    """

    def __init__(self, directory: Path, config: Path, log_level: str, memory: Memory) -> None:
        # Loading the library starts an engine for a moment, and so is left to the process that wants one.
        from chdb import _chdb

        # Not URL-encoded: the engine takes the address as it is, and goes without a configuration it cannot find.
        options = f"config-file={config.resolve()}&log-level={log_level}&logger.console=1"
        self._address = f"{directory.resolve()}?{options}"
        self._connect = _chdb.connect
        self._memory = memory
        try:
            # Held open: the engine lives as long as one connection does.
            self._keeper = self._connect(self._address)
            self.version = self._keeper.query("select version()", "TabSeparated").bytes().decode().strip()
        except RuntimeError as error:
            raise StoreError(
                f"The store's data in {directory} cannot be opened ({QueryError(str(error)).message}): "
                "restore a backup, or move the directory away to start with an empty store."
            ) from error
        if not self._is_configured():
            self._keeper.close()
            raise StoreError(f"The engine did not take its configuration {config}: use a path without ? and &.")
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._running = 0
        self._closing = False
        self._closed = False

    def _is_configured(self) -> bool:
        """Without its configuration the Kafka consumers would be away for 45 s after a kill, and nothing else tell."""
        sql = f"select count() from system.macros where macro = '{CONFIGURED}'"
        return bool(self._keeper.query(sql, "TabSeparated").bytes().strip() == b"1")

    def run(self, call: Call) -> Answer:
        """Run a call to its end. Raises QueryError."""
        with self._connection(call) as connection:
            if call.statement.data is not None:
                return self._insert(connection, call)
            result = _asked(connection, call)
            summary = _summary(result)
            if not call.statement.answers:
                summary["written_rows"] = summary["read_rows"]
                summary["written_bytes"] = summary["read_bytes"]
            return Answer(result.bytes(), summary)

    def stream(self, call: Call) -> Iterator[bytes]:
        """The result of a call that streams, block by block; closing the iterator stops the query.

        Raises QueryError, also between blocks.
        """
        with self._connection(call) as connection:
            try:
                result = connection.send_query(_marked(call), call.format, params=dict(call.params))
                while True:
                    block = connection.streaming_fetch_result(result)
                    if block is None or block.rows_read() == 0:
                        result = None
                        return
                    yield block.bytes()
            except RuntimeError as error:
                result = None
                raise QueryError(str(error)) from error
            finally:
                if result is not None:
                    connection.streaming_cancel_query(result)

    def stop(self, token: str) -> None:
        """Ask the engine to stop the call with this token; nothing happens if it is over. Raises QueryError."""
        if not token.isalnum():
            raise QueryError(f"{token!r} is no token of a call", 36)
        with self._lock:
            if self._closing:
                return
        connection = self._connect(self._address)
        try:
            connection.query(f"KILL QUERY WHERE startsWith(query, '{_mark(token)}') ASYNC", "Null")
        except RuntimeError as error:
            raise QueryError(str(error)) from error
        finally:
            connection.close()

    def close(self, seconds: float = 10.0) -> bool:
        """Stop what runs and close the engine: Kafka consumers leave their groups. Later calls are refused.

        False when a call would not stop within ``seconds``: the engine is still open then, and only the end of the
        process closes it. Safe to repeat.
        """
        with self._lock:
            if self._closed:
                return True
            self._closing = True
        deadline = time.monotonic() + seconds
        while True:
            self._keeper.query("KILL QUERY WHERE startsWith(query, '/* call ') ASYNC", "Null")
            with self._idle:
                if self._running == 0 or self._idle.wait(0.5):
                    break
            if time.monotonic() > deadline:
                return False
        self._keeper.close()
        self._closed = True
        return True

    @contextmanager
    def _connection(self, call: Call) -> Iterator[Any]:
        """A connection with the call's database and settings."""
        with self._lock:
            if self._closing:
                raise QueryError("The store is shutting down", 236)
            self._running += 1
        try:
            connection = self._connect(self._address)
            try:
                if call.database:
                    _do(connection, f"USE {identifier(call.database)}")
                _do(connection, f"SET {_assignments(self._memory.bounded(call.settings))}")
                if call.readonly:
                    # Last, as nothing can be set after it.
                    _do(connection, "SET readonly = 1")
                yield connection
            finally:
                connection.close()
        finally:
            with self._idle:
                self._running -= 1
                if self._running == 0:
                    self._idle.notify_all()

    def _insert(self, connection: Any, call: Call) -> Answer:
        """Insert the statement's data through a file: the engine takes a text, and data need not be one."""
        data = call.statement.data
        if not data:
            return Answer(b"", {"written_rows": "0", "written_bytes": "0"})
        with tempfile.NamedTemporaryFile(prefix="weir-insert-", suffix=".data") as file:
            file.write(data)
            file.flush()
            sql = call.statement.from_file(file.name)
            try:
                result = connection.query(f"{_mark(call.token)} {sql}", "TabSeparated", params=dict(call.params))
            except RuntimeError as error:
                raise QueryError(str(error)) from error
        summary = _summary(result)
        summary["written_rows"] = str(result.rows_read())
        summary["written_bytes"] = str(result.bytes_read())
        return Answer(b"", summary)


def _mark(token: str) -> str:
    """The comment in front of a query by which it is found again: the engine gives queries their ids itself."""
    return f"/* call {token} */"


def _marked(call: Call) -> str:
    try:
        return f"{_mark(call.token)} {call.statement.sql.decode()}"
    except UnicodeDecodeError as error:
        raise QueryError(f"The query is not UTF-8 ({error.reason} at byte {error.start})", 62) from error


def _asked(connection: Any, call: Call) -> Any:
    try:
        return connection.query(_marked(call), call.format, params=dict(call.params))
    except RuntimeError as error:
        raise QueryError(str(error)) from error


def _do(connection: Any, sql: str) -> None:
    try:
        connection.query(sql, "Null")
    except RuntimeError as error:
        raise QueryError(str(error)) from error


def _assignments(settings: Mapping[str, str]) -> str:
    for name in settings:
        if not _SETTING.fullmatch(name):
            raise QueryError(f"Unknown setting {name!r}", 115)
    return ", ".join(f"{name} = {literal(value)}" for name, value in settings.items())


def _summary(result: Any) -> dict[str, str]:
    return {
        "read_rows": str(result.storage_rows_read()),
        "read_bytes": str(result.storage_bytes_read()),
        "result_rows": str(result.rows_read()),
        "elapsed_ns": str(int(result.elapsed() * 1_000_000_000)),
    }
