"""A load generator: keep-alive connections that each send the next event when the last was answered.

``python -m bench.http_load PORT PATH CONNECTIONS SECONDS WARM_UP CLIENT_ID SECRET EVENTS`` prints one line of JSON;
EVENTS of more than 0 sends batches of so many. It runs in a process of its own and does as little as it can, because
on a small machine it takes its share from what it measures.
"""

import asyncio
import json
import sys
import time
from array import array
from typing import cast

import orjson
import uvloop

_BODIES_PER_CONNECTION = 16
_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.{}.0 Safari/537.36"
)


class Load:
    """What all connections share: when to stop, and what was measured."""

    def __init__(self, path: str, client_id: str, secret: str, batch: int) -> None:
        self.path = path
        self.batch = batch
        self.client_id = client_id
        self.secret = secret
        self.counting = False
        self.stopped = False
        self.answers = 0
        self.seconds = array("d")
        self.failures: dict[str, int] = {}


class Connection(asyncio.Protocol):
    """One visitor's browser."""

    def __init__(self, load: Load, number: int) -> None:
        self._load = load
        self.requests = [self._request(number, turn) for turn in range(_BODIES_PER_CONNECTION)]
        self._turn = 0
        self._sent = 0.0
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def _event(self, turn: int) -> dict[str, object]:
        properties = {
            "__path": f"https://shop.example/product/{turn}?utm_source=newsletter&utm_campaign=autumn",
            "__title": f"Product {turn}",
            "__referrer": "https://www.google.com/",
            "price": 12.5 + turn,
            "plan": "basic",
        }
        return {"type": "track", "payload": {"name": "screen_view", "properties": properties}}

    def _request(self, number: int, turn: int) -> bytes:
        events = [self._event(turn + count) for count in range(self._load.batch)]
        body = orjson.dumps({"events": events} if events else self._event(turn))
        head = (
            f"POST {self._load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"User-Agent: {_AGENT.format(number)}\r\nX-Client-Ip: 81.2.{number // 250}.{number % 250 + 1}\r\n"
            "Accept-Language: de-DE,de;q=0.9,en;q=0.8\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: cross-site\r\n"
            'Sec-Ch-Ua: "Chromium";v="131", "Not_A Brand";v="24"\r\nSec-Ch-Ua-Platform: "Windows"\r\n'
            "Openpanel-Sdk-Name: web\r\nOpenpanel-Sdk-Version: 1.4.1\r\n"
            f"Openpanel-Client-Id: {self._load.client_id}\r\nOpenpanel-Client-Secret: {self._load.secret}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not instances of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        if self._transport is None or self._load.stopped:
            return
        self._turn = (self._turn + 1) % _BODIES_PER_CONNECTION
        self._sent = time.perf_counter()
        self._transport.write(self.requests[self._turn])

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        self._received = b""
        load = self._load
        load.answers += 1
        if load.counting:
            load.seconds.append(time.perf_counter() - self._sent)
            if not head.startswith(b"HTTP/1.1 200"):
                status = head[9:12].decode()
                load.failures[status] = load.failures.get(status, 0) + 1
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._load.stopped:
            self._load.failures["closed"] = self._load.failures.get("closed", 0) + 1


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length: ")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def run(load: Load, port: int, connections: int, seconds: float, warm_up: float) -> dict[str, object]:
    """Measure for ``seconds`` after ``warm_up``."""
    loop = asyncio.get_running_loop()
    opened = []
    for number in range(connections):
        transport, _ = await loop.create_connection(lambda n=number: Connection(load, n), "127.0.0.1", port)  # type: ignore[misc]  # a lambda's default has no type
        opened.append(transport)
    await asyncio.sleep(warm_up)
    load.counting = True
    began, spent = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    load.counting = False
    took, spent = time.perf_counter() - began, time.process_time() - spent
    load.stopped = True
    for transport in opened:
        transport.close()
    ordered = sorted(load.seconds)
    count = len(ordered)
    return {
        "connections": connections,
        "requests_per_second": round(count / took),
        "p50_ms": round(ordered[count // 2] * 1000, 2) if count else None,
        "p99_ms": round(ordered[int(count * 0.99)] * 1000, 2) if count else None,
        "failures": load.failures,
        "answers": load.answers,
        "load_cpu_us": round(spent / max(count, 1) * 1e6, 1),
    }


def main() -> None:
    port, path, connections, seconds, warm_up, client_id, secret, batch = sys.argv[1:]
    load = Load(path, client_id, secret, int(batch))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(run(load, int(port), int(connections), float(seconds), float(warm_up)))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
