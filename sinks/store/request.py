"""From an HTTP request to a call, as ClickHouse's HTTP interface reads it."""

from collections.abc import Mapping
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

import cramjam

from sinks.store.engine import Call, QueryError
from sinks.store.statement import read_statement

# Words of the transport itself; the engine knows no such settings.
_TRANSPORT = {
    "buffer_size",
    "client_protocol_version",
    "close_session",
    "enable_http_compression",
    "http_headers_progress_interval_ms",
    "password",
    "query_id",
    "quota_key",
    "role",
    "send_progress_in_http_headers",
    "session_check",
    "session_id",
    "session_timeout",
    "user",
}
_DECODERS = {
    "gzip": cramjam.gzip.decompress,
    "x-gzip": cramjam.gzip.decompress,
    "deflate": cramjam.zlib.decompress,
    "zstd": cramjam.zstd.decompress,
    "lz4": cramjam.lz4.decompress,
    "br": cramjam.brotli.decompress,
}
_NOT_IMPLEMENTED = 48
_CANNOT_DECOMPRESS = 271
_SYNTAX = 62


def read_call(query_string: str, headers: Mapping[str, str], body: bytes, limit: int) -> Call:
    """The call a request makes. Raises QueryError with the code ClickHouse would answer.

    The text is the ``query`` parameter, a line break and the body, in that order; INSERT data may be part of
    either. Sessions do not exist here: each request stands for itself.
    """
    url = dict(parse_qsl(query_string, keep_blank_values=True))
    body = _decoded(body, headers.get("content-encoding", "").lower(), limit)
    for flag in ("compress", "decompress"):
        if url.pop(flag, "0") not in ("0", ""):
            raise QueryError(
                f"{flag}=1 (ClickHouse's own block compression) is not supported by this store: "
                "use Content-Encoding, or none",
                _NOT_IMPLEMENTED,
            )
    if headers.get("content-type", "").startswith("multipart/form-data"):
        url.update(_form(headers["content-type"], body))
        body = b""
    query = url.pop("query", "").encode()
    text = query + b"\n" + body if query and body else query or body
    if not text.strip():
        raise QueryError("Empty query", _SYNTAX)
    wait = url.pop("wait_end_of_query", "0") not in ("0", "")
    default_format = url.pop("default_format", "") or headers.get("x-clickhouse-format", "")
    database = url.pop("database", "") or headers.get("x-clickhouse-database", "")
    return Call(
        statement=read_statement(text),
        default_format=default_format or "TabSeparated",
        database=database,
        params={name[6:]: value for name, value in url.items() if name.startswith("param_")},
        settings={
            name: value for name, value in url.items() if name not in _TRANSPORT and not name.startswith("param_")
        },
        whole=wait,
    )


def _decoded(body: bytes, encoding: str, limit: int) -> bytes:
    if not body or encoding in ("", "identity"):
        return body
    decode = _DECODERS.get(encoding)
    if decode is None:
        raise QueryError(f"Unknown Content-Encoding {encoding!r}", _NOT_IMPLEMENTED)
    try:
        decoded = bytes(decode(body))
    except cramjam.DecompressionError as error:
        raise QueryError(f"The body is not valid {encoding}: {error}", _CANNOT_DECOMPRESS) from error
    if len(decoded) > limit:
        raise QueryError(f"The body has more than {limit} bytes when decompressed", _CANNOT_DECOMPRESS)
    return decoded


def _form(content_type: str, body: bytes) -> dict[str, str]:
    """The text fields of a form; files would be external tables, which the embedded engine has not."""
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body
    )
    fields: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is not None or not isinstance(name, str):
            raise QueryError("External tables are not supported by this store", _NOT_IMPLEMENTED)
        payload = part.get_payload(decode=True)
        fields[name] = payload.decode() if isinstance(payload, bytes) else ""
    return fields
