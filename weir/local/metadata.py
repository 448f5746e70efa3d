"""Asking a broker whether it serves, over a plain socket.

The supervisor asks for as long as it lives, and of brokers that are dying; no Kafka client belongs into a
process that must not die with one.
"""

import socket
import struct

_METADATA, _VERSION, _CORRELATION = 3, 12, 1
_LARGEST_ANSWER = 16 * 1024 * 1024


def serves(host: str, port: int, timeout: float) -> bool:
    """Whether a broker tells within ``timeout`` seconds (for each step) that at least one broker takes part.

    A broker that still starts, or has not been admitted by its controller, does not. Never raises.
    """
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.sendall(_request())
            (length,) = struct.unpack(">i", _read(connection, 4))
            if not 0 < length <= _LARGEST_ANSWER:
                return False
            return _brokers(_read(connection, length)) > 0
    except (OSError, ValueError, struct.error):
        return False


def _request() -> bytes:
    """A Metadata request of no topics: header version 2, flexible encoding."""
    client = b"weir"
    header = struct.pack(">hhih", _METADATA, _VERSION, _CORRELATION, len(client)) + client + b"\x00"
    # An empty list of topics, no creation of any, no list of permissions, no tags.
    body = b"\x01\x00\x00\x00"
    return struct.pack(">i", len(header) + len(body)) + header + body


def _brokers(answer: bytes) -> int:
    """The number of brokers in the answer. Raises ValueError or struct.error when it is none."""
    correlation, tags, _throttled = struct.unpack_from(">ibi", answer)
    if correlation != _CORRELATION or tags != 0:
        raise ValueError("not the answer to what was asked")
    # Lists begin with their length plus one as a varint; no cluster of ours has more than 126 brokers in one byte.
    return int(answer[struct.calcsize(">ibi")]) - 1


def _read(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise ConnectionError("the answer ended early")
        data += more
    return data
