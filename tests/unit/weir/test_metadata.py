"""A broker is asked over a plain socket; whatever answers, or does not, the question has an answer."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from weir.local.broker import answers
from weir.local.ports import free_ports


@contextmanager
def _server(answer: bytes | None) -> Iterator[int]:
    """Takes one connection and sends the bytes; None leaves the connection open and silent."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            if answer is not None:
                connection.sendall(answer)
            else:
                connection.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        yield int(listener.getsockname()[1])
        thread.join()


def _answer(brokers: int, *, correlation: int = 1) -> bytes:
    body = struct.pack(">ibi", correlation, 0, 0) + bytes([brokers + 1]) + bytes(40)
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize(
    ("answer", "serves"),
    [
        (_answer(1), True),
        (_answer(3), True),
        (_answer(0), False),
        (_answer(1, correlation=9), False),
        (_answer(1)[:-5], False),
        (b"", False),
        (b"\x00\x00", False),
        (struct.pack(">i", 3) + b"abc", False),
        (struct.pack(">i", -1), False),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (None, False),
    ],
)
def test_only_a_broker_that_takes_part_serves(answer: bytes | None, *, serves: bool) -> None:
    with _server(answer) as port:
        assert answers(f"127.0.0.1:{port}", 0.5) is serves


def test_nobody_there_and_no_address() -> None:
    (port,) = free_ports(1)
    for bootstrap in (f"127.0.0.1:{port}", "", "somewhere", "somewhere:", "127.0.0.1:http"):
        assert answers(bootstrap, 0.5) is False
